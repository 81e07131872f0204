"""The ledger of requests, answers and costs: append-only JSON lines, on disk before anything else happens.

An answer is looked up by the key of its request, so none is bought twice, even after a crash.
The files lie where no checkout reaches them (core.state_dir). DVC versions a copy, which a finished stage
writes and from which another machine takes the answers. It is no database, since a database file neither
merges between copies nor shows its answers in a diff.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from vqa.core.files import whole_file
from vqa.core.jsonl import JsonLines, Values, row_of

_START = b'{"key": "'  # of a line as we write it


@dataclass(frozen=True)
class Entry:
    """One settled request."""

    key: str  # hash of image bytes, prompt, model and generation settings
    image_name: str
    outcome: str  # "answered", or the reason why there is no text
    text: str  # as the model wrote it; the whole response where it has no text
    finish_reason: str
    model_asked: str
    model_answered: str
    prompt_tokens: int
    output_tokens: int
    usd: float  # of all attempts; a lost answer counts at its maximum cost
    seconds: float
    attempts: int
    time: str  # ISO 8601, UTC


@dataclass(frozen=True)
class Job:
    """Requests handed over together (batch mode)."""

    label: str  # ours, sent along: it finds the job again if our process died before writing its name
    keys: tuple[str, ...]
    name: str | None  # the service's
    state: str  # "submitting", "submitted", "cancelling", "cancelled", "collected" or "failed"
    image_names: tuple[str, ...] = ()  # of the keys
    model: str = ""
    time: str = ""  # when it was handed over; ISO 8601, UTC

    @property
    def is_open(self) -> bool:
        return self.state in ("submitting", "submitted", "cancelling")


class Ledger:
    """Settled requests by key. An entry stays on disk until it is looked up: 400,000 take 80 MB.

    Opening it adds what is new in `copy`, the file that DVC versions. Of two entries for one request an
    answer wins, and of two answers the later, so that machines which exchange copies come to agree.

    Raises:
        InputError: a line is not an entry, or another run is writing.
    """

    def __init__(self, path: Path, copy: Path | None = None) -> None:
        places = dict[str, tuple[int, float]]()  # key → where its last line begins, USD; that one holds

        def note(values: Values, at: int) -> None:
            places[values["key"]] = at, values["usd"]

        self._found, self._copy, self._copied = places, copy, set[str]()  # the keys in the copy
        self._lines = JsonLines(path, Entry, note)
        if copy is not None:
            self._lines.merge_entries(copy, self._is_news, self._is_held)

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, key: object) -> bool:
        return key in self._found

    @property
    def usd(self) -> float:
        """The cost of all requests together."""
        return sum(usd for _, usd in list(self._found.values()))

    def get(self, key: str) -> Entry | None:
        return row_of(Entry, json.loads(self._line(key))) if key in self._found else None

    def claim(self) -> None:
        """Become the only run that may write, until this process ends. Call it before anything is paid for.

        Raises:
            InputError: another run is writing.
        """
        self._lines.claim()

    def append(self, entry: Entry) -> None:
        """Write one entry; when this returns it is on disk."""
        self._lines.append(asdict(entry))

    def write_copy(self, keys: Iterable[str]) -> None:
        """Write the copy that DVC versions: what it held before and the entries of `keys`, by key.

        Requests of other experiments stay out, so that they do not change its bytes.
        """
        assert self._copy is not None
        with whole_file(self._copy) as file:
            for key in sorted({*keys, *self._copied}):
                if key in self._found:
                    file.write(self._line(key).decode())

    def _line(self, key: str) -> bytes:
        return self._lines.line(self._found[key][0])

    def _is_held(self, line: bytes) -> bool:
        """Whether this very line is here; it is found by its key, as we write it, without parsing."""
        if not line.startswith(_START):
            return False
        key = line[len(_START) : line.find(b'"', len(_START))].decode(errors="replace")
        if key not in self._found or self._line(key) != line:
            return False
        self._copied.add(key)
        return True

    def _is_news(self, values: Values, line: bytes) -> bool:
        key = values["key"]
        self._copied.add(key)
        if key not in self._found:
            return True
        held = self._line(key)
        return _rank(values, line) > _rank(json.loads(held), held)


class Jobs:
    """Batch jobs by label, the last line of each; takes in a copy's and raises as `Ledger`."""

    def __init__(self, path: Path, copy: Path | None = None) -> None:
        self._results = path.with_name("results")
        self._jobs = jobs = dict[str, Job]()
        self._lines = JsonLines(
            path, Job, lambda values, _: jobs.update({values["label"]: row_of(Job, values)})
        )
        if copy is not None:
            self._lines.merge_entries(copy, self._is_news)

    def open(self) -> list[Job]:
        """Jobs whose answers are still to come."""
        return [job for job in self._jobs.values() if job.is_open]

    def cancelled(self) -> set[str]:
        """The keys of jobs that took too long: they go into no other one."""
        return {key for job in self._jobs.values() if job.state == "cancelled" for key in job.keys}

    def holding(self, keys: Collection[str]) -> list[Job]:
        """Open jobs that will answer one of `keys`; the others are those of other experiments."""
        wanted = set(keys)
        return [job for job in self.open() if not wanted.isdisjoint(job.keys)]

    def claim(self) -> None:
        """As `Ledger.claim`."""
        self._lines.claim()

    def record(self, job: Job) -> None:
        """Write a job's new state; when this returns it is on disk."""
        self._lines.append(asdict(job))

    def result_path(self, job: Job) -> Path:
        """Where a job's result is kept, as it came, until all of it is recorded."""
        return self._results / f"{job.label}.jsonl"

    def keep_result(self, job: Job, content: bytes) -> bool:
        """Keep a result as it came. Returns whether the last one was the same."""
        path = self.result_path(job)
        if path.exists() and path.read_bytes() == content:
            return True
        with whole_file(path) as file:
            file.buffer.write(content)
        return False

    def _is_news(self, values: Values, line: bytes) -> bool:
        job = row_of(Job, values)
        held = self._jobs.get(job.label)
        return held is None or _progress(job) > _progress(held)


def _rank(values: Values, line: bytes) -> tuple[bool, str, bytes]:
    """Of two entries for one request the higher rank wins, in whatever order they are read."""
    return values["outcome"] == "answered", values["time"], line


def _progress(job: Job) -> tuple[bool, bool]:
    """How far a job is: submitting, submitted, over."""
    return not job.is_open, job.name is not None

"""What was asked, answered and paid: append-only JSON lines, on disk before anything else happens.

An answer is looked up by the key of its request, so none is ever bought twice, whatever died in between.
"""

import fcntl
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from vqa.errors import InputError

Row = TypeVar("Row")


@dataclass(frozen=True)
class Entry:
    """One settled request."""

    key: str  # hash of picture bytes, prompt, model and generation settings
    image_name: str
    outcome: str  # "answered", or the reason why there is no text
    text: str  # as the model wrote it; all that came back where no text was found in it
    finish_reason: str
    model_asked: str
    model_answered: str
    prompt_tokens: int
    output_tokens: int
    usd: float  # of all attempts; one whose answer got lost counts at its most
    seconds: float
    attempts: int
    time: str  # ISO 8601, UTC


@dataclass(frozen=True)
class Job:
    """Requests handed over together (batch mode)."""

    label: str  # ours, sent along: finds the job again if we died before its name was written down
    keys: tuple[str, ...]
    name: str | None  # the service's
    state: str  # "submitting", "submitted", "collected" or "failed"
    image_names: tuple[str, ...] = ()  # of the keys
    model: str = ""

    @property
    def is_open(self) -> bool:
        return self.state in ("submitting", "submitted")


class Ledger:
    """Settled requests by key; opening it repairs a last line that a crash tore.

    Raises:
        InputError: a line other than the last is not an entry.
    """

    def __init__(self, path: Path) -> None:
        self._lines = _Lines(path)
        self._entries = {entry.key: entry for entry in self._lines.read(Entry)}
        self.usd = sum(entry.usd for entry in self._entries.values())  # of all requests together

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def append(self, entry: Entry) -> None:
        """Write one entry; when this returns it is on disk."""
        self._lines.append(asdict(entry))
        before = self._entries.get(entry.key)
        self.usd += entry.usd - (before.usd if before else 0.0)
        self._entries[entry.key] = entry


class Jobs:
    """Batch jobs by label, the last line of each; raises as `Ledger`."""

    def __init__(self, path: Path) -> None:
        self._lines = _Lines(path)
        self._jobs = {job.label: job for job in self._lines.read(Job)}

    def open(self) -> list[Job]:
        """Jobs whose answers are still to come."""
        return [job for job in self._jobs.values() if job.is_open]

    def record(self, job: Job) -> None:
        """Write a job's new state; when this returns it is on disk."""
        self._lines.append(asdict(job))
        self._jobs[job.label] = job


class _Lines:
    """An append-only file of JSON objects, one a line; one process at a time writes to it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._lock = path, threading.Lock()
        content = path.read_bytes() if path.exists() else b""
        self._length = len(content)
        self._whole = content[: content.rfind(b"\n") + 1]
        self._file: BinaryIO | None = None

    def read(self, row: type[Row]) -> list[Row]:
        rows = []
        for number, line in enumerate(self._whole.splitlines(), start=1):
            try:
                rows.append(row(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise InputError(
                    f"{self._path}, line {number} is no ledger entry; restore it "
                    f"(dvc checkout {self._path.parent}) or delete that line, and only its request is "
                    "asked again"
                ) from error
        return rows

    def append(self, value: dict[str, Any]) -> None:
        line = json.dumps(value, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            if self._file is None:  # only now, so that merely looking changes nothing
                self._file = self._opened()
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())

    def _opened(self) -> BinaryIO:
        """The file, ours alone until this process ends, with a torn last line cut off."""
        file = self._path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"another run is writing {self._path}; wait for it to end") from error
        if os.fstat(file.fileno()).st_size != self._length:
            raise InputError(f"another run wrote {self._path} since this one began; start again")
        file.truncate(len(self._whole))
        return file

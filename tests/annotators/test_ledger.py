import gc
import json
import resource
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from vqa.annotators.ledger import Entry, Job, Jobs, Ledger
from vqa.core.errors import InputError

ENTRY = Entry("k1", "a.jpg", "answered", "[]", "STOP", "m", "m-001", 500, 100, 0.001, 0.2, 1, "2026-01-01")
LATER = replace(ENTRY, text="[1]", time="2026-01-02")
REFUSED = replace(ENTRY, outcome="safety", time="2026-01-03")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "durable" / "ledger.jsonl"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.jsonl"


def write(path: Path, *rows: Entry | Job) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))


def test_entries_survive_reopening(path: Path) -> None:
    Ledger(path).append(ENTRY)
    second = Ledger(path)
    second.append(replace(ENTRY, key="k2", text="größer\n“quoted”"))
    third = Ledger(path)
    assert (len(third), third.get("k1"), third.get("k3")) == (2, ENTRY, None)
    assert "k2" in third
    entry = third.get("k2")
    assert entry is not None
    assert entry.text == "größer\n“quoted”"


def test_half_a_surrogate_pair_which_a_model_may_write_is_kept(path: Path) -> None:
    Ledger(path).append(replace(ENTRY, text="\ud83d"))
    entry = Ledger(path).get("k1")
    assert entry is not None
    assert entry.text == "\ud83d"


def test_the_last_line_of_a_key_holds(path: Path) -> None:
    ledger = Ledger(path)
    ledger.append(REFUSED)
    ledger.append(ENTRY)
    assert (ledger.get("k1"), Ledger(path).get("k1")) == (ENTRY, ENTRY)


def test_what_was_spent_is_that_of_the_entries_that_hold(path: Path, copy: Path) -> None:
    write(copy, replace(ENTRY, key="k2", usd=0.5))
    ledger = Ledger(path, copy)
    ledger.append(replace(REFUSED, usd=0.25))
    ledger.append(replace(ENTRY, usd=0.75))  # an attempt more, in whose entry the costs add up
    assert (ledger.usd, Ledger(path).usd) == (1.25, 1.25)


def test_a_long_line_is_read_whole(path: Path) -> None:
    Ledger(path).append(replace(ENTRY, text="x" * 100_001))
    Ledger(path).append(replace(ENTRY, key="k2"))
    assert [len(entry.text) for key in ("k1", "k2") if (entry := Ledger(path).get(key))] == [100_001, 2]


def test_a_torn_last_line_is_cut_off_wherever_it_tore(path: Path) -> None:
    Ledger(path).append(ENTRY)
    first = path.read_bytes()
    Ledger(path).append(replace(ENTRY, key="k2"))
    whole = path.read_bytes()
    for length in range(len(first), len(whole) - 1):
        path.write_bytes(whole[:length])
        ledger = Ledger(path)
        assert len(ledger) == 1
        ledger.append(replace(ENTRY, key="k3"))
        assert len(Ledger(path)) == 2


def test_a_broken_line_before_the_last_is_named_and_nothing_is_lost(path: Path) -> None:
    for broken in ('{"key": "half"}', "[]", "{", '"key"', "\0\0"):
        write(path, ENTRY)
        content = path.read_text() + broken + "\n"
        path.write_text(content)
        with pytest.raises(InputError, match=r"ledger\.jsonl, line 2 is no ledger entry; delete that line"):
            Ledger(path)
        assert path.read_text() == content


def test_merely_looking_makes_nothing(path: Path, copy: Path) -> None:
    assert Ledger(path, copy).get("k1") is None
    assert not path.parent.exists()


def test_one_run_at_a_time_may_write_and_the_next_goes_on_from_what_it_wrote(path: Path) -> None:
    one, other = Ledger(path), Ledger(path)
    one.append(ENTRY)
    with pytest.raises(InputError, match=r"another run is writing .*ledger\.jsonl; wait for it to end"):
        other.claim()
    with path.open("ab") as file:
        file.write(b'{"key": "torn')  # the first is killed
    del one
    gc.collect()
    other.claim()
    assert other.get("k1") == ENTRY
    other.append(replace(ENTRY, key="k2"))
    assert len(Ledger(path)) == 2


def test_a_ledger_that_was_cut_by_hand_while_a_run_has_it_open_is_not_written_to(path: Path) -> None:
    write(path, ENTRY)
    ledger = Ledger(path)
    path.write_text("")
    with pytest.raises(InputError, match="was changed by something else meanwhile"):
        ledger.append(LATER)
    with pytest.raises(InputError, match="was changed by something else meanwhile"):
        ledger.get("k1")
    assert path.read_text() == ""


def test_a_ledger_that_is_cut_after_a_run_claimed_it_keeps_what_comes_next_and_stops(path: Path) -> None:
    ledger = Ledger(path)
    ledger.append(ENTRY)
    path.write_text("")
    with pytest.raises(InputError, match="was changed by something else meanwhile; run the same command"):
        ledger.append(replace(ENTRY, key="k2"))
    assert [Ledger(path).get(key) for key in ("k1", "k2")] == [None, replace(ENTRY, key="k2")]


def test_a_place_that_cannot_be_written_is_named_before_anything_is_paid_for(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    ledger = Ledger(tmp_path / "a-file/ledger/ledger.jsonl")
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory\); .* in VQA_STATE_DIR"):
        ledger.claim()


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """A disk that is full, as the system sees it: no file may grow beyond this size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_tears_no_line_that_another_would_follow(path: Path) -> None:
    ledger = Ledger(path)
    ledger.append(ENTRY)
    with files_end_at(path.stat().st_size + 50), pytest.raises(OSError, match="File too large"):
        ledger.append(replace(ENTRY, key="k2"))
    assert "k2" not in ledger
    ledger.append(replace(ENTRY, key="k3"))
    again = Ledger(path)
    assert (len(again), again.get("k1"), again.get("k3")) == (2, ENTRY, replace(ENTRY, key="k3"))


def test_the_answers_of_dvc_s_copy_come_back_and_stay(path: Path, copy: Path) -> None:
    write(copy, ENTRY, replace(ENTRY, key="k2"))
    with copy.open("a") as file:
        file.write('{"key": "torn')
    assert Ledger(path, copy).get("k1") == ENTRY
    copy.unlink()
    assert len(Ledger(path)) == 2


def test_a_copy_without_news_changes_nothing(path: Path, copy: Path) -> None:
    write(path, REFUSED, ENTRY)
    write(copy, REFUSED, ENTRY)
    before = path.read_bytes()
    reader = Ledger(path)
    reader.claim()  # so that writing would be refused
    assert Ledger(path, copy).get("k1") == ENTRY
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("one", "other", "holds"), [(ENTRY, LATER, LATER), (REFUSED, ENTRY, ENTRY), (ENTRY, ENTRY, ENTRY)]
)
def test_two_machines_that_exchange_copies_agree_on_one_entry(
    path: Path, copy: Path, one: Entry, other: Entry, holds: Entry
) -> None:
    for here, there in ((one, other), (other, one)):
        write(path, here)
        write(copy, there)
        assert Ledger(path, copy).get("k1") == holds
        assert Ledger(path).get("k1") == holds


def test_a_copy_s_bytes_depend_on_its_answers_alone(path: Path, copy: Path) -> None:
    a, b, c = (replace(ENTRY, key=key) for key in "abc")
    write(path, c, a)
    Ledger(path, copy).write_copy(["a", "c", "unasked"])
    first = copy.read_bytes()
    write(path, a, b, REFUSED, c)  # in another order, among the answers of another experiment
    copy.unlink()
    Ledger(path, copy).write_copy(["c", "a", "unasked"])
    assert copy.read_bytes() == first
    assert [json.loads(line)["key"] for line in first.splitlines()] == ["a", "c"]


def test_a_copy_keeps_what_it_held(path: Path, copy: Path) -> None:
    write(copy, replace(ENTRY, key="old"))
    ledger = Ledger(path, copy)
    ledger.append(ENTRY)
    ledger.write_copy(["k1"])
    assert [json.loads(line)["key"] for line in copy.read_text().splitlines()] == ["k1", "old"]


def test_of_a_job_the_furthest_state_is_taken_in(tmp_path: Path) -> None:
    submitting = Job("one", ("k1",), None, "submitting")
    submitted = replace(submitting, name="batches/1", state="submitted")
    over = replace(submitted, state="collected")
    for here, there, are_open in ((submitting, submitted, 1), (over, submitted, 0), (submitted, over, 0)):
        write(tmp_path / "jobs.jsonl", here)
        write(tmp_path / "old.jsonl", there)
        assert len(Jobs(tmp_path / "jobs.jsonl", tmp_path / "old.jsonl").open()) == are_open
    Jobs(tmp_path / "new.jsonl", tmp_path / "old.jsonl")
    assert (tmp_path / "new.jsonl").read_bytes() == (tmp_path / "old.jsonl").read_bytes()


def test_only_jobs_that_answer_one_of_the_keys_hold_a_run_up(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs.jsonl")
    jobs.record(Job("one", ("k1", "k2"), "batches/1", "submitted"))
    jobs.record(Job("other", ("k3",), "batches/2", "submitted"))
    assert [job.label for job in jobs.holding(["k2", "k9"])] == ["one"]
    assert jobs.holding(["k9"]) == []


def memory_of(path: Path, size: int) -> tuple[int, int]:
    """Bytes that an open ledger of `size` answers of 3,000 characters takes, and at most took."""
    write(path, *(replace(ENTRY, key=f"{number:064x}", text="x" * 3000) for number in range(size)))
    tracemalloc.start()
    try:
        ledger = Ledger(path)
        assert len(ledger) == size
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def test_an_answer_takes_little_memory_however_long_it_is(path: Path) -> None:
    memory_of(path, 10)  # what is made once
    small, large = memory_of(path, 1000), memory_of(path, 3000)
    assert large[0] - small[0] < 2000 * 400
    assert large[1] - small[1] < 2000 * 400


@pytest.mark.parametrize("end", ["", "\n\n", "\r\n", "\n \n"])
def test_a_last_line_as_an_editor_leaves_it_is_taken(path: Path, copy: Path, end: str) -> None:
    write(path, ENTRY, replace(ENTRY, key="k2"))
    path.write_text(path.read_text().removesuffix("\n") + end)
    write(copy, replace(ENTRY, key="k3"))
    copy.write_text(copy.read_text().removesuffix("\n"))
    Ledger(path, copy).append(replace(ENTRY, key="k4"))
    ledger = Ledger(path)
    assert [ledger.get(f"k{number}") for number in (1, 2, 3, 4)] == [
        replace(ENTRY, key=f"k{number}") for number in (1, 2, 3, 4)
    ]


def test_a_newer_version_s_fields_are_kept(path: Path, copy: Path) -> None:
    newer = json.dumps({**asdict(ENTRY), "cached_tokens": 7}) + "\n"
    copy.parent.mkdir(parents=True)
    copy.write_text(newer)
    ledger = Ledger(path, copy)
    assert ledger.get("k1") == ENTRY
    ledger.append(replace(ENTRY, key="k2"))
    ledger.write_copy(["k1", "k2"])
    assert copy.read_text().startswith(newer)
    jobs = path.with_name("jobs.jsonl")
    jobs.write_text(json.dumps({**asdict(Job("one", ("k1",), "batches/1", "submitted")), "tier": "x"}) + "\n")
    assert [job.label for job in Jobs(jobs).open()] == ["one"]

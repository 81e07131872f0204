import gc
from dataclasses import replace
from pathlib import Path

import pytest

from vqa.errors import InputError
from vqa.ledger import Entry, Ledger

ENTRY = Entry("k1", "a.jpg", "answered", "[]", "STOP", "m", "m-001", 500, 100, 0.001, 0.2, 1, "2026-01-01")


def test_entries_survive_reopening(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path).append(ENTRY)
    second = Ledger(path)
    second.append(replace(ENTRY, key="k2", text="größer\n“quoted”"))
    third = Ledger(path)
    assert (len(third), third.get("k1"), third.get("k3")) == (2, ENTRY, None)
    entry = third.get("k2")
    assert entry is not None
    assert entry.text == "größer\n“quoted”"


def test_a_torn_last_line_is_cut_off_wherever_it_tore(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path).append(ENTRY)
    first = path.read_bytes()
    Ledger(path).append(replace(ENTRY, key="k2"))
    whole = path.read_bytes()
    for length in range(len(first), len(whole)):
        path.write_bytes(whole[:length])
        ledger = Ledger(path)
        assert len(ledger) == 1
        ledger.append(replace(ENTRY, key="k3"))
        assert len(Ledger(path)) == 2


def test_a_broken_line_before_the_last_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"key": "half"}\n')
    with pytest.raises(InputError, match=r"ledger\.jsonl, line 1 is no ledger entry"):
        Ledger(path)
    assert path.read_text() == '{"key": "half"}\n'


def test_two_writers_never_touch_one_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    one, other = Ledger(path), Ledger(path)
    one.append(ENTRY)
    with pytest.raises(InputError, match="another run is writing"):
        other.append(replace(ENTRY, key="k2"))
    del one
    gc.collect()
    with pytest.raises(InputError, match=r"another run wrote .* since this one began"):
        other.append(replace(ENTRY, key="k2"))
    Ledger(path).append(replace(ENTRY, key="k2"))
    assert len(Ledger(path)) == 2

"""Who wrote the answers, as the ledger has it."""

from dataclasses import replace
from pathlib import Path

from vqa.annotators.ledger import Entry, Ledger
from vqa.export.dataset_card import Answerer, answerers

ANSWER = Entry("k1", "a.jpg", "answered", "[]", "STOP", "flash", "flash-002", 9, 9, 0.1, 1.0, 1, "")


def test_models_are_counted_by_what_was_asked_and_what_answered(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for key, day, answered in (
        ("k1", "2026-02-03", "flash-002"),
        ("k2", "2026-01-31", "flash-002"),
        ("k3", "2026-02-05", "lite-001"),
    ):
        ledger.append(replace(ANSWER, key=key, time=f"{day}T10:00:00+00:00", model_answered=answered))
    blocked = replace(ANSWER, key="k4", time="2025-12-31T10:00:00+00:00", outcome="safety")
    ledger.append(blocked)
    assert answerers(tmp_path / "ledger.jsonl") == [
        Answerer("flash", "flash-002", 2, "2026-01-31", "2026-02-03"),
        Answerer("flash", "lite-001", 1, "2026-02-05", "2026-02-05"),
    ]


def test_without_a_ledger_nobody_answered(tmp_path: Path) -> None:
    assert answerers(tmp_path / "ledger.jsonl") == []

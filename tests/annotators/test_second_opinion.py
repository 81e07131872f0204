"""Questions for another model, without the answers, and what its answers come to."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from paths import ROOT
from vqa.annotators.ledger import Entry, Ledger
from vqa.annotators.second_opinion import (
    ask_second_opinions,
    collect_answers,
    opinion_requests,
    paid_settings,
    preview,
)
from vqa.core.errors import InputError
from vqa.pairs.pair import Pair
from vqa.settings import load_settings

SETTINGS = load_settings(ROOT / "params.yaml")
PAIRS = [
    Pair("b1.jpg", "What  color\nis it?", "crimson"),
    Pair("a1.jpg", "How many?", "4"),
    Pair("b1.jpg", "How many?", "4"),
    Pair("b1.jpg", "How many?", "5"),
]


def recorded(ledger: Ledger, key: str, answers: object, outcome: str = "answered") -> None:
    day = datetime(2026, 11, 25, tzinfo=UTC).isoformat()
    text, model = json.dumps(answers), SETTINGS.verify.model
    ledger.append(Entry(key, "b1.jpg", outcome, text, "STOP", model, model, 500, 100, 0.0, 0.0, 1, day))


def test_each_image_has_one_request_with_its_questions_numbered_and_no_answer(tmp_path: Path) -> None:
    first, second = opinion_requests("second_opinion", PAIRS, tmp_path, SETTINGS.generate)
    assert [asked.request.image_name for asked in (first, second)] == ["a1.jpg", "b1.jpg"]
    assert second.questions == ("How many?", "What  color\nis it?")
    assert "1. How many?\n2. What color is it?" in second.request.prompt
    assert "crimson" not in second.request.prompt
    assert second.request.image_path == tmp_path / "images/small/b1/b1.jpg"
    again = opinion_requests("second_opinion", PAIRS[::-1], tmp_path, SETTINGS.generate)
    assert again == [first, second]


def test_without_the_image_it_is_neither_sent_nor_spoken_of_as_the_same(tmp_path: Path) -> None:
    seen, unseen = (
        opinion_requests(check, PAIRS, tmp_path, SETTINGS.generate)[0].request
        for check in ("second_opinion", "opinion_without_image")
    )
    assert unseen.image_path is None
    assert unseen.key != seen.key
    assert unseen.prompt != seen.prompt


def test_answers_come_back_by_number_in_normal_form_and_unknown_is_none(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    asked = opinion_requests("second_opinion", PAIRS, tmp_path, SETTINGS.generate)
    of_b = asked[1].request.key
    recorded(ledger, of_b, [{"question": 2, "answer": "Red."}, {"question": "1", "answer": "Four legs"}])
    assert collect_answers(asked, ledger) == {
        ("b1.jpg", "How many?"): "4",
        ("b1.jpg", "What  color\nis it?"): "red",
    }
    recorded(ledger, of_b, [{"question": 1, "answer": "Unknown"}, {"question": 3, "answer": "red"}])
    assert collect_answers(asked, ledger) == {}
    recorded(ledger, of_b, [{"question": 1, "answer": "4"}], outcome="safety")
    assert collect_answers(asked, ledger) == {}


def test_opinions_are_paid_for_as_pairs_are_with_a_model_of_their_own() -> None:
    paid = paid_settings(SETTINGS.generate, SETTINGS.verify)
    assert (paid.model, paid.thinking) == (SETTINGS.verify.model, SETTINGS.verify.thinking)
    assert replace(paid, model="", thinking=None) == replace(SETTINGS.generate, model="", thinking=None)


def test_where_no_opinion_is_wanted_nothing_is_asked(tmp_path: Path) -> None:
    ledger_copy = tmp_path / "verify.jsonl"
    given = PAIRS, tmp_path, SETTINGS.generate, SETTINGS.verify, ledger_copy
    assert ask_second_opinions(*given) == ({}, {})
    assert ledger_copy.read_text() == ""
    with pytest.raises(InputError, match=r"set verify\.second_opinion or verify\.opinion_without_image to"):
        next(preview(*given, 2))

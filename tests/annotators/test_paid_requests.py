"""Requests and what the ledger holds of them, without any vendor: answers are written by hand."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gemini_server import PAIRS
from paths import ROOT
from vqa.annotators import paid_requests
from vqa.annotators.ledger import Job, Jobs, Ledger
from vqa.annotators.paid_requests import ask_missing, build_request, pairs_answered, under_way, unrecorded
from vqa.annotators.scheduler import Request, Response
from vqa.catalogue.abo import image_path, read_catalogue
from vqa.core.errors import InputError
from vqa.core.files import content_hash
from vqa.settings import load_settings

SETTINGS = replace(
    load_settings(ROOT / "params.yaml").generate, requests_per_minute=1e6, tokens_per_minute=1e9
)
REQUESTS = [Request(f"key{number}", f"{number}.jpg", None, "Ask.") for number in range(4)]


def saying(text: str, outcome: str = "answered") -> Callable[[Request], Response]:
    """A vendor that says this of every image, for 500 tokens in and 100 out."""
    return lambda request: Response(outcome, text, "STOP", SETTINGS.model, 500, 100)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


def test_a_key_is_of_image_prompt_and_settings_and_not_of_the_image_s_name(tmp_path: Path) -> None:
    image, other = tmp_path / "a.jpg", tmp_path / "b.jpg"
    image.write_bytes(b"one")
    other.write_bytes(b"two")
    first = build_request("a.jpg", image, "Ask.", SETTINGS)
    assert (first.image_name, first.image_path, first.prompt) == ("a.jpg", image, "Ask.")
    assert build_request("copy.jpg", image, "Ask.", SETTINGS).key == first.key
    others = [
        build_request("a.jpg", other, "Ask.", SETTINGS),
        build_request("a.jpg", None, "Ask.", SETTINGS),
        build_request("a.jpg", image, "Ask more.", SETTINGS),
        build_request("a.jpg", image, "Ask.", replace(SETTINGS, model="gemini-3.8-flash")),
        build_request("a.jpg", image, "Ask.", replace(SETTINGS, thinking="high")),
    ]
    assert len({request.key for request in [first, *others]}) == 6


def test_answers_from_before_a_setting_existed_are_found(catalogue: Path) -> None:
    settings = load_settings(ROOT / "params.yaml").generate
    products = read_catalogue(catalogue, ["en"], 20).products[:1]
    old = paid_requests.build_requests(
        products, catalogue, replace(settings, thinking=None, media_resolution=None)
    )
    path = image_path(catalogue, products[0].image_name)
    identity = [content_hash(path), old[0].prompt, settings.model, 0.0, 2048]
    assert old[0].key == hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    assert paid_requests.build_requests(products, catalogue, settings)[0].key != old[0].key


def test_what_is_answered_is_not_asked_again_and_two_of_one_key_are_asked_once(ledger: Ledger) -> None:
    twin = replace(REQUESTS[0], image_name="twin.jpg")
    assert [request.key for request in unrecorded([*REQUESTS, twin], ledger)] == [
        "key0",
        "key1",
        "key2",
        "key3",
    ]
    ask_missing(REQUESTS[:1], ledger, saying(json.dumps(PAIRS)), SETTINGS)
    ask_missing(REQUESTS[1:2], ledger, saying("prose"), SETTINGS)
    ask_missing(REQUESTS[2:3], ledger, saying("", "safety"), SETTINGS)
    assert unrecorded([*REQUESTS, twin], ledger) == REQUESTS[3:]
    # Prose gave no pair; what is refused for its content would be refused again.
    assert unrecorded(REQUESTS, ledger, retry=True) == [REQUESTS[1], REQUESTS[3]]
    assert ledger.usd == pytest.approx(3 * (500 * 0.25 + 100 * 1.50) / 1e6)


def test_pairs_come_in_the_requests_order_and_every_request_has_an_outcome(ledger: Ledger) -> None:
    ask_missing(REQUESTS[1::-1], ledger, saying(json.dumps(PAIRS)), SETTINGS)
    ask_missing(REQUESTS[2:3], ledger, saying("prose"), SETTINGS)
    pairs, outcomes = pairs_answered(REQUESTS, ledger, "gemini")
    assert [(pair.image_name, pair.answer) for pair in pairs] == [
        ("0.jpg", "red"),
        ("0.jpg", "4"),
        ("1.jpg", "red"),
        ("1.jpg", "4"),
    ]
    assert {pair.source for pair in pairs} == {"gemini"}
    assert outcomes == {"answered": 2, "not_parsable": 1, "not_asked": 1}


def test_what_the_limit_leaves_out_is_counted(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    limited = replace(SETTINGS, max_requests=1, concurrency=1)
    assert ask_missing(REQUESTS, ledger, saying(json.dumps(PAIRS)), limited).recorded == 1
    assert "3 of 4 images were not asked about" in capsys.readouterr().out


def test_another_model_than_was_asked_stops(ledger: Ledger) -> None:
    answer = Response("answered", json.dumps(PAIRS), "STOP", "gemini-9-ultra", 500, 100)
    with pytest.raises(InputError, match="gemini-9-ultra"):
        ask_missing(REQUESTS, ledger, lambda request: answer, SETTINGS)
    assert len(ledger) == 1  # what was paid is kept, and nothing more was asked


def test_a_job_is_under_way_for_those_of_its_requests_that_have_no_answer(
    ledger: Ledger, tmp_path: Path
) -> None:
    jobs = Jobs(tmp_path / "jobs.jsonl")
    jobs.record(Job("mine", ("key0", "key1"), "batches/0", "submitted"))
    jobs.record(Job("over", ("key2",), "batches/1", "collected"))
    jobs.record(Job("another", ("elsewhere",), "batches/2", "submitted"))
    assert [job.label for job in under_way(REQUESTS, ledger, jobs)] == ["mine"]
    ask_missing(REQUESTS[:2], ledger, saying(json.dumps(PAIRS)), SETTINGS)
    assert under_way(REQUESTS, ledger, jobs) == []

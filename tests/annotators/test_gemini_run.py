"""One run against a local server: what is missing is asked once, and nothing is asked in vain."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gemini_server import PAIRS, GeminiServer
from paths import ROOT
from products import LAMP
from vqa.annotators.gemini_run import ask, jobs_next_to, old_jobs, preview, write_copy
from vqa.annotators.ledger import Job
from vqa.annotators.scheduler import Request
from vqa.core.errors import InputError
from vqa.pairs.pair import Pair
from vqa.settings import Generate, load_settings

DAY = date(2026, 11, 25)
COPY = Path("data/ledger/generate.jsonl")
REQUESTS = [Request(f"key{number}", f"{number}.jpg", None, "Ask.") for number in range(3)]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GeminiServer]:
    """Beside an empty project, with a key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOOGLE_API_KEY", "K-very-secret")
    with GeminiServer() as running:
        yield running


@pytest.fixture
def settings(server: GeminiServer) -> Generate:
    committed = load_settings(ROOT / "params.yaml").generate
    return replace(committed, api_endpoint=server.url, requests_per_minute=1e6, tokens_per_minute=1e9)


def test_a_second_run_asks_only_what_is_new(server: GeminiServer, settings: Generate) -> None:
    ledger = ask(REQUESTS[:2], COPY, settings, today=DAY)
    assert (len(ledger), len(server.received)) == (2, 2)
    assert Path(".state/ledger/generate.jsonl").is_file()
    del ledger  # and with it its claim to write
    assert len(ask(REQUESTS, COPY, settings, today=DAY)) == 3
    assert len(server.received) == 3


def test_without_a_key_nothing_is_asked(
    server: GeminiServer, settings: Generate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_API_KEY")
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    with pytest.raises(InputError, match="neither GOOGLE_API_KEY nor GEMINI_API_KEY is set"):
        ask(REQUESTS, COPY, settings, today=DAY)
    assert server.received == []


def test_online_stops_where_a_batch_job_is_under_way(server: GeminiServer, settings: Generate) -> None:
    jobs = jobs_next_to(COPY)
    jobs.record(Job("label", ("key1",), "batches/7", "submitted"))
    del jobs
    with pytest.raises(InputError, match=r"1 batch jobs are under way .* --forget \(batches/7\)"):
        ask(REQUESTS, COPY, settings, today=DAY)
    assert server.received == []
    ask(REQUESTS[:1], COPY, settings, today=DAY)  # which the job does not hold
    assert len(server.received) == 1


def test_a_price_that_has_run_out_stops_at_google_s_own_address(settings: Generate) -> None:
    google = replace(settings, api_endpoint=None)
    with pytest.raises(InputError, match="was known until 2027-05-07 only"):
        ask(REQUESTS, COPY, google, today=date(2027, 5, 8))


def test_the_copy_has_the_asked_requests_and_an_empty_one_stands_for_none(
    server: GeminiServer, settings: Generate
) -> None:
    write_copy(COPY, None, REQUESTS)
    assert COPY.read_text() == ""
    ledger = ask(REQUESTS, COPY, settings, today=DAY)
    old_jobs(COPY).touch()
    write_copy(COPY, ledger, REQUESTS[1:])
    assert [json.loads(line)["key"] for line in COPY.read_text().splitlines()] == ["key1", "key2"]
    assert not old_jobs(COPY).exists()


def test_a_preview_shows_pairs_the_bill_and_what_all_would_cost(settings: Generate) -> None:
    pairs = [Pair("a.jpg", PAIRS[0]["question"], PAIRS[0]["answer"], "color")]
    bill = {"requests": 2, "usd": 0.002, "reckoned_usd": 0.001}
    first, second, third = preview(pairs, {"outcomes": {"answered": 2}, "bill": bill}, [LAMP] * 4, settings)
    assert first == "a.jpg  What color is the body?  →  red  [color]"
    assert second == "outcomes {'answered': 2}, spent 0.002000 USD on 2 images"
    assert third.startswith("an image was reckoned at 0.000500 USD and billed 0.001000; all 4 images")

"""Batch jobs by google-genai itself, against a local server; how a run uses them is in test_batches."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gemini_server import GeminiServer, Response, error
from paths import ROOT
from vqa.annotators.batches import Uncollectable
from vqa.annotators.gemini_run import GeminiJobs
from vqa.annotators.scheduler import Request, TryAgain
from vqa.core.errors import InputError
from vqa.settings import load_settings

SETTINGS = load_settings(ROOT / "params.yaml").generate
KEY = "K-very-secret"


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as running:
        yield running


@pytest.fixture
def jobs(server: GeminiServer) -> GeminiJobs:
    return GeminiJobs(replace(SETTINGS, api_endpoint=server.url, timeout_s=5), KEY)


@pytest.fixture(scope="module")
def offline() -> GeminiJobs:
    """Jobs that are only written and read: nothing listens at the address."""
    return GeminiJobs(replace(SETTINGS, api_endpoint="http://localhost:1"), KEY)


@pytest.fixture
def request_(catalogue: Path) -> Request:
    image = sorted((catalogue / "images/small").glob("*/*"))[0]
    return Request("key", image.name, image, "Ask.")


def test_a_line_is_the_request_with_its_key_and_the_image_before_the_prompt(
    offline: GeminiJobs, request_: Request
) -> None:
    line = json.loads(offline.line(request_))
    assert line["key"] == "key"
    (content,) = line["request"]["contents"]
    image, text = content["parts"]
    assert request_.image_path is not None
    assert base64.b64decode(image["inlineData"]["data"]) == request_.image_path.read_bytes()
    assert text == {"text": "Ask."}
    assert line["request"]["generationConfig"]["maxOutputTokens"] == 2048
    without = json.loads(offline.line(replace(request_, image_path=None)))
    assert without["request"]["contents"][0]["parts"] == [text]
    assert offline.line(request_).count(b"\n") == 1


def test_a_job_is_submitted_found_by_its_label_and_collected_once_it_has_ended(
    jobs: GeminiJobs, server: GeminiServer, request_: Request
) -> None:
    server.looks_until_done = 1
    assert jobs.job_labelled("mine") is None
    name = jobs.submit(jobs.line(request_), "mine")
    assert jobs.job_labelled("mine") == name
    assert jobs.job_labelled("another") is None
    assert jobs.result(name) is None  # still running
    result = jobs.result(name)
    assert result is not None
    assert not result.is_partial
    assert result.content is not None
    responses, is_torn = jobs.read_responses(result.content, name)
    assert not is_torn
    assert [(key, response.outcome) for key, response in responses.items()] == [("key", "answered")]


def test_a_job_that_is_cancelled_gives_what_it_had(
    jobs: GeminiJobs, server: GeminiServer, request_: Request
) -> None:
    server.looks_until_done = 9
    name = jobs.submit(jobs.line(request_), "mine")
    jobs.cancel(name)
    result = jobs.result(name)
    assert result is not None
    assert result.is_partial


def test_a_job_that_failed_says_why(jobs: GeminiJobs, server: GeminiServer, request_: Request) -> None:
    server.final_state, server.has_output = "BATCH_STATE_FAILED", False
    result = jobs.result(jobs.submit(jobs.line(request_), "mine"))
    assert result is not None
    assert (result.content, result.reason) == (None, "FAILED")


def test_a_job_that_the_service_keeps_back_is_not_a_key_that_it_refuses(
    jobs: GeminiJobs, server: GeminiServer, request_: Request
) -> None:
    name = jobs.submit(jobs.line(request_), "mine")
    server.instead["look"] = error(404, "no such job")
    with pytest.raises(Uncollectable, match="404 no such job"):
        jobs.result(name)
    server.instead["look"] = error(400, f"API key not valid: {KEY}")
    with pytest.raises(InputError, match="Gemini: the key is not valid") as refused:
        jobs.result(name)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (Response({}), "an empty listing of batch jobs"),
        (Response({"operations": [], "unreachable": ["europe"]}), "no listing of batch jobs"),
        (Response([]), "no word of a batch job"),
    ],
)
def test_a_listing_that_may_lack_the_job_is_asked_for_again(
    jobs: GeminiJobs, server: GeminiServer, listed: Response, reason: str
) -> None:
    server.instead["list"] = listed
    with pytest.raises(TryAgain, match=reason):
        jobs.job_labelled("mine")


def test_what_the_service_refuses_stops_with_its_reason(jobs: GeminiJobs, server: GeminiServer) -> None:
    server.instead["list"] = error(400, "a strange page")
    with pytest.raises(InputError, match=r"Gemini refuses the batch: .*a strange page"):
        jobs.job_labelled("mine")


def lines(*entries: Any) -> bytes:
    return b"\n".join(entry if isinstance(entry, bytes) else json.dumps(entry).encode() for entry in entries)


@pytest.mark.parametrize(
    ("code", "outcome"), [(None, "bad_request"), (3, "bad_request"), (400, "bad_request"), (13, "unanswered")]
)
def test_a_request_that_failed_is_refused_or_may_yet_pass(
    offline: GeminiJobs, code: int | None, outcome: str
) -> None:
    failed = {"key": "one", "error": {"code": code, "message": "no"}}
    responses, is_torn = offline.read_responses(lines(failed, {"nothing": "of ours"}), "batches/7")
    assert (list(responses), is_torn) == (["one"], False)
    assert (responses["one"].outcome, responses["one"].finish_reason) == (outcome, "no (batches/7)")


def test_a_file_that_broke_off_is_torn_and_its_last_key_is_still_read(offline: GeminiJobs) -> None:
    failed = {"key": "one", "error": {"code": 3, "message": "no"}}
    responses, is_torn = offline.read_responses(
        lines(failed, b'{"key": "two", "response": {"cand'), "batches/7"
    )
    assert (list(responses), is_torn) == (["one", "two"], True)
    assert responses["two"].outcome == "not_understood"

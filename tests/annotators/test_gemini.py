"""The real SDK against a local server that speaks the real protocol, faults included."""

import base64
import gc
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests
import urllib3

import generate
from clone import Clone
from gemini_faults import FAULTS, Fault
from gemini_server import PAIRS, Behaviour, GeminiServer, Response, answer, error, well
from paths import ROOT
from vqa.annotators import paid_requests
from vqa.annotators.gemini import api_key, build_client, parse_answer
from vqa.annotators.gemini_run import GeminiJobs
from vqa.annotators.ledger import Jobs, Ledger
from vqa.annotators.scheduler import Request, TryAgain
from vqa.core.errors import InputError, run_command
from vqa.pairs.pair import read_pairs
from vqa.settings import Generate, load_settings

KEY = "K-very-secret"
LEDGER = Path(".state/ledger/ledger.jsonl")
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}
PER_DAY = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
Project = Callable[..., Path]
SENDABLE: dict[str, dict[str, Any]] = {
    "google-generativeai": {"thinking": None, "media_resolution": None},
    "google-genai": {},
}


@pytest.fixture(params=SENDABLE)
def settings(request: pytest.FixtureRequest) -> Generate:
    """The committed settings, once for each package, as far as it can send them."""
    return replace(load_settings(ROOT / "params.yaml").generate, sdk=request.param, **SENDABLE[request.param])


@pytest.fixture
def request_(catalogue: Path) -> Request:
    image = sorted((catalogue / "images/small").glob("*/*"))[0]
    return Request("key", image.name, image, "Ask.")


def sent(settings: Generate, request: Request, behaviour: Behaviour, timeout: float = 5) -> Any:
    """What `send` returns or raises, for one behaviour of the server."""
    with GeminiServer(behaviour) as server:
        client = build_client(replace(settings, api_endpoint=server.url, timeout_s=timeout), KEY)
        try:
            return client.send(request)
        except (TryAgain, InputError) as raised:
            return raised


def always(response: Response) -> Behaviour:
    return lambda number, body: response


NO_CANDIDATES = Response({"usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}})
BLOCKED = Response({**NO_CANDIDATES.body, "promptFeedback": {"blockReason": "SAFETY"}})


@pytest.mark.parametrize(
    ("response", "wait", "is_throttled"),
    [
        (error(429, "slow down", [RETRY_INFO]), 0.05, True),
        (error(429, "slow down", Retry_After="7"), 7.0, True),
        (error(429, "slow down"), None, True),
        (error(500, "internal"), None, False),
        (error(503, "overloaded"), None, False),
        (Response(resets=True), None, False),
    ],
)
def test_passing_faults_are_tried_again(
    settings: Generate, request_: Request, response: Response, wait: float | None, is_throttled: bool
) -> None:
    raised = sent(settings, request_, always(response))
    assert isinstance(raised, TryAgain)
    assert (raised.wait, raised.is_throttled) == (wait, is_throttled)


def test_a_slow_answer_and_a_refused_connection_are_tried_again(
    settings: Generate, request_: Request
) -> None:
    assert isinstance(sent(settings, request_, always(Response(delay=0.3)), timeout=0.1), TryAgain)
    with GeminiServer() as server:
        url = server.url
    with pytest.raises(TryAgain):
        build_client(replace(settings, api_endpoint=url, timeout_s=1), KEY).send(request_)


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (error(400, f"API key not valid: {KEY}"), "the key is not valid"),
        (error(403, "denied"), "may not use this API or model"),
        (
            error(404, "gone"),
            "generate.model is 'gemini-3.1-flash-lite', which is unknown, retired or closed",
        ),
        (error(429, "quota", [PER_DAY]), "today's quota is used up"),
    ],
)
def test_lasting_faults_stop_with_one_sentence_without_the_key(
    settings: Generate, request_: Request, response: Response, sentence: str
) -> None:
    raised = sent(settings, request_, always(response))
    assert isinstance(raised, InputError)
    assert sentence in str(raised)
    assert KEY not in str(raised)
    assert "\n" not in str(raised)


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (answer("[]"), "answered"),
        (answer("[{", finish="MAX_TOKENS"), "answered"),
        (answer("", finish="MAX_TOKENS"), "no_text_max_tokens"),
        (answer("x", finish="SAFETY"), "safety"),
        (answer("", finish="RECITATION"), "recitation"),
        (BLOCKED, "blocked_prompt"),
        (NO_CANDIDATES, "no_candidates"),
        (error(400, "Unable to process input image"), "bad_request"),
    ],
)
def test_what_comes_back_is_named(
    settings: Generate, request_: Request, response: Response, outcome: str
) -> None:
    assert sent(settings, request_, always(response)).outcome == outcome


def test_the_request_carries_image_prompt_schema_and_the_key_in_one_header(
    settings: Generate, request_: Request
) -> None:
    with GeminiServer() as server:
        response = build_client(replace(settings, api_endpoint=server.url), KEY).send(request_)
    ((path, headers, body),) = server.received
    assert path.startswith("/v1beta/models/gemini-3.1-flash-lite:generateContent")
    assert [name.lower() for name, value in headers.items() if KEY in value] == ["x-goog-api-key"]
    assert KEY not in path + json.dumps(body)
    image, prompt = body["contents"][0]["parts"]
    assert "image/jpeg" in image["inlineData"].values()
    assert prompt["text"] == "Ask."
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert "difficulty" in json.dumps(body["generationConfig"]["responseSchema"])
    assert (response.model, response.prompt_tokens, response.output_tokens) == (
        "gemini-3.1-flash-lite",
        500,
        100,
    )


def test_the_key_comes_from_the_environment_only() -> None:
    assert api_key({"GOOGLE_API_KEY": "a", "GEMINI_API_KEY": "b"}) == "a"
    assert api_key({"GEMINI_API_KEY": "b"}) == "b"
    with pytest.raises(InputError, match="neither GOOGLE_API_KEY nor GEMINI_API_KEY is set"):
        api_key({})


@pytest.fixture
def asked(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run the generate stage against a server; keyword arguments change generate.*."""
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)

    def run(server: GeminiServer, preview: int | None = None, retry: bool = False, **changes: Any) -> None:
        gemini = {"annotator": "gemini", "api_endpoint": server.url, "requests_per_minute": 1e6}
        sdk = SENDABLE[changes.get("sdk", "google-genai")]
        project(generate={**gemini, "tokens_per_minute": 1e9, **sdk, **changes})
        generate.run(preview, retry)

    return run


@pytest.mark.parametrize("sdk", SENDABLE)
def test_either_package_gives_the_same_pairs(asked: Callable[..., None], sdk: str) -> None:
    with GeminiServer() as server:
        asked(server, images=4, sdk=sdk)
    assert metrics()["outcomes"] == {"answered": 4}
    assert metrics()["bill"]["prompt_tokens"] == 2000


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_that_comes_back_makes_a_package_raise(
    settings: Generate, request_: Request, fault: Fault
) -> None:
    response = sent(settings, request_, always(fault.response))
    if fault.outcome != "not_parsable":  # which is found out later, from the text
        assert response.outcome == fault.outcome
    assert fault.kept in response.text


@pytest.mark.parametrize("sdk", SENDABLE)
def test_whatever_comes_back_is_in_the_ledger_and_is_bought_once(
    asked: Callable[..., None], sdk: str
) -> None:
    faults = list(FAULTS.values())

    def odd(number: int, body: dict[str, Any]) -> Response:
        return faults[number].response if number < len(faults) else well(number, body)

    with GeminiServer(odd) as server:
        for _ in range(2):
            asked(server, images=30, sdk=sdk)
        assert len(server.received) == 30
    good = ["answered"] * (30 - len(faults))
    assert metrics()["outcomes"] == Counter([*good, *(fault.outcome for fault in faults)])
    kept = [json.loads(line)["text"] for line in LEDGER.read_text().splitlines()]
    assert len(kept) == 30
    assert all(any(fault.kept in text for text in kept) for fault in faults)


@pytest.mark.parametrize("sdk", SENDABLE)
@pytest.mark.parametrize(
    "lost", [Response(delay=0.5), Response(resets=True), replace(answer("half of it"), cut_after=60)]
)
def test_an_answer_that_got_lost_is_counted_as_paid_and_asked_for_again(
    asked: Callable[..., None], sdk: str, lost: Response
) -> None:
    def lost_once(number: int, body: dict[str, Any]) -> Response:
        return lost if number == 0 else well(number, body)

    with GeminiServer(lost_once) as server:
        asked(server, images=1, sdk=sdk, timeout_s=0.2)
    first, last = [json.loads(line) for line in LEDGER.read_text().splitlines()]
    assert (first["outcome"], last["outcome"]) == ("lost", "answered")
    assert first["usd"] > 2048 * 1.50 / 1e6  # the most it can have cost
    assert last["usd"] == pytest.approx(first["usd"] + (500 * 0.25 + 100 * 1.50) / 1e6)
    assert (metrics()["bill"]["retries"], metrics()["bill"]["usd"]) == (1, round(last["usd"], 6))
    assert ("half" in first["text"]) == (lost.cut_after is not None)


def test_a_refused_connection_is_not_counted_as_paid(settings: Generate, request_: Request) -> None:
    with GeminiServer() as server:
        url = server.url
    with pytest.raises(TryAgain) as raised:
        build_client(replace(settings, api_endpoint=url, timeout_s=1), KEY).send(request_)
    assert not raised.value.may_be_paid


@pytest.mark.parametrize(
    ("error", "may_be_paid"),
    [
        (httpx2.ReadTimeout("x"), True),
        (httpx2.ReadError("x"), True),
        (httpx2.RemoteProtocolError("x"), True),
        (httpx2.ConnectError("x"), False),
        (httpx2.ConnectTimeout("x"), False),
        (httpx2.PoolTimeout("x"), False),
        (httpx2.ProxyError("407"), False),
        (requests.exceptions.ReadTimeout("x"), True),
        (requests.exceptions.ConnectionError(urllib3.exceptions.ProtocolError("aborted")), True),
        (requests.exceptions.ConnectTimeout("x"), False),
        (requests.exceptions.ProxyError("x"), False),
        (requests.exceptions.SSLError("x"), False),
    ],
)
def test_only_what_may_have_arrived_is_counted_as_paid(error: Exception, may_be_paid: bool) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(TryAgain) as raised:
        parse_answer(fail)
    assert raised.value.may_be_paid == may_be_paid


def test_a_proxy_that_lets_nothing_through_is_not_counted_as_paid(
    settings: Generate, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GeminiServer() as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)  # it does not know CONNECT: 501
        client = build_client(replace(settings, api_endpoint="https://gemini.invalid", timeout_s=2), KEY)
        with pytest.raises(TryAgain) as raised:
            client.send(request_)
    assert not raised.value.may_be_paid


@pytest.mark.parametrize("error", [httpx2.UnsupportedProtocol("x"), requests.exceptions.InvalidHeader(KEY)])
def test_what_cannot_be_sent_at_all_stops(error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(InputError, match="cannot be sent") as raised:
        parse_answer(fail)
    assert KEY not in str(raised.value)


def test_a_key_is_stripped_and_one_that_no_header_can_hold_is_refused_by_name() -> None:
    assert api_key({"GOOGLE_API_KEY": " abc\r\n"}) == "abc"
    assert api_key({"GOOGLE_API_KEY": "  ", "GEMINI_API_KEY": "b"}) == "b"
    for pasted in ("…", "a b", "a\nb", "schlüssel"):
        with pytest.raises(InputError, match="GEMINI_API_KEY is no key") as raised:
            api_key({"GEMINI_API_KEY": pasted})
        assert pasted not in str(raised.value).split()


def test_a_retry_asks_again_all_that_gave_no_pair_but_for_decisions_about_content(
    asked: Callable[..., None],
) -> None:
    odd = [
        answer("prose"),
        answer("[{}]"),
        NO_CANDIDATES,
        answer("", finish="OTHER"),
        answer("", finish="MALFORMED_RESPONSE"),
        answer("", finish="LANGUAGE"),
        BLOCKED,
        answer("", finish="SAFETY"),
        answer("", finish="IMAGE_SAFETY"),
        answer("", finish="RECITATION"),
    ]

    def first_odd(number: int, body: dict[str, Any]) -> Response:
        return odd[number] if number < len(odd) else well(number, body)

    with GeminiServer(first_odd) as server:
        asked(server, images=12, concurrency=1)
        asked(server, images=12)
        assert len(server.received) == 12
        asked(server, images=12, retry=True)
        assert len(server.received) == 12 + 6
        asked(server, images=12, retry=True)
        assert len(server.received) == 12 + 6
    decided = {"blocked_prompt": 1, "safety": 1, "image_safety": 1, "recitation": 1}
    assert metrics()["outcomes"] == {"answered": 8, **decided}


def test_an_image_that_fails_in_two_runs_holds_up_the_others_no_more(asked: Callable[..., None]) -> None:
    bad: list[str] = []

    def poisoned(number: int, body: dict[str, Any]) -> Response:
        image = json.dumps(body["contents"])
        if not bad:
            bad.append(image)
        return error(500, "internal") if image in bad else well(number, body)

    with GeminiServer(poisoned) as server:
        with pytest.raises(InputError, match="1 of 4 requests were not answered in 1 attempts"):
            asked(server, images=4, max_attempts=1)
        asked(server, images=4, max_attempts=1)
        assert metrics()["outcomes"] == {"answered": 3, "unanswered": 1}
        asked(server, images=4, max_attempts=1)
        assert len(server.received) == 5  # nothing more is asked
        bad[:] = ["none"]
        asked(server, images=4, max_attempts=1, retry=True)
        assert len(server.received) == 6
    assert metrics()["outcomes"] == {"answered": 4}


def test_an_outage_is_blamed_on_no_image(asked: Callable[..., None]) -> None:
    is_down = True

    def down(number: int, body: dict[str, Any]) -> Response:
        return error(503, "overloaded") if is_down else well(number, body)

    with GeminiServer(down) as server:
        for run in range(1, 4):
            with pytest.raises(InputError, match=r"none of the last 20 requests .* \(last: 503 over"):
                asked(server, images=30, max_attempts=1)
            assert len(server.received) == 20 * run
        is_down = False
        asked(server, images=30)
    assert metrics()["outcomes"] == {"answered": 30}


def test_a_dead_network_is_blamed_on_none_of_a_few_images(asked: Callable[..., None]) -> None:
    with GeminiServer() as server, GeminiServer() as other:
        dead = GeminiServer()
        dead.server_close()
        asked(server, images=6)
        for _ in range(3):
            with pytest.raises(InputError, match=r"4 of 4 requests were not .* to ask for the rest$"):
                asked(dead, images=10, max_attempts=1)
            gc.collect()  # the package's tracebacks hold the run, and it the ledger's lock
        asked(other, images=10)
        assert len(other.received) == 4
    assert metrics()["outcomes"] == {"answered": 10}


def test_a_pause_of_days_stops_and_one_of_seconds_is_shown(
    asked: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with GeminiServer(always(error(429, "slow down", Retry_After="99999999999"))) as server:
        with pytest.raises(InputError, match=r"asks for a pause of 1000000 hours \(429 slow down\)"):
            asked(server, images=2)
        server.behaviour = always(error(429, "slow down", Retry_After="3599"))
        with pytest.raises(InputError, match="1 of 1 requests were not answered in 1 attempts"):
            asked(server, images=1, max_attempts=1)
    assert "waiting 3599 s: 429 slow down" in capsys.readouterr().err


def test_another_model_stops_before_the_next_request(asked: Callable[..., None]) -> None:
    rerouted = always(answer(json.dumps(PAIRS), model="gemini-3.8-flash"))
    with GeminiServer(rerouted) as server:
        for _ in range(2):  # the first buys one answer, the second none
            with pytest.raises(
                InputError, match=r"gemini-3\.1-flash-lite was asked, but gemini-3\.8-flash answers"
            ):
                asked(server, images=5)
            assert len(server.received) == 1
    assert LEDGER.read_text().count("\n") == 1


def test_a_model_that_retires_is_announced_once(
    asked: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    status = {"modelStage": "LEGACY", "retirementTime": "2027-05-07T00:00:00Z"}
    with GeminiServer(always(answer(json.dumps(PAIRS), modelStatus=status))) as server:
        asked(server, images=4)
    said = "gemini-3.1-flash-lite is legacy and retires on 2027-05-07"
    assert capsys.readouterr().err.count(said) == 1


def test_refusals_of_every_image_end_the_run(asked: Callable[..., None]) -> None:
    with GeminiServer(always(Response(b"<html>Log in</html>"))) as server:
        with pytest.raises(InputError, match=r"last 20 images were all not_understood \(<html>Log in"):
            asked(server, images=30, concurrency=1)
        assert len(server.received) == 20
        server.behaviour = well
        asked(server, images=30, retry=True)
    assert metrics()["outcomes"] == {"answered": 30}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sdk": "google-generativeai"}, r"cannot send generate.thinking \(is minimal\), generate.media_res"),
        ({"sdk": "google-generativeai", "service_tier": "flex"}, r"generate.service_tier \(is flex\)"),
        ({"model": "gemini-3.8-flash"}, "minimal, which gemini-3.8-flash refuses; its least is low"),
        ({"model": "gemini-2.5-flash"}, "takes no level; set it to a number of tokens"),
        ({"mode": "batch", "service_tier": "flex"}, "set it to standard"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is_asked(
    asked: Callable[..., None], changes: dict[str, Any], sentence: str
) -> None:
    given = {"thinking": "minimal", "media_resolution": "low", **changes}
    with GeminiServer() as server:
        with pytest.raises(InputError, match=sentence):
            asked(server, images=3, **given)
        assert server.received == []


@pytest.mark.parametrize(
    ("changes", "sent_settings"),
    [
        ({}, {"mediaResolution": "MEDIA_RESOLUTION_LOW", "thinkingConfig": {"thinkingLevel": "MINIMAL"}}),
        ({"thinking": "low", "media_resolution": "high"}, {"mediaResolution": "MEDIA_RESOLUTION_HIGH"}),
        ({"model": "gemini-2.5-flash", "thinking": 0}, {"thinkingConfig": {"thinkingBudget": 0}}),
        ({"thinking": None, "media_resolution": None}, {"thinkingConfig": None, "mediaResolution": None}),
        ({}, {"temperature": 0.0}),
        ({"model": "gemini-3.5-flash-lite"}, {"temperature": None}),  # ignored there
    ],
)
def test_the_settings_are_sent_the_same_online_and_in_batches(
    request_: Request, changes: dict[str, Any], sent_settings: dict[str, Any]
) -> None:
    settings = replace(load_settings(ROOT / "params.yaml").generate, **changes)
    with GeminiServer() as server:
        settings = replace(settings, api_endpoint=server.url)
        build_client(settings, KEY).send(request_)
        line = json.loads(GeminiJobs(settings, KEY).line(request_))["request"]
    ((_, _, body),) = server.received
    online = json.loads(re.sub(r"_([a-z])(?=\w*\": )", lambda found: found[1].upper(), json.dumps(body)))
    for asked in (line, online):
        image = asked["contents"][0]["parts"][0]["inlineData"]
        image["data"] = base64.urlsafe_b64decode(image["data"].replace("+", "-").replace("/", "_"))
        del asked["generationConfig"]["responseSchema"]  # the package adds the order of its properties
        assert {key: asked["generationConfig"].get(key) for key in sent_settings} == sent_settings
    assert line == online


def test_flex_is_asked_for_and_costs_half(asked: Callable[..., None]) -> None:
    with GeminiServer() as server:
        asked(server, images=2, service_tier="flex")
    assert all(body["serviceTier"] == "flex" for _, _, body in server.received)
    assert metrics()["bill"]["usd"] == pytest.approx(2 * (500 * 0.25 + 100 * 1.50) / 1e6 / 2)


def test_the_first_request_goes_alone(asked: Callable[..., None]) -> None:
    with GeminiServer(always(error(403, "denied")), latency=0.05) as server:
        with pytest.raises(InputError, match="may not use this API or model"):
            asked(server, images=20)
        assert len(server.received) == 1


def test_the_quota_is_the_limit_and_not_the_client(
    settings: Generate, request_: Request, tmp_path: Path
) -> None:
    """A hundred answers come only once more than a hundred requests are under way."""
    several = [replace(request_, key=str(number)) for number in range(111)]
    many = threading.Event()

    def patient(number: int, body: dict[str, Any]) -> Response:
        if number == 110:
            many.set()
        assert number == 0 or many.wait(timeout=30)
        return well(number, body)

    with GeminiServer(patient) as server:
        fast: dict[str, Any] = {"requests_per_minute": 1e6, "tokens_per_minute": 1e9, "timeout_s": 40}
        settings = replace(settings, api_endpoint=server.url, **fast)
        send = build_client(settings, KEY).send
        progress = paid_requests.ask_missing(several, Ledger(tmp_path / "ledger.jsonl"), send, settings)
    assert progress.recorded == 111


def metrics() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(Path("metrics/generate.json").read_text())
    return read


def test_a_rerun_asks_nothing_and_new_images_only_themselves(asked: Callable[..., None]) -> None:
    with GeminiServer() as server:
        asked(server, images=20)
        first = read_pairs(generate.GENERATED)
        asked(server, images=20)
        assert len(server.received) == 20
        assert read_pairs(generate.GENERATED) == first
        asked(server, images=30)
        assert len(server.received) == 30
    assert len(first) == 40
    bill = metrics()["bill"]
    assert (bill["requests"], bill["prompt_tokens"], bill["output_tokens"]) == (30, 15000, 3000)
    assert bill["usd"] == pytest.approx(30 * (500 * 0.25 + 100 * 1.50) / 1e6)
    assert bill["by_model"] == {"gemini-3.1-flash-lite": 30}


@pytest.mark.parametrize("mode", ["online", "batch"])
def test_the_same_image_and_listing_under_two_names_is_bought_once(
    settings: Generate, request_: Request, tmp_path: Path, mode: str
) -> None:
    twin = replace(request_, image_name="twin.jpg")
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with GeminiServer() as server:
        settings = replace(settings, sdk="google-genai", api_endpoint=server.url)
        if mode == "online":
            paid_requests.ask_missing([request_, twin], ledger, build_client(settings, KEY).send, settings)
            assert len(server.received) == 1
        else:
            client = GeminiJobs(settings, KEY)
            jobs = Jobs(tmp_path / "jobs.jsonl")

            def send_by(by: Generate) -> paid_requests.Send:
                return build_client(by, KEY).send

            with pytest.raises(InputError, match="1 requests are under way"):
                paid_requests.ask_in_batches([request_, twin], ledger, jobs, client, settings, send_by)
            paid_requests.ask_in_batches([request_, twin], ledger, jobs, client, settings, send_by)
    pairs, outcomes = paid_requests.pairs_answered([request_, twin], ledger, "gemini")
    assert outcomes == {"answered": 2}
    assert {pair.image_name for pair in pairs} == {request_.image_name, "twin.jpg"}


def test_the_key_is_in_no_file_and_nothing_that_is_printed(
    asked: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with GeminiServer() as server:
        asked(server, images=3)
    assert KEY not in "".join(capfd.readouterr())
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_throttling_lowers_concurrency_and_loses_nothing(asked: Callable[..., None]) -> None:
    def sometimes(number: int, body: dict[str, Any]) -> Response:
        return error(429, "slow down", [RETRY_INFO]) if number % 4 == 1 else well(number, body)

    with GeminiServer(sometimes, latency=0.01) as server:
        asked(server, images=30, concurrency=8)
        assert server.most_at_once <= 8
    assert metrics()["outcomes"] == {"answered": 30}
    assert metrics()["bill"]["retries"] == len(server.received) - 30 > 0


def test_requests_start_no_faster_than_the_rates_allow(asked: Callable[..., None]) -> None:
    with GeminiServer() as server:
        start = time.monotonic()
        asked(server, images=11, requests_per_minute=60 / 0.04)
        assert time.monotonic() - start >= 10 * 0.04
        start = time.monotonic()
        asked(server, images=16, tokens_per_minute=60 * 800 / 0.08)  # a request takes 500 to 800 tokens
        assert time.monotonic() - start >= 4 * 0.08 * 500 / 800


def test_an_answer_of_two_megabytes_is_a_reason_and_does_not_fill_the_ledger(
    asked: Callable[..., None],
) -> None:
    def huge(number: int, body: dict[str, Any]) -> Response:
        return answer("x" * 2_000_000) if number == 0 else well(number, body)

    with GeminiServer(huge) as server:
        asked(server, images=3, concurrency=1)
    assert metrics()["outcomes"] == {"answered": 2, "text_too_long": 1}
    assert LEDGER.stat().st_size < 150_000


def test_limits_stop_before_the_line_is_crossed(
    asked: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with GeminiServer() as server:
        asked(server, images=30, max_requests=7)
        assert len(server.received) == 7
        assert "stopped by generate.max_requests: 23 of 30 images" in capsys.readouterr().out
        assert metrics()["outcomes"] == {"not_asked": 23, "answered": 7}


def test_the_budget_is_that_of_all_runs_together(
    asked: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with GeminiServer() as server:
        for _ in range(3):
            asked(server, images=30, max_cost_usd=0.008)
            assert "stopped by generate.max_cost_usd" in capsys.readouterr().out
    # The dearest answer costs 0.0033: another is bought while 0.008 - 0.0033 are not yet spent.
    assert len(server.received) == 18
    assert metrics()["bill"]["usd"] == pytest.approx(18 * (500 * 0.25 + 100 * 1.50) / 1e6)
    assert metrics()["outcomes"] == {"answered": 18, "not_asked": 12}


def test_requests_that_stay_unanswered_end_the_run_and_are_asked_again(
    asked: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    down = {1, 3}

    def flaky(number: int, body: dict[str, Any]) -> Response:
        return (
            error(429, "slow down", [{**RETRY_INFO, "retryDelay": "0s"}])
            if number in down
            else well(number, body)
        )

    with GeminiServer(flaky) as server:
        with pytest.raises(SystemExit):
            run_command(lambda: asked(server, images=5, max_attempts=1))
        assert "2 of 5 requests were not answered in 1 attempts" in capsys.readouterr().err
        assert not generate.GENERATED.exists()
        asked(server, images=5, max_attempts=1)
        assert len(server.received) == 7


def test_a_preview_shows_pairs_and_the_bill_and_is_not_paid_again(
    asked: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with GeminiServer() as server:
        asked(server, preview=5, images=30)
        printed = capsys.readouterr().out
        assert printed.count("What color is the body?") == 5
        assert "spent 0.001375 USD on 5 images" in printed
        assert "billed 0.000275; all 30 images would cost about 0.0082 USD" in printed
        assert not generate.GENERATED.exists()
        asked(server, images=30)
        assert len(server.received) == 30


def test_ctrl_c_settles_what_is_under_way_and_sends_nothing_new(project: Project, catalogue: Path) -> None:
    environment = {**os.environ, "GOOGLE_API_KEY": KEY}
    with GeminiServer(latency=0.1) as server:
        project(generate={"annotator": "gemini", "api_endpoint": server.url, "concurrency": 4})
        # A shell starts background jobs, and so perhaps these tests, with SIGINT ignored: undo that.
        stage = (
            "import generate, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "generate.run()"
        )
        environment["PYTHONPATH"] = str(ROOT / "src")
        command = [sys.executable, "-c", stage]
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            while len(server.received) < 6:
                pass
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) != 0
        assert len(server.received) <= 6 + 2 * 4 < 30
        assert LEDGER.read_text().count("\n") == len(server.received)


def test_dvc_keeps_the_ledger_through_failures_and_other_stages(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    failing = {2, 5}

    def flaky(number: int, body: dict[str, Any]) -> Response:
        return error(503, "overloaded") if number in failing else well(number, body)

    with GeminiServer(flaky) as server:
        clone.change("demo.images", 50)
        clone.change("generate.annotator", "gemini")
        clone.change("generate.api_endpoint", server.url)
        clone.change("generate.images", 40)
        clone.change("generate.max_attempts", 1)
        failed = clone.run("dvc", "repro", "validate", GOOGLE_API_KEY=KEY)
        assert failed.returncode != 0
        assert "2 of 40 requests were not answered" in failed.stderr
        clone.dvc("repro", "validate", GOOGLE_API_KEY=KEY)
        assert len(server.received) == 42
        clone.change("validate.min_image_side", 17)
        clone.dvc("repro", "validate")  # no key needed: nothing is asked
        assert len(server.received) == 42
        clone.change("generate.images", 50)
        clone.dvc("repro", "validate", GOOGLE_API_KEY=KEY)
        assert len(server.received) == 52
    assert KEY not in (tmp_path / "dvc.lock").read_text()

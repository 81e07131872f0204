import json
from pathlib import Path

import pytest
from google.genai import types
from google.generativeai import protos
from hypothesis import given, settings
from hypothesis import strategies as st

from gemini_faults import FAULTS, GOOD, Fault
from gemini_server import answer
from vqa.annotators.gemini_responses import (
    BLOCK_REASONS,
    FINISH_REASONS,
    STAGES,
    HttpAnswer,
    parse_response,
    read_response,
)
from vqa.annotators.ledger import Entry, Ledger
from vqa.annotators.scheduler import TryAgain
from vqa.core.errors import InputError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_the_numbers_of_reasons_are_those_of_the_protocol() -> None:
    finish = {reason.name: int(reason) for reason in protos.Candidate.FinishReason}
    block = {reason.name: int(reason) for reason in protos.GenerateContentResponse.PromptFeedback.BlockReason}
    assert {name: number for number, name in enumerate(FINISH_REASONS)} == finish
    assert {name: number for number, name in enumerate(BLOCK_REASONS)} == block


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_whatever_came_back_is_kept(fault: Fault) -> None:
    body = fault.response.body
    response = read_response(
        body.decode(errors="replace") if isinstance(body, bytes) else json.dumps(body), "m"
    )
    assert fault.kept in response.text


@settings(deadline=None)  # other work on the machine is no failure
@given(
    key=st.sampled_from([*GOOD, "promptFeedback", "modelStatus"]),
    inner=st.sampled_from(["", "finishReason", "content", "parts", "blockReason", "promptTokenCount"]),
    value=JSON,
    cut=st.integers(0, 300) | st.none(),
)
def test_nothing_between_payment_and_ledger_raises(
    key: str, inner: str, value: object, cut: int | None
) -> None:
    body = {**GOOD, key: {inner: value} if inner else value}
    if key == "candidates" and inner:
        body["candidates"] = [{**GOOD["candidates"][0], inner: value}]
    response = read_response(json.dumps(body)[:cut], "m")
    assert response.outcome
    assert (
        response.outcome + response.text + response.finish_reason + response.model + response.notice
    ).encode()
    assert 0 <= response.prompt_tokens + response.output_tokens < 4e9


def test_a_response_of_half_characters_can_be_written(tmp_path: Path) -> None:
    response = read_response(json.dumps(answer("\ud83d red", finish="\udc00").body), "m")
    entry = Entry(
        "k", "a.jpg", response.outcome, response.text, response.finish_reason, "m", "m", 1, 1, 0.1, 1, 1, "t"
    )
    Ledger(tmp_path / "ledger.jsonl").append(entry)
    kept = Ledger(tmp_path / "ledger.jsonl").get("k")
    assert kept is not None
    assert kept.text == "? red"


def test_thoughts_are_billed_as_output_and_are_no_part_of_the_text() -> None:
    parts = [{"text": "Hm.", "thought": True}, {"text": "[]"}]
    usage = {"promptTokenCount": 300, "candidatesTokenCount": 50, "thoughtsTokenCount": 400}
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage}
    response = read_response(json.dumps(body), "m")
    assert (response.text, response.prompt_tokens, response.output_tokens) == ("[]", 300, 450)


@pytest.mark.parametrize(
    ("status", "notice"),
    [
        (None, ""),
        ({"modelStage": "STABLE"}, ""),
        ({"modelStage": 4, "message": "Fine."}, ""),
        ({"modelStage": 5, "message": "Use 3.5."}, "m is legacy: Use 3.5."),
        ({"modelStage": 7}, "m is retired"),
        ({"modelStage": "SUNSET", "message": "Use 3.5."}, "m is sunset: Use 3.5."),
        ({"modelStage": 9}, "m is model_stage_9"),
        ({"message": "Ends soon."}, "m is in use: Ends soon."),
        ({"modelStage": "LEGACY", "message": "Use\n3.5."}, "m is legacy: Use 3.5."),
        (
            {"modelStage": "STABLE", "retirementTime": "2027-05-07T00:00:00Z"},
            "m is stable and retires on 2027-05-07",
        ),
    ],
)
def test_a_model_that_ends_is_noticed(status: object, notice: str) -> None:
    assert (
        read_response(json.dumps({**GOOD, "modelVersion": "m", "modelStatus": status}), "m").notice == notice
    )


def refused(status: int, said: str, body: object = None) -> str:
    """The sentence, or the outcome, of an HTTP error."""
    content = json.dumps(body or {"error": {"code": status, "message": said}}).encode()
    try:
        return parse_response(HttpAnswer(status, {}, content), "gemini-x", "K").outcome
    except (InputError, TryAgain) as raised:
        return f"{type(raised).__name__}: {raised}"


@pytest.mark.parametrize(
    ("status", "said", "sentence"),
    [
        (400, "Unable to process input image.", "bad_request"),
        (413, "Request payload size exceeds the limit", "bad_request"),
        (
            400,
            "Thinking level MINIMAL is not supported for this model.",
            "gemini-x refuses generate.thinking (",
        ),
        (400, "media_resolution is not enabled", "gemini-x refuses generate.media_resolution ("),
        (400, 'Unknown name "serviceTier": Cannot find field', "gemini-x refuses generate.service_tier ("),
        (400, "User location is not supported for the API use.", "cannot be used from here"),
        (404, "no longer available to new users", "unknown, retired or closed to new keys"),
        (302, "Moved", "look at generate.api_endpoint"),
        (407, "Proxy", "look at generate.api_endpoint"),
        (408, "Request time-out", "TryAgain: 408"),
        (504, "Deadline", "TryAgain: 504"),
    ],
)
def test_an_error_is_this_image_s_or_every_image_s_or_passing(status: int, said: str, sentence: str) -> None:
    assert sentence in refused(status, said)


def test_an_error_in_a_list_or_a_page_is_read_too() -> None:
    assert "the key is not valid (401 bad)" in refused(401, "", [{"error": {"message": "bad"}}])
    page = HttpAnswer(503, {"Retry-After": "7"}, "<p>Überlastet</p>".encode("latin-1"))
    with pytest.raises(TryAgain, match="503 <p>") as raised:
        parse_response(page, "m", "K")
    assert raised.value.wait == 7.0


@pytest.mark.parametrize("delay", ["soon", None, 5, ["1s"], "nan", "-3s"])
def test_a_pause_that_is_no_number_of_seconds_is_chosen_by_us(delay: object) -> None:
    error = {"error": {"message": "slow", "details": [{"retryDelay": delay}]}}
    with pytest.raises(TryAgain) as raised:
        parse_response(HttpAnswer(429, {}, json.dumps(error).encode()), "m", "K")
    assert raised.value.wait == (5.0 if delay == 5 else None)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ({"code": 503, "message": "busy"}, "TryAgain: 503 busy"),
        ({"code": 429, "message": "slow"}, "TryAgain: 429 slow"),
        ({"code": 403, "message": "denied"}, "may not use this API or model"),
        ({"code": 400, "message": "Unable to process input image."}, "bad_request"),
        ({"message": "odd"}, "not_understood"),
        ("odd", "not_understood"),
    ],
)
def test_an_error_that_comes_with_status_200_is_that_error(error: object, sentence: str) -> None:
    assert sentence in refused(200, "", {"error": error})


def test_the_stages_are_those_of_the_package() -> None:
    assert [stage.name for stage in types.ModelStage] == STAGES

"""Gemini's HTTP answers → a Response, or an exception that says what to do.

Between payment and ledger nothing may raise. The packages raise on what they do not know (a new finish reason
as a number, a web page with status 200), so the body is read here, and every body becomes a Response.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import urllib3

from vqa.annotators.scheduler import ANSWERED, NOT_UNDERSTOOD, REFUSED, Response, TryAgain
from vqa.core.errors import InputError

# By number, as google-generativeai asks for them: google.ai.generativelanguage, version v1beta.
FINISH_REASONS = (
    "FINISH_REASON_UNSPECIFIED STOP MAX_TOKENS SAFETY RECITATION OTHER LANGUAGE BLOCKLIST PROHIBITED_CONTENT "
    "SPII MALFORMED_FUNCTION_CALL IMAGE_SAFETY"
).split()
BLOCK_REASONS = "BLOCK_REASON_UNSPECIFIED SAFETY OTHER BLOCKLIST PROHIBITED_CONTENT IMAGE_SAFETY".split()
# google.genai's types.ModelStage, whose order is taken for the numbers: those come to google-generativeai.
STAGES = (
    "MODEL_STAGE_UNSPECIFIED UNSTABLE_EXPERIMENTAL EXPERIMENTAL PREVIEW STABLE LEGACY DEPRECATED RETIRED"
).split()
_LASTING = ("", "MODEL_STAGE_UNSPECIFIED", "UNSTABLE_EXPERIMENTAL", "EXPERIMENTAL", "PREVIEW", "STABLE")
_LONGEST_WAIT = 3600.0  # seconds
_PASSING = (408, 409, 425, 429, 499)
_OF_THIS_IMAGE = (400, 413, 415, 422)
# A 400 that says one of these would come for every image.
_SETTINGS = {
    "generate.thinking": r"think",
    "generate.media_resolution": r"media.?resolution",
    "generate.service_tier": r"service.?tier|\bflex\b",
    "generate.model": r"temperature|max.?output",  # the refused value is a constant, not a setting
    "a setting": r"generation.?config|response.?schema|unknown name|invalid json",
}


@dataclass(frozen=True)
class HttpAnswer:
    """An HTTP answer as it came; `is_whole`: not cut off by a lost connection."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    is_whole: bool = True

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")


class Arrived(Exception):  # noqa: N818  # not an error: it carries an answer past a package's own reading
    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def read_whole(chunks: Iterable[bytes]) -> tuple[bytes, bool]:
    """All bytes, and whether the connection lasted to their end."""
    content = bytearray()
    try:
        for chunk in chunks:
            content += chunk
    except (httpx2.RequestError, urllib3.exceptions.HTTPError):
        return bytes(content), False
    return bytes(content), True


def parse_response(answer: HttpAnswer, model: str, key: str) -> Response:
    """The response to one request for `model`; `key` is kept out of every message.

    Raises:
        TryAgain: 429, 5xx (also as an error in a body that came with 200), or an answer that broke off.
        InputError: the key, the model, a permission or a setting is wrong, or today's quota is used up.
    """
    if not 200 <= answer.status < 300:
        return _refusal(answer, model, key)
    if (status := error_status(parsed(answer.text))) is not None:
        return _refusal(replace(answer, status=status), model, key)
    if not answer.is_whole:
        reason = f"the answer broke off after {len(answer.content)} bytes"
        raise TryAgain(reason, may_be_paid=True, text=_encodable(answer.text))
    return read_response(answer.text, model)


def read_response(raw: str, model: str) -> Response:
    """The response in a body, whatever it is: this raises nothing.

    Its text is the model's, or all of `raw` where none was found. Parts are read here, since `.text` of the
    packages raises on a blocked answer and mixes in the model's thoughts.
    """
    body = parsed(raw)
    if not isinstance(body, dict):
        return Response(NOT_UNDERSTOOD, _encodable(raw), "", model, 0, 0)
    model = _text(body.get("modelVersion")) or model
    outcome, text, reason = _outcome(body)
    tokens = _tokens(as_dict(body.get("usageMetadata")))
    return Response(outcome, _encodable(text or raw), reason, model, *tokens, _notice(body, model))


def error_status(body: Any) -> int | None:
    """The HTTP status in the error envelope that a body is, whatever status it came with."""
    body = body[0] if isinstance(body, list) and body else body
    if not isinstance(body, dict) or body.get("candidates"):
        return None
    code = as_dict(body.get("error")).get("code")
    return code if isinstance(code, int) and 400 <= code < 600 else None


def _outcome(body: dict[str, Any]) -> tuple[str, str, str]:
    """Outcome, text and the reason that the service gives."""
    candidates = body.get("candidates")
    if not candidates and body.get("error"):
        return NOT_UNDERSTOOD, "", ""
    if not candidates:
        blocked = _reason(as_dict(body.get("promptFeedback")).get("blockReason"), BLOCK_REASONS)
        if not blocked:
            return "no_candidates", "", ""
        own_name = "" if blocked in BLOCK_REASONS else f"_{blocked.lower()}"
        return f"blocked_prompt{own_name}", "", blocked
    candidate = candidates[0] if isinstance(candidates, list) else None
    if not isinstance(candidate, dict):
        return NOT_UNDERSTOOD, "", ""
    reason = _reason(candidate.get("finishReason"), FINISH_REASONS)
    parts = as_dict(candidate.get("content")).get("parts")
    objects = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    texts = [part.get("text") for part in objects if not part.get("thought")]
    text = "".join(text for text in texts if isinstance(text, str))
    if reason not in ("", "STOP", "MAX_TOKENS"):  # SAFETY, RECITATION, …: the text is incomplete
        return reason.lower(), text, reason
    return (ANSWERED if text else f"no_text_{reason.lower()}".rstrip("_")), text, reason


def _reason(given: Any, names: list[str]) -> str:
    """The name of a reason; a number without a name keeps its number."""
    if isinstance(given, int) and not isinstance(given, bool):
        matches = names[given : given + 1] if given >= 0 else []
        return matches[0] if matches else f"{names[0].removesuffix('_UNSPECIFIED')}_{given}"[:60]
    name = given if isinstance(given, str) else "" if given is None else type(given).__name__
    return re.sub(r"\W+", "_", name, flags=re.ASCII)[:60]


def _tokens(usage: dict[str, Any]) -> tuple[int, int]:
    """Tokens of the prompt, and all others, since the model's thoughts are billed as output."""
    prompt, total = _count(usage.get("promptTokenCount")), _count(usage.get("totalTokenCount"))
    parts = _count(usage.get("candidatesTokenCount")) + _count(usage.get("thoughtsTokenCount"))
    return prompt, max(total - prompt, parts)


def _notice(body: dict[str, Any], model: str) -> str:
    """One sentence if the service announces the end of the model, or something unknown; else ""."""
    status = as_dict(body.get("modelStatus"))
    stage = _reason(status.get("modelStage"), STAGES)
    ends, message = _text(status.get("retirementTime")), _text(status.get("message"))
    if stage in _LASTING and not ends and (not message or stage in ("PREVIEW", "STABLE")):
        return ""
    when = f" and retires on {ends[:10]}" if ends else ""
    return f"{model} is {stage.lower() or 'in use'}{when}{': ' if message else ''}{message}"


def _refusal(answer: HttpAnswer, model: str, key: str) -> Response:
    """A response for a request that will never be answered; raises for every other error."""
    error, message = _find_error(answer), answer_text(answer, key)
    text = f"{message} {error.get('status')} {error.get('details')}"
    if answer.status >= 500 or (answer.status in _PASSING and "PerDay" not in text):
        wait = _seconds_to_wait(error.get("details"), answer.headers)
        if wait is not None and wait > _LONGEST_WAIT:
            raise InputError(
                f"Gemini asks for a pause of {min(wait / 3600, 1e6):.0f} hours ({answer.status} {message}); "
                "what was answered is kept, run the same command again then"
            )
        is_throttled = answer.status == 429
        raise TryAgain(f"{answer.status} {message}", wait, is_throttled, is_reached=True)
    sentence = _lasting_fault(answer.status, text, model)
    if sentence:
        raise InputError(f"Gemini: {sentence} ({answer.status} {message}); what was answered is kept")
    # This image or prompt is refused (say, an image it cannot decode); others may pass.
    return Response(REFUSED, "", _encodable(message), model, 0, 0)


def answer_text(answer: HttpAnswer, key: str) -> str:
    """An error's message on one line, without the key."""
    message = str(_find_error(answer).get("message") or answer.text[:200])
    return " ".join(message.replace(key, "[key]").split())


def _lasting_fault(status: int, text: str, model: str) -> str:
    """A fault that every image would meet, in words; "" if only this image is concerned."""
    if "api key" in text.lower() or "API_KEY" in text:
        return "the key is not valid"
    if "FAILED_PRECONDITION" in text or "location is not supported" in text:
        return "the API cannot be used from here or with this account"
    faults = {
        401: "the key is not valid",
        403: "the key may not use this API or model",
        404: f"generate.model is {model!r}, which is unknown, retired or closed to new keys",
        429: "today's quota is used up, so run the same command again tomorrow",
    }
    if status not in _OF_THIS_IMAGE:
        return faults.get(status, "the service does not take the request; look at generate.api_endpoint")
    refused = [name for name, words in _SETTINGS.items() if re.search(words, text, re.IGNORECASE)]
    return f"{model} refuses {refused[0]}" if refused else ""


def _find_error(answer: HttpAnswer) -> dict[str, Any]:
    """Google's error envelope, also in a list of one; {} for any other body."""
    body = parsed(answer.text)
    return as_dict(as_dict(body[0] if isinstance(body, list) and body else body).get("error"))


def _seconds_to_wait(details: Any, headers: Mapping[str, str]) -> float | None:
    """The wait that the service asks for, in seconds: RetryInfo in the body, else the Retry-After header."""
    delays = [detail.get("retryDelay") for detail in as_list(details) if isinstance(detail, dict)]
    for delay in [*delays, headers.get("Retry-After")]:
        if match := re.fullmatch(r"(\d+(\.\d+)?)s?", str(delay)):
            return float(match[1])
    return None


def parsed(text: str) -> Any:
    """The JSON in `text`; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def as_dict(value: Any) -> dict[str, Any]:
    """`value` where it is what it should be, else an empty one; `as_list` likewise."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return " ".join(_encodable(value).split()) if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value < 10**9 and not isinstance(value, bool) else 0


def _encodable(text: str) -> str:
    """The text without lone surrogates, which JSON may hold and no file can."""
    return text.encode(errors="replace").decode()

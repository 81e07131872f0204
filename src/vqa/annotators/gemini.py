"""Google's Gemini over google-generativeai: the only file that knows the vendor.

The key comes from GOOGLE_API_KEY or GEMINI_API_KEY and goes into one request header; it is in no setting,
file or message. The package's own retry covers only 503 and ignores our time-out, so it is switched off.
"""

import os
import warnings
from collections.abc import Mapping
from typing import Any

import requests
from google.api_core import exceptions

from vqa.annotators.prompt import DIFFICULTIES, TYPES
from vqa.asking import Reply, Request, TryAgain
from vqa.errors import InputError
from vqa.settings import Generate

with warnings.catch_warnings():
    # It announces at import that its support has ended; we know (see the README's limits).
    warnings.simplefilter("ignore", FutureWarning)
    import google.generativeai as genai

_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "question": {"type": "string"},
            "answer": {"type": "string"},
            "type": {"type": "string", "enum": list(TYPES)},
            "difficulty": {"type": "string", "enum": list(DIFFICULTIES)},
        },
        "required": ["question", "answer", "type", "difficulty"],
    },
}


def api_key(environment: Mapping[str, str] = os.environ) -> str:
    """The key, from the environment only.

    Raises:
        InputError: neither variable is set.
    """
    key = environment.get("GOOGLE_API_KEY") or environment.get("GEMINI_API_KEY")
    if not key:
        raise InputError(
            "generate.annotator is gemini, but neither GOOGLE_API_KEY nor GEMINI_API_KEY is set; "
            "export one (https://aistudio.google.com/apikey)"
        )
    return key


class Gemini:
    """Asks one model about one picture at a time; safe to use from many threads."""

    def __init__(self, settings: Generate, key: str) -> None:
        self._key, self._name, self._timeout = key, settings.model, settings.timeout_s
        endpoint = {"api_endpoint": settings.api_endpoint} if settings.api_endpoint else None
        genai.configure(api_key=key, transport="rest", client_options=endpoint)
        self._model = genai.GenerativeModel(
            settings.model,
            generation_config=genai.GenerationConfig(
                temperature=settings.temperature,
                max_output_tokens=settings.max_output_tokens,
                response_mime_type="application/json",
                response_schema=_SCHEMA,
            ),
        )

    def send(self, request: Request) -> Reply:
        """Ask once.

        Raises:
            TryAgain: 429, 5xx, time-out, connection lost or refused.
            InputError: the key, the model or a permission is wrong, or today's quota is used up.
        """
        mime_type = "image/png" if request.image_path.suffix == ".png" else "image/jpeg"
        picture = {"mime_type": mime_type, "data": request.image_path.read_bytes()}
        try:
            response = self._model.generate_content(
                [picture, request.prompt],
                request_options={"timeout": self._timeout, "retry": None},
            )
        except exceptions.TooManyRequests as error:
            raise self._throttled(error) from None
        except (exceptions.ServerError, requests.exceptions.RequestException) as error:
            raise TryAgain(type(error).__name__) from None
        except exceptions.NotFound as error:
            raise self._stop(
                f"generate.model is {self._name!r}, which is unknown or retired", error
            ) from None
        except (exceptions.Unauthorized, exceptions.Forbidden) as error:
            raise self._stop("the key may not use this API or model", error) from None
        except exceptions.ClientError as error:
            if "api key" in error.message.lower() or "API_KEY" in str(error.details):
                raise self._stop("the key is not valid; see GOOGLE_API_KEY", error) from None
            # This picture or prompt is refused (say, an image it cannot decode); others may pass.
            return Reply("bad_request", "", self._without_key(error.message), self._name, 0, 0)
        return _reply(response, self._name)

    def _throttled(self, error: exceptions.TooManyRequests) -> Exception:
        if any("PerDay" in str(detail) for detail in error.details):
            return self._stop("today's quota is used up; run the same command again tomorrow", error)
        return TryAgain("429 too many requests", _seconds_to_wait(error), is_throttled=True)

    def _stop(self, sentence: str, error: exceptions.GoogleAPICallError) -> InputError:
        said = f"{error.code} {error.message.rpartition('enum-encoding%3Dint: ')[2]}".strip()
        return InputError(self._without_key(f"Gemini: {sentence} ({said}); what was answered is kept"))

    def _without_key(self, text: str) -> str:
        return " ".join(text.replace(self._key, "[key]").split())


def _seconds_to_wait(error: exceptions.TooManyRequests) -> float | None:
    """What the service asks for: RetryInfo in the body, else the Retry-After header."""
    for detail in error.details:
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if delay:
            return float(str(delay).removesuffix("s"))
    header = error.response.headers.get("Retry-After") if error.response is not None else None
    return float(header) if header and header.replace(".", "").isdigit() else None


def _reply(response: Any, asked: str) -> Reply:
    """Read the parts ourselves: `.text` raises on a blocked answer."""
    usage = response.usage_metadata
    counts = (usage.prompt_token_count, usage.total_token_count - usage.prompt_token_count)
    model = getattr(response._result, "model_version", "") or asked
    if not response.candidates:
        blocked = response.prompt_feedback.block_reason
        outcome = "blocked_prompt" if blocked else "no_candidates"
        return Reply(outcome, "", blocked.name if blocked else "", model, *counts)
    candidate = response.candidates[0]
    reason = candidate.finish_reason.name
    text = "".join(part.text for part in candidate.content.parts)
    outcome = "answered" if text else f"no_text_{reason.lower()}"
    if reason not in ("STOP", "MAX_TOKENS"):  # SAFETY, RECITATION, …: what text there is was withheld
        outcome = reason.lower()
    return Reply(outcome, text, reason, model, *counts)

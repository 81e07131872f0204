"""Google's Gemini, over either of its packages: the only file that knows the vendor.

The key comes from GOOGLE_API_KEY or GEMINI_API_KEY and goes into one request header; it is in no setting,
file or message. google-generativeai's own retry covers only 503 and ignores our time-out, so it is off.
"""

import base64
import io
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
import requests

from vqa.annotators.prompt import DIFFICULTIES, TYPES
from vqa.asking import Reply, Request, TryAgain
from vqa.errors import InputError
from vqa.settings import Generate

with warnings.catch_warnings():
    # It announces at import that its support has ended; we know (docs/gemini.md).
    warnings.simplefilter("ignore", FutureWarning)
    import google.generativeai as genai
    from google.api_core import exceptions

_SCHEMA = {
    "type": "ARRAY",
    "items": {
        "type": "OBJECT",
        "properties": {
            "question": {"type": "STRING"},
            "answer": {"type": "STRING"},
            "type": {"type": "STRING", "enum": list(TYPES)},
            "difficulty": {"type": "STRING", "enum": list(DIFFICULTIES)},
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


def client_for(settings: Generate, key: str) -> "GenerativeAi | GenAi":
    """The client of the package that `generate.sdk` names."""
    return GenAi(settings, key) if settings.sdk == "google-genai" else GenerativeAi(settings, key)


def batch_client(client: "GenerativeAi | GenAi") -> "GenAi":
    """The same client, where its package has batch mode."""
    if isinstance(client, GenAi):
        return client
    raise InputError(
        "params.yaml: generate.mode is batch, which only google-genai has; set generate.sdk to it and "
        "pip install --group successor"
    )


class GenerativeAi:
    """google-generativeai. Asks about one picture at a time; safe to use from many threads."""

    def __init__(self, settings: Generate, key: str) -> None:
        self._faults = _Faults(settings.model, key)
        self._name, self._timeout = settings.model, settings.timeout_s
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
        try:
            response = self._model.generate_content(
                [{"mime_type": _mime_type(request), "data": request.image_path.read_bytes()}, request.prompt],
                request_options={"timeout": self._timeout, "retry": None},
            )
        except requests.exceptions.RequestException as error:
            raise TryAgain(type(error).__name__) from None
        except exceptions.GoogleAPICallError as error:
            said = error.message.rpartition("enum-encoding%3Dint: ")[2]  # without the URL before it
            headers = error.response.headers if error.response is not None else {}
            return self._faults.reply(int(error.code), said, error.details, headers)
        usage = response.usage_metadata
        return _reply(
            response.candidates,
            response.prompt_feedback.block_reason,
            response._result.model_version or self._name,
            (usage.prompt_token_count, usage.total_token_count - usage.prompt_token_count),
        )


class GenAi:
    """google-genai, the supported successor; an extra: pip install --group successor."""

    def __init__(self, settings: Generate, key: str) -> None:
        try:
            from google import genai as successor  # noqa: PLC0415  # an extra, so only when asked for
        except ImportError as error:
            raise InputError(
                "params.yaml: generate.sdk is google-genai, which is not installed; "
                "pip install --group successor"
            ) from error
        self._faults = _Faults(settings.model, key)
        self._types, self._errors = successor.types, successor.errors
        self._name = settings.model
        # It retries nothing unless told to, which leaves that to us.
        options = self._types.HttpOptions(
            api_version="v1beta", base_url=settings.api_endpoint, timeout=int(settings.timeout_s * 1000)
        )
        self._client = successor.Client(api_key=key, http_options=options)
        self._config = self._types.GenerateContentConfig(
            temperature=settings.temperature,
            max_output_tokens=settings.max_output_tokens,
            response_mime_type="application/json",
            response_schema=_SCHEMA,
        )

    def send(self, request: Request) -> Reply:
        """Ask once; raises as `GenerativeAi.send`."""
        picture = self._types.Part.from_bytes(
            data=request.image_path.read_bytes(), mime_type=_mime_type(request)
        )
        try:
            response = self._client.models.generate_content(
                model=self._name, contents=[picture, request.prompt], config=self._config
            )
        except httpx2.TransportError as error:
            raise TryAgain(type(error).__name__) from None
        except self._errors.APIError as error:
            body = error.details.get("error", {}) if isinstance(error.details, dict) else {}
            return self._faults.reply(
                error.code, str(error.message), body.get("details", []), error.response.headers
            )
        return self._reply(response)

    def _reply(self, response: Any) -> Reply:
        usage, feedback = response.usage_metadata, response.prompt_feedback
        prompt_tokens = (usage.prompt_token_count or 0) if usage else 0
        total = (usage.total_token_count or prompt_tokens) if usage else 0
        return _reply(
            response.candidates or [],
            feedback.block_reason if feedback else None,
            response.model_version or self._name,
            (prompt_tokens, total - prompt_tokens),
        )

    def submit(self, requests: Sequence[Request], label: str) -> str:
        """Hand requests over as one batch job; returns its name. Raises as `send`."""
        lines = "".join(json.dumps({"key": r.key, "request": self._body(r)}) + "\n" for r in requests)
        with self._translated():
            file = self._client.files.upload(
                file=io.BytesIO(lines.encode()),
                config=self._types.UploadFileConfig(mime_type="application/jsonl", display_name=label),
            )
            job = self._client.batches.create(
                model=self._name, src=file.name, config=self._types.CreateBatchJobConfig(display_name=label)
            )
        return str(job.name)

    def job_labelled(self, label: str) -> str | None:
        """The name of the job that was submitted under `label`, if there is one."""
        with self._translated():
            return next((str(j.name) for j in self._client.batches.list() if j.display_name == label), None)

    def collect(self, name: str) -> dict[str, Reply] | None:
        """Replies by request key of a finished job; None while it runs; {} where it failed."""
        with self._translated():
            job = self._client.batches.get(name=name)
            if job.state.name in ("JOB_STATE_PENDING", "JOB_STATE_QUEUED", "JOB_STATE_RUNNING"):
                return None
            if job.state.name != "JOB_STATE_SUCCEEDED":
                return {}
            content = self._client.files.download(file=job.dest.file_name).decode()
        lines = [json.loads(line) for line in content.splitlines() if line.strip()]
        return dict(self._batched(line) for line in lines if not _may_yet_pass(line))

    def _batched(self, line: dict[str, Any]) -> tuple[str, Reply]:
        """One line of a batch's result file."""
        if "response" not in line:
            said = str(line.get("error", {}).get("message", "no response"))
            return line["key"], Reply("bad_request", "", said, self._name, 0, 0)
        response = self._types.GenerateContentResponse._from_response(response=line["response"], kwargs={})
        return line["key"], self._reply(response)

    def _body(self, request: Request) -> dict[str, Any]:
        """The request in the protocol's own JSON."""
        data = base64.b64encode(request.image_path.read_bytes()).decode()
        picture = {"inlineData": {"mimeType": _mime_type(request), "data": data}}
        return {
            "contents": [{"role": "user", "parts": [picture, {"text": request.prompt}]}],
            "generationConfig": {
                "temperature": self._config.temperature,
                "maxOutputTokens": self._config.max_output_tokens,
                "responseMimeType": "application/json",
                "responseSchema": _SCHEMA,
            },
        }

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The package's errors as ours, for calls that answer no single request."""
        try:
            yield
        except httpx2.TransportError as error:
            raise TryAgain(type(error).__name__) from None
        except self._errors.APIError as error:
            reply = self._faults.reply(error.code, str(error.message), error.details, error.response.headers)
            raise InputError(f"Gemini refuses the batch: {reply.finish_reason}") from None


class _Faults:
    """What an HTTP error means, the same for both packages."""

    def __init__(self, model: str, key: str) -> None:
        self._model, self._key = model, key

    def reply(self, code: int, said: str, details: Any, headers: Mapping[str, str]) -> Reply:
        """A reply for a request that will never be answered; raises for every other error."""
        text = f"{said} {details}"
        if code == 429 and "PerDay" not in text:
            raise TryAgain("429 too many requests", _seconds_to_wait(details, headers), is_throttled=True)
        if code >= 500:
            raise TryAgain(f"{code} {self._clean(said)}")
        sentences = {
            401: "the key is not valid",
            403: "the key may not use this API or model",
            404: f"generate.model is {self._model!r}, which is unknown or retired",
            429: "today's quota is used up, so run the same command again tomorrow",
        }
        sentence = sentences.get(code)
        if "FAILED_PRECONDITION" in text or "location is not supported" in said:
            sentence = "the API cannot be used from here or with this account"
        if "api key" in said.lower() or "API_KEY" in text:
            sentence = "the key is not valid"
        if sentence:
            raise InputError(f"Gemini: {sentence} ({code} {self._clean(said)}); what was answered is kept")
        # This picture or prompt is refused (say, an image it cannot decode); others may pass.
        return Reply("bad_request", "", self._clean(said), self._model, 0, 0)

    def _clean(self, text: str) -> str:
        return " ".join(text.replace(self._key, "[key]").split())


def _may_yet_pass(line: dict[str, Any]) -> bool:
    """A request of a batch that failed for another reason than itself (HTTP 400, gRPC 3)."""
    return "response" not in line and line.get("error", {}).get("code") not in (None, 3, 400)


def _mime_type(request: Request) -> str:
    return "image/png" if request.image_path.suffix == ".png" else "image/jpeg"


def _seconds_to_wait(details: Any, headers: Mapping[str, str]) -> float | None:
    """What the service asks for: RetryInfo in the body, else the Retry-After header."""
    for detail in details or []:
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if delay:
            return float(str(delay).removesuffix("s"))
    header = headers.get("Retry-After", "")
    return float(header) if header.replace(".", "").isdigit() else None


def _reply(candidates: Sequence[Any], blocked: Any, model: str, tokens: tuple[int, int]) -> Reply:
    """Read the parts ourselves: `.text` raises on a blocked answer and mixes in the model's thoughts."""
    if not candidates:
        outcome = "blocked_prompt" if blocked else "no_candidates"
        return Reply(outcome, "", blocked.name if blocked else "", model, *tokens)
    candidate = candidates[0]
    reason = candidate.finish_reason.name if candidate.finish_reason else ""
    parts = (candidate.content.parts if candidate.content else None) or []
    text = "".join(part.text or "" for part in parts if not getattr(part, "thought", None))
    outcome = "answered" if text else f"no_text_{reason.lower()}"
    if reason not in ("STOP", "MAX_TOKENS"):  # SAFETY, RECITATION, …: what text there is was withheld
        outcome = reason.lower()
    return Reply(outcome, text, reason, model, *tokens)

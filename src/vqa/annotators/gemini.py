"""Google's Gemini, through either of its packages. Requests are sent here; gemini_responses.py reads answers.

The key comes from GOOGLE_API_KEY or GEMINI_API_KEY and goes into one request header; it is in no setting,
file or message. The packages' own retries are off: they ignore our time-out, budget and pace.
"""

import os
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import requests
import urllib3

from vqa.annotators import gemini_models
from vqa.annotators.gemini_responses import Arrived, HttpAnswer, parse_response, read_whole
from vqa.annotators.prompt import DIFFICULTIES, attachment
from vqa.annotators.scheduler import Request, Response, TryAgain
from vqa.catalogue.images import ImageError
from vqa.core.errors import InputError
from vqa.pairs.question_types import OFFERED_TYPES
from vqa.settings import Generate

PAIRS_SCHEMA: dict[str, Any] = {
    "type": "ARRAY",
    "items": {
        "type": "OBJECT",
        "properties": {
            "question": {"type": "STRING"},
            "answer": {"type": "STRING"},
            "type": {"type": "STRING", "enum": list(OFFERED_TYPES)},
            "difficulty": {"type": "STRING", "enum": list(DIFFICULTIES)},
        },
        "required": ["question", "answer", "type", "difficulty"],
    },
}
ANSWERS_SCHEMA: dict[str, Any] = {
    "type": "ARRAY",
    "items": {
        "type": "OBJECT",
        "properties": {"question": {"type": "INTEGER"}, "answer": {"type": "STRING"}},
        "required": ["question", "answer"],
    },
}
# The request cannot be sent, and waiting does not help.
_UNSENDABLE = (
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)
# The request was probably sent; after any other error it never left this machine.
_SENT = (httpx2.ReadTimeout, httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.DecodingError)
_SENT_BY_REQUESTS = (
    requests.exceptions.ReadTimeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
_FLEX_TIMEOUT = 900.0  # seconds: flex answers within 1 to 15 minutes


def api_key(environment: Mapping[str, str] = os.environ) -> str:
    """The key, from the environment only.

    Raises:
        InputError: neither variable is set, or what it holds cannot be sent in a header.
    """
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        if key := environment.get(name, "").strip():  # files with Windows line ends leave a \r
            if re.fullmatch("[!-~]+", key):
                return key
            raise InputError(
                f"{name} is no key: it holds blanks or other signs that no key has; copy it again"
            )
    raise InputError(
        "params.yaml has Gemini asked, but neither GOOGLE_API_KEY nor GEMINI_API_KEY is set; "
        "export one (https://aistudio.google.com/apikey)"
    )


def build_client(
    settings: Generate, key: str, schema: dict[str, Any] = PAIRS_SCHEMA
) -> "GenerativeAi | GenAi":
    """The client of the package that `generate.sdk` names; `schema`: of the JSON that answers are to be.

    Raises:
        InputError: the package cannot send a setting, or the model does not take it.
    """
    gemini_models.check(settings)
    client = GenAi if settings.sdk == "google-genai" else GenerativeAi
    return client(settings, key, schema)


class GenerativeAi:
    """google-generativeai, which Google no longer supports. Safe to use from many threads."""

    def __init__(self, settings: Generate, key: str, schema: dict[str, Any]) -> None:
        with warnings.catch_warnings():
            # At import it warns that its support has ended (docs/gemini.md).
            warnings.simplefilter("ignore", FutureWarning)
            import google.generativeai as sdk  # noqa: PLC0415  # takes seconds, so only when asked for
            from google.generativeai.client import get_default_generative_client  # noqa: PLC0415
        self._settings, self._key = settings, key
        endpoint = {"api_endpoint": settings.api_endpoint} if settings.api_endpoint else None
        sdk.configure(api_key=key, transport="rest", client_options=endpoint)
        self._model = sdk.GenerativeModel(
            settings.model,
            generation_config=sdk.GenerationConfig(
                temperature=_temperature(settings),
                max_output_tokens=gemini_models.MOST_OUTPUT_TOKENS,
                response_mime_type="application/json",
                response_schema=schema,
            ),
        )
        session = get_default_generative_client().transport._session
        session.hooks["response"].append(_lift_from_requests)
        for scheme in ("https://", "http://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=settings.concurrency))

    def send(self, request: Request) -> Response:
        """Ask once. An image that cannot be decoded is not sent: its reason is the outcome.

        Raises:
            TryAgain: 429, 5xx, time-out, connection lost or refused.
            InputError: the key, the model, a permission or a setting is wrong, or today's quota is used up.
        """
        return _sent(request, self._ask, self._settings.model, self._key)

    def _ask(self, request: Request) -> None:
        images = [attachment(request.image_path)] if request.image_path else []
        parts = [{"mime_type": image.mime_type, "data": image.data} for image in images]
        self._model.generate_content(
            [*parts, request.prompt],
            request_options={"timeout": self._settings.timeout_s, "retry": None},
        )


class GenAi:
    """google-genai, the package that Google supports; safe to use from many threads."""

    def __init__(self, settings: Generate, key: str, schema: dict[str, Any]) -> None:
        from google.genai import types  # noqa: PLC0415  # takes a second, so only when asked for

        self._settings, self._key, self._types = settings, key, types
        self._client = genai_client(settings, key, [lift_from_httpx])
        self._config = genai_config(settings, schema)

    def send(self, request: Request) -> Response:
        """Ask once; raises as `GenerativeAi.send`."""
        return _sent(request, self._ask, self._settings.model, self._key)

    def _ask(self, request: Request) -> None:
        images = [attachment(request.image_path)] if request.image_path else []
        part_of = self._types.Part.from_bytes
        parts = [part_of(data=image.data, mime_type=image.mime_type) for image in images]
        self._client.models.generate_content(
            model=self._settings.model, contents=[*parts, request.prompt], config=self._config
        )


def genai_client(settings: Generate, key: str, hooks: list[Callable[[httpx2.Response], None]]) -> Any:
    """google-genai's client; `hooks` see each HTTP response first."""
    from google import genai as sdk  # noqa: PLC0415

    timeout = max(settings.timeout_s, _FLEX_TIMEOUT if settings.service_tier == "flex" else 0)
    most = settings.concurrency
    pool = httpx2.Limits(max_connections=most, max_keepalive_connections=most)  # 100 and 20 are its own
    options = sdk.types.HttpOptions(
        api_version="v1beta",
        base_url=settings.api_endpoint,
        timeout=int(timeout * 1000),
        client_args={"limits": pool, "event_hooks": {"response": hooks}},
    )
    # It does not retry by default. Without `vertexai` a variable of the environment would choose.
    return sdk.Client(vertexai=False, api_key=key, http_options=options)


def genai_config(settings: Generate, schema: dict[str, Any]) -> Any:
    """google-genai's GenerateContentConfig: the settings, and nothing where they are null."""
    from google.genai import types  # noqa: PLC0415

    thinking, resolution = settings.thinking, settings.media_resolution
    if thinking is None:
        thought = None
    elif isinstance(thinking, str):
        thought = types.ThinkingConfig(thinking_level=thinking.upper())
    else:
        thought = types.ThinkingConfig(thinking_budget=thinking)
    return types.GenerateContentConfig(
        temperature=_temperature(settings),
        max_output_tokens=gemini_models.MOST_OUTPUT_TOKENS,
        media_resolution=f"MEDIA_RESOLUTION_{resolution.upper()}" if resolution else None,
        thinking_config=thought,
        service_tier="flex" if settings.service_tier == "flex" else None,
        response_mime_type="application/json",
        response_schema=schema,
    )


def _sent(request: Request, ask: Callable[[Request], None], model: str, key: str) -> Response:
    try:
        answer = parse_answer(lambda: ask(request))
    except ImageError as error:
        return Response(error.reason, "", error.detail, model, 0, 0)
    return parse_response(answer, model, key)


def parse_answer(ask: Callable[[], Any]) -> HttpAnswer:
    """The service's answer to a call of a package, taken before the package reads it.

    Raises:
        TryAgain: nothing came.
        InputError: the request cannot be sent as it is.
    """
    # Tracebacks are dropped, since through them the package's retry loop would keep all our frames alive.
    try:
        ask()
        reason = TryAgain("the package sent nothing")
    except Arrived as arrived:
        arrived.__traceback__ = None
        return arrived.answer
    except _UNSENDABLE as error:
        raise InputError(
            f"the request to Gemini cannot be sent ({type(error).__name__}); look at generate.api_endpoint "
            "and at the proxies that the environment names"
        ) from None
    except (httpx2.RequestError, requests.RequestException) as error:
        error.__traceback__ = None
        reason = TryAgain(type(error).__name__, may_be_paid=_may_have_arrived(error))
    try:
        raise reason
    finally:
        del reason  # a reference cycle: it holds this frame, and this frame holds it


def _may_have_arrived(error: Exception) -> bool:
    """Whether the service may have had the request, and so may have it paid."""
    if isinstance(error, (*_SENT, *_SENT_BY_REQUESTS)):
        return True
    # In requests a break after connecting has no type of its own.
    is_connection = isinstance(error, requests.exceptions.ConnectionError)
    return is_connection and isinstance(error.args[:1] and error.args[0], urllib3.exceptions.ProtocolError)


def _lift_from_requests(response: requests.Response, **_: Any) -> None:
    # read1 returns what has come; iter_content would drop the part of a body that broke off.
    content, is_whole = read_whole(iter(lambda: response.raw.read1(65536, decode_content=True), b""))
    raise Arrived(HttpAnswer(response.status_code, response.headers, content, is_whole))


def lift_from_httpx(response: httpx2.Response) -> None:
    """A hook for `genai_client`: its calls end in `Arrived`."""
    content, is_whole = read_whole(response.iter_bytes())
    raise Arrived(HttpAnswer(response.status_code, response.headers, content, is_whole))


def _temperature(settings: Generate) -> float | None:
    return None if gemini_models.ignores_temperature(settings.model) else gemini_models.TEMPERATURE

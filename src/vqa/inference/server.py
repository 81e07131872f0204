"""One page on loopback and what its form asks, and beside it OpenAI's chat completions.

Written by hand: five routes for one person need no web framework.
"""

import base64
import json
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vqa.catalogue.images import ImageError
from vqa.core.errors import InputError
from vqa.inference.answerer import Answer
from vqa.inference.chat_completions import (
    LONGEST_QUESTION,
    ChatRequest,
    RefusedRequestError,
    complete_chat,
    describe_error,
    describe_model,
    list_models,
    read_chat_request,
)

HOST = "127.0.0.1"
MOST_BYTES = 10_000_000  # of an image
_MOST_POSTED = MOST_BYTES * 4 // 3 + 10_000  # an image grows by a third in base64
_MOST_DISCARDED = 10 * _MOST_POSTED  # read and dropped, so that a browser or client sees the reply
_PIECE = 1 << 16
_OURS_ALONE = "this page is for this machine only"
_TOO_LARGE = f"the image is larger than {MOST_BYTES // 1_000_000} MB; give a smaller one"
_GIVE_BOTH = "give an image and a question"
_CHAT, _MODELS = "/v1/chat/completions", "/v1/models"
_KIND = "/kind"

ReplyOf = Callable[[bytes, str, str], dict[str, Any]]  # image, question, adapter → what the page shows
KindOf = Callable[[bytes], dict[str, Any]]  # image → whether it is a photograph, and how that was told
ChatReplyOf = Callable[[ChatRequest], Sequence[Answer]]  # the likeliest answer first


class PageServer(ThreadingHTTPServer):
    """Shows `html` on loopback, answers what its form posts, says of what kind an image is, and completes
    chats with `models`.

    Port 0 is any free one.

    Raises:
        InputError: the port is taken.
    """

    def __init__(
        self,
        port: int,
        html: str,
        reply: ReplyOf,
        kind: KindOf,
        models: Sequence[str],
        chat_reply: ChatReplyOf,
    ) -> None:
        self.html, self.reply, self.kind = html, reply, kind
        self.models, self.chat_reply, self.since = models, chat_reply, int(time.time())
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise InputError(
                f"port {port} cannot be used ({error.strerror}); give another: --port"
            ) from error


class _Handler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        self.path = self.path.partition("?")[0]
        if self.path.startswith("/v1/"):
            self._answer_api(self._described_models)
        elif not self._is_ours():
            self._send(HTTPStatus.FORBIDDEN, _OURS_ALONE.encode(), "text/plain")
        elif self.path != "/":
            self._send(HTTPStatus.NOT_FOUND, b"not here", "text/plain")
        else:
            self._send(HTTPStatus.OK, self.server.html.encode(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        self.path = self.path.partition("?")[0]
        if self.path.startswith("/v1/"):
            self._answer_api(self._completed_chat)
        elif self.path == "/":
            self._answer_page(lambda: self.server.reply(*self._posted_question()))
        elif self.path == _KIND:
            self._answer_page(lambda: self.server.kind(_decode_image(self._posted())))
        else:
            self._read_body()
            self._send(HTTPStatus.NOT_FOUND, b"not here", "text/plain")

    def _answer_page(self, answer: Callable[[], dict[str, Any]]) -> None:
        try:
            status, content = HTTPStatus.OK, answer()
        except (InputError, ImageError) as error:
            status, content = HTTPStatus.BAD_REQUEST, {"error": str(error)}
        self._send_json(status, content)

    def _answer_api(self, answer: Callable[[], dict[str, Any]]) -> None:
        """Errors too are in OpenAI's form, so that its clients raise what they would there."""
        try:
            status, content = HTTPStatus.OK, answer()
        except RefusedRequestError as error:
            status, content = error.status, describe_error(str(error), error.parameter, error.code)
        except (InputError, ImageError) as error:
            status, content = HTTPStatus.BAD_REQUEST, describe_error(str(error))
        self._send_json(status, content)

    def _described_models(self) -> dict[str, Any]:
        if not self._is_ours():
            raise RefusedRequestError(_OURS_ALONE, status=HTTPStatus.FORBIDDEN)
        if self.path == _MODELS:
            return list_models(self.server.models, self.server.since)
        name = self.path.removeprefix(f"{_MODELS}/")
        if name not in self.server.models:
            raise RefusedRequestError(
                f"there is nothing at {self.path}; {_MODELS} lists the models", status=HTTPStatus.NOT_FOUND
            )
        return describe_model(name, self.server.since)

    def _completed_chat(self) -> dict[str, Any]:
        body = self._read_body()
        if not self._is_ours():
            raise RefusedRequestError(_OURS_ALONE, status=HTTPStatus.FORBIDDEN)
        if self.path != _CHAT:
            raise RefusedRequestError(
                f"there is nothing at {self.path}; post to {_CHAT}", status=HTTPStatus.NOT_FOUND
            )
        if body is None:
            raise RefusedRequestError(_TOO_LARGE, "messages", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        request = read_chat_request(body, self.server.models)
        return complete_chat(request, self.server.chat_reply(request))

    def _is_ours(self) -> bool:
        """Whether the page itself asks: other sites can make a browser ask under their name, or post here."""
        names = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        origins = {None, *(f"http://{name}" for name in names)}
        return self.headers.get("Host") in names and self.headers.get("Origin") in origins

    def _read_body(self) -> bytes | None:
        """What was posted; None where that is too much, or of no said length."""
        self.close_connection = True
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            return None
        if int(length) <= _MOST_POSTED:
            return self.rfile.read(int(length))
        left = int(length) if int(length) <= _MOST_DISCARDED else 0
        while left and (piece := self.rfile.read(min(left, _PIECE))):
            left -= len(piece)
        return None

    def _posted(self) -> dict[str, Any]:
        body = self._read_body()
        if not self._is_ours():
            raise InputError(_OURS_ALONE)
        if body is None:
            raise InputError(_TOO_LARGE)
        try:
            posted = json.loads(body)
        except ValueError as error:
            raise InputError(_GIVE_BOTH) from error
        if not isinstance(posted, dict):
            raise InputError(_GIVE_BOTH)
        return posted

    def _posted_question(self) -> tuple[bytes, str, str]:
        posted = self._posted()
        image = _decode_image(posted)
        try:
            question, adapter = " ".join(str(posted["question"]).split()), str(posted["adapter"])
        except KeyError as error:
            raise InputError(_GIVE_BOTH) from error
        if not question or len(question) > LONGEST_QUESTION:
            raise InputError(f"a question has 1 to {LONGEST_QUESTION} letters; change it")
        return image, question, adapter

    def _send_json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing: questions and images are private."""


def _decode_image(posted: dict[str, Any]) -> bytes:
    """The image's bytes out of what the page posted."""
    try:
        return base64.b64decode(posted["image"], validate=True)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(_GIVE_BOTH) from error

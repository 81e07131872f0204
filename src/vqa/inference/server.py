"""One page on loopback and what its form asks: a picture and a question → JSON.

By hand, since two routes for one person need no web framework to install.
"""

import base64
import json
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vqa.catalogue.pictures import ImageError
from vqa.foundation.errors import InputError

HOST = "127.0.0.1"
MOST_BYTES = 10_000_000  # of a picture
_LONGEST_QUESTION = 300  # letters

ReplyOf = Callable[[bytes, str, str], dict[str, Any]]  # picture, question, adapter → what the page shows


class PageServer(ThreadingHTTPServer):
    """Shows `html` on loopback and answers what its form posts; port 0 is any free one.

    Raises:
        InputError: the port is taken.
    """

    def __init__(self, port: int, html: str, reply: ReplyOf) -> None:
        self.html, self.reply = html, reply
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise InputError(
                f"port {port} cannot be used ({error.strerror}); give another: --port"
            ) from error


class _Handler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        if not self._is_ours():
            self._send(HTTPStatus.FORBIDDEN, b"this page is for this machine only", "text/plain")
        elif self.path != "/":
            self._send(HTTPStatus.NOT_FOUND, b"not here", "text/plain")
        else:
            self._send(HTTPStatus.OK, self.server.html.encode(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        status, answer = HTTPStatus.BAD_REQUEST, {}
        try:
            if not self._is_ours():
                self.close_connection = True
                raise InputError("this page is for this machine only")
            answer = self.server.reply(*self._posted())
            status = HTTPStatus.OK
        except (InputError, ImageError) as error:
            answer = {"error": str(error)}
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _is_ours(self) -> bool:
        """Other sites can make a browser ask us under their name, or post to us: neither is answered."""
        names = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        origins = {None, *(f"http://{name}" for name in names)}
        return self.headers.get("Host") in names and self.headers.get("Origin") in origins

    def _posted(self) -> tuple[bytes, str, str]:
        length = self.headers.get("Content-Length", "")
        # A picture grows by a third in base64.
        if not length.isdigit() or int(length) > MOST_BYTES * 4 // 3 + 10_000:
            self.close_connection = True
            raise InputError(f"the picture is larger than {MOST_BYTES // 1_000_000} MB; give a smaller one")
        try:
            posted = json.loads(self.rfile.read(int(length)))
            picture = base64.b64decode(posted["picture"], validate=True)
            question, adapter = " ".join(str(posted["question"]).split()), str(posted["adapter"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("give a picture and a question") from error
        if not question or len(question) > _LONGEST_QUESTION:
            raise InputError(f"a question has 1 to {_LONGEST_QUESTION} letters; change it")
        return picture, question, adapter

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: questions and pictures are nobody's business."""

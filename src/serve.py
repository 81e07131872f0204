"""Try base against adapted on your own pictures, in the browser.

    python src/serve.py            # http://127.0.0.1:8010, this machine only

In: params.yaml (the model), models/adapter/best. Out: a page that takes a picture and a question and shows
what both models answer, with probabilities. Nothing is stored; a picture may have 10 MB at most.
"""

import argparse
import base64
import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from vqa.catalogue.pictures import ImageError, decoded
from vqa.foundation.devices import default_device
from vqa.foundation.errors import InputError, run_command
from vqa.inference.answerer import Answerer
from vqa.pages.page import page
from vqa.settings import load_settings

ADAPTER = Path("models/adapter/best")
HOST = "127.0.0.1"
MOST_BYTES = 10_000_000  # of a picture
_SHOWN = 3  # answers of each model
_LONGEST_QUESTION = 300  # letters

Reply = Callable[[bytes, str], dict[str, Any]]  # picture and question → what the page shows


def run(port: int) -> None:
    settings = load_settings()
    answerer = Answerer(settings, default_device(), ADAPTER, is_switched=True)
    lock = threading.Lock()  # one device, one question at a time

    def reply(picture: bytes, question: str) -> dict[str, Any]:
        with lock:  # also while decoding: a picture can take a gigabyte
            features = answerer.features([decoded(picture)])
            said = {
                name: answerer.answers(features, [question], _SHOWN, is_adapted=name == "adapted")[0]
                for name in ("base", "adapted")
            }
        return {name: [vars(answer) for answer in answers] for name, answers in said.items()}

    with PageServer(port, page("serve.html", {"model": settings.model.name}), reply) as serving:
        print(f"http://{HOST}:{serving.server_port} (Ctrl-C ends it)", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print("ended")


class PageServer(ThreadingHTTPServer):
    """Shows `html` on loopback and answers what its form posts; port 0 is any free one.

    Raises:
        InputError: the port is taken.
    """

    def __init__(self, port: int, html: str, reply: Reply) -> None:
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

    def _posted(self) -> tuple[bytes, str]:
        length = self.headers.get("Content-Length", "")
        # A picture grows by a third in base64.
        if not length.isdigit() or int(length) > MOST_BYTES * 4 // 3 + 10_000:
            self.close_connection = True
            raise InputError(f"the picture is larger than {MOST_BYTES // 1_000_000} MB; give a smaller one")
        try:
            posted = json.loads(self.rfile.read(int(length)))
            picture = base64.b64decode(posted["picture"], validate=True)
            question = " ".join(str(posted["question"]).split())
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("give a picture and a question") from error
        if not question or len(question) > _LONGEST_QUESTION:
            raise InputError(f"a question has 1 to {_LONGEST_QUESTION} letters; change it")
        return picture, question

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: questions and pictures are nobody's business."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8010)
    port = parser.parse_args().port
    run_command(lambda: run(port))


if __name__ == "__main__":
    main()

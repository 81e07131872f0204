"""A local HTTP server that speaks Gemini's REST protocol, faults included.

    python tests/helpers/gemini_server.py 8765 --latency 0.2      # every request answered well

A behaviour is a function `(number, body) → Response`: `number` counts requests from 0.
"""

import argparse
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAIRS = [
    {"question": "What color is the body?", "answer": "red", "type": "color", "difficulty": "easy"},
    {"question": "How many legs are visible?", "answer": "4", "type": "count", "difficulty": "medium"},
]


# By number, as clients with enum-encoding=int are answered; what has no number is sent by its name.
FINISH = "UNSPECIFIED STOP MAX_TOKENS SAFETY RECITATION OTHER LANGUAGE BLOCKLIST".split()
BLOCK = "UNSPECIFIED SAFETY OTHER BLOCKLIST PROHIBITED_CONTENT".split()


@dataclass(frozen=True)
class Response:
    body: Any = None  # bytes are sent as they are, all else as JSON
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    resets: bool = False  # close the connection with RST instead of answering
    cut_after: int | None = None  # bytes of the body, then close the connection


Behaviour = Callable[[int, dict[str, Any]], Response]


def answer(text: str, finish: Any = "STOP", model: str = "", **more: Any) -> Response:
    """A candidate with one text part; `model`: that answers, if not the one that was asked."""
    content = {"parts": [{"text": text}], "role": "model"}
    return Response(
        {
            "candidates": [{"content": content, "finishReason": finish, "index": 0}],
            "usageMetadata": {"promptTokenCount": 500, "candidatesTokenCount": 100, "totalTokenCount": 600},
            "modelVersion": model,
            **more,
        }
    )


def as_sent(body: Any, path: str) -> Any:
    """A behaviour's body as the service would send it: with the model's name, and reasons by number."""
    if not isinstance(body, dict) or "error" in body:
        return body
    body = json.loads(json.dumps(body))
    if body.get("modelVersion") == "":
        body["modelVersion"] = path.rpartition("/models/")[2].partition(":")[0]
    if "enum-encoding=int" in path or "enum-encoding%3Dint" in path:
        candidates = body.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else []:
            if isinstance(candidate, dict) and candidate.get("finishReason") in FINISH:
                candidate["finishReason"] = FINISH.index(candidate["finishReason"])
        feedback = body.get("promptFeedback", {})
        if feedback.get("blockReason") in BLOCK:
            feedback["blockReason"] = BLOCK.index(feedback["blockReason"])
    return body


def error(status: int, message: str, details: list[dict[str, Any]] | None = None, **headers: str) -> Response:
    """Google's error envelope."""
    body = {"error": {"code": status, "message": message, "status": "X", "details": details or []}}
    return Response(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def well(number: int, body: dict[str, Any]) -> Response:
    return answer(json.dumps(PAIRS))


@dataclass
class Batch:
    """A job; finished once it has been looked at as often as the server's `looks_until_done`."""

    name: str
    label: str
    path: str  # it was created by
    requests: list[dict[str, Any]]
    server: "GeminiServer"
    looks: int = 0
    cancelled_at: int | None = None  # looks

    def metadata(self) -> dict[str, Any]:
        is_done = self.looks > self.server.looks_until_done
        state = self.server.final_state if is_done else self.server.running_state
        if self.cancelled_at is not None:
            is_done = self.looks > self.cancelled_at + self.server.looks_until_cancelled
            state = "BATCH_STATE_CANCELLED" if is_done else self.server.running_state
        output = {"responsesFile": f"files/out-{self.name.partition('/')[2]}"}
        has_output = is_done and self.server.has_output
        return {"displayName": self.label, "state": state, **({"output": output} if has_output else {})}

    def answers(self) -> bytes:
        """The result file: a line a request, in another order than asked."""
        lines = []
        for number, request in enumerate(self.requests):
            response = self.server.behaviour(number, request["request"])
            if response.status != 200:
                lines.append(json.dumps({"key": request["key"], **response.body}).encode())
            elif isinstance(response.body, bytes):
                lines.append(f'{{"key": "{request["key"]}", "response": '.encode() + response.body)
            else:
                sent = as_sent(response.body, self.path)
                lines.append(json.dumps({"key": request["key"], "response": sent}).encode())
        left_out = self.server.left_out_of_results
        return b"\n".join(reversed(lines[: len(lines) - left_out]))


class GeminiServer(ThreadingHTTPServer):
    """Serves on a free loopback port; keeps every request's path, headers and body."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behaviour: Behaviour = well, latency: float = 0.0, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.behaviour, self.latency = behaviour, latency
        self.received: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, Batch] = {}
        self.looks_until_cancelled = 0
        self.looks_until_done, self.final_state = 0, "BATCH_STATE_SUCCEEDED"
        self.running_state: Any = "BATCH_STATE_RUNNING"
        self.has_output = True
        self.left_out_of_results = 0  # the last requests of each job
        # What is answered instead, by "list", "look", "cancel" or "download".
        self.instead: dict[str, Response] = {}
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "GeminiServer":
        threading.Thread(target=self.serve_forever, daemon=True, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def arrive(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> int:
        with self._lock:
            self.received.append((path, headers, body))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            return len(self.received) - 1

    def depart(self) -> None:
        with self._lock:
            self._at_once -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: GeminiServer

    def do_GET(self) -> None:  # http.server's name
        """Batch mode: list jobs, look at one, download its answers."""
        path = self.path.partition("?")[0]
        jobs = self.server.jobs
        kind = "list" if path.endswith("/batches") else "download" if path.endswith(":download") else "look"
        if kind in self.server.instead:
            self._respond(self.server.instead[kind])
        elif path.endswith(":download"):
            self._send(200, jobs["batches/" + path.split("/out-")[1].partition(":")[0]].answers())
        elif path.endswith("/batches"):
            listed = [{"name": name, "metadata": job.metadata()} for name, job in jobs.items()]
            self._send(200, json.dumps({"operations": listed}).encode())
        else:
            name = path.rpartition("/v1beta/")[2]
            jobs[name].looks += 1
            self._send(200, json.dumps({"name": name, "metadata": jobs[name].metadata()}).encode())

    def _upload(self, content: bytes) -> None:
        """The resumable upload protocol: the first request asks for a URL, the second sends everything."""
        if self.headers["X-Goog-Upload-Command"] == "start":
            self._send(200, b"{}", {"X-Goog-Upload-URL": f"{self.server.url}/upload/v1beta/files/send"})
            return
        name = f"files/in-{len(self.server.files)}"
        self.server.files[name] = content
        file = {"file": {"name": name, "uri": f"{self.server.url}/v1beta/{name}", "state": "ACTIVE"}}
        self._send(200, json.dumps(file).encode(), {"X-Goog-Upload-Status": "final"})

    def _create_batch(self, body: dict[str, Any]) -> None:
        batch = body["batch"]
        name = f"batches/{len(self.server.jobs)}"
        lines = self.server.files[batch["inputConfig"]["fileName"]].decode().splitlines()
        requests = [json.loads(line) for line in lines]
        self.server.jobs[name] = Batch(name, batch["displayName"], self.path, requests, self.server)
        metadata = self.server.jobs[name].metadata()
        self._send(200, json.dumps({"name": name, "metadata": metadata}).encode())

    def _cancel_batch(self) -> None:
        job = self.server.jobs[self.path.rpartition("/v1beta/")[2].partition(":")[0]]
        if "cancel" in self.server.instead:
            self._respond(self.server.instead["cancel"])
            return
        job.cancelled_at = job.looks
        self._send(200, b"{}")

    def do_POST(self) -> None:  # http.server's name
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/upload/"):
            self._upload(content)
            return
        if self.path.endswith(":cancel"):
            self._cancel_batch()
            return
        body = json.loads(content)
        if ":batchGenerateContent" in self.path:
            self._create_batch(body)
            return
        number = self.server.arrive(self.path, dict(self.headers), body)
        try:
            self._respond(self.server.behaviour(number, body))
        finally:
            self.server.depart()

    def _respond(self, response: Response) -> None:
        time.sleep(self.server.latency + response.delay)
        if response.resets:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        body = as_sent(response.body, self.path)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if response.cut_after is not None:
            content, length = content[: response.cut_after], len(content)
            self._send(response.status, content, {**response.headers, "Content-Length": str(length)})
            self.close_connection = True
            return
        self._send(response.status, content, response.headers)

    def _send(self, status: int, content: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        for name, value in {**headers, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--latency", type=float, default=0.0)
    arguments = parser.parse_args()
    with GeminiServer(latency=arguments.latency, port=arguments.port):
        threading.Event().wait()

"""Second and blind opinions through the real package, ledger and budget, against a local server."""

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import generate
import validate
import verify
from failing import fails
from gemini_server import Behaviour, GeminiServer, Response, answer
from paths import ROOT
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.files import read_json, sha256_file
from vqa.pairs.pair import Pair, read_pairs

Project = Callable[..., Path]
KEY = "K-very-secret"
STATE = Path(".state/ledger/ledger.jsonl")
WRONG = "heart"  # what the model says to every question about a shape


def kept() -> list[Pair]:
    return [pair for path in verify.PAIRS.values() for pair in read_pairs(path)]


def knowing(pairs: list[Pair], root: Path) -> Behaviour:
    """Sees the image that it is sent, and answers rightly but for shapes; blind it always says "1"."""
    names = {sha256_file(path): path.name for path in (root / "images/small").glob("*/*")}
    right = {pair.key: WRONG if pair.question_type == "shape" else pair.answer for pair in pairs}

    def behave(number: int, body: dict[str, Any]) -> Response:
        *images, prompt = body["contents"][0]["parts"]
        asked = re.findall(r"(?m)^(\d+)\. (.*)$", prompt["text"])
        if not images:
            return answer(json.dumps([{"question": int(n), "answer": "1"} for n, _ in asked]))
        content = base64.urlsafe_b64decode(
            images[0]["inlineData"]["data"].replace("+", "-").replace("/", "_")
        )
        name = names[hashlib.sha256(content).hexdigest()]
        return answer(json.dumps([{"question": int(n), "answer": right[name, text]} for n, text in asked]))

    return behave


@pytest.fixture
def validated(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A project with kept pairs that asks for opinions at a server; keyword arguments change verify.*."""
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)

    def make(server: GeminiServer, asked: dict[str, Any] | None = None, **verifying: Any) -> None:
        asking = {"api_endpoint": server.url, "requests_per_minute": 1e6, "tokens_per_minute": 1e9}
        project(generate=asking | (asked or {}), verify={"second_opinion": True, **verifying})
        generate.run()
        validate.run()

    return make


def rows() -> dict[tuple[str, str], dict[str, str]]:
    return {(row["image_name"], row["question"]): row for row in read_rows(verify.FOUND, [])}


@pytest.mark.parametrize("mode", ["online", "batch"])
def test_each_opinion_is_a_label_check_asked_once_an_image_and_never_shown_the_answers(
    validated: Callable[..., None], catalogue: Path, mode: str
) -> None:
    with GeminiServer() as server:
        validated(server, {"mode": mode}, opinion_without_image=True)
        pairs = kept()
        server.behaviour = knowing(pairs, catalogue)
        if mode == "batch":
            with pytest.raises(InputError, match="run the same command again to collect them"):
                verify.run()
        verify.run()
        asked = 60 if mode == "online" else sum(len(job.requests) for job in server.jobs.values())
        assert asked == 2 * len({pair.image_name for pair in pairs}) == 60
        if mode == "online":
            assert len(server.received) == 60
            assert all(f"{pair.answer}\n" not in str(server.received) for pair in pairs)
        verify.run()  # nothing is bought twice
        assert len(server.received) == (60 if mode == "online" else 0)
        assert sum(len(job.requests) for job in server.jobs.values()) == (0 if mode == "online" else 60)
    found = rows()
    for pair in pairs:
        row = found[pair.key]
        is_shape = pair.question_type == "shape"
        assert row["second_opinion"] == ("contradicts" if is_shape else "agrees")
        assert row["support"] == ("unchecked" if is_shape else "supported")  # the catalogue agrees with all
        assert row["opinion_without_image"] == ("agrees" if pair.answer == "1" else "contradicts")
        assert not (row["needs_image"] == "yes" and pair.answer == "1")
    bill = read_json(verify.METRICS)["bill"]
    price = (500 * 0.75 + 100 * 3.75) / 1e6 / (2 if mode == "batch" else 1)
    assert bill["requests"] == 60
    assert bill["usd"] == pytest.approx(60 * price)
    assert verify.LEDGER.read_text().count("\n") == 60


def test_killed_it_goes_on_and_buys_nothing_twice(validated: Callable[..., None], catalogue: Path) -> None:
    with GeminiServer(latency=0.1) as server:
        validated(server, {"concurrency": 3})
        server.behaviour = knowing(kept(), catalogue)
        command = [sys.executable, str(ROOT / "src/verify.py")]
        with subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL) as process:
            while len(server.received) < 9:
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)
        paid = STATE.read_text().count("\n")
        assert paid >= 5
        assert not verify.FOUND.exists()
        sent = len(server.received)
        verify.run()
        assert len(server.received) - sent == 30 - paid
    assert all(row["second_opinion"] for row in rows().values())


def test_the_budget_is_that_of_generate_and_what_it_leaves_out_is_silent(
    validated: Callable[..., None],
) -> None:
    with GeminiServer() as server:
        validated(server, {"max_cost_usd": 0.015})
        verify.run()
        asked = len(server.received)
    assert 0 < asked < 30
    bill = read_json(verify.METRICS)["bill"]
    assert bill["requests"] == asked
    assert bill["usd"] <= 0.015


def test_a_preview_shows_opinions_and_the_bill_and_writes_no_support_level(
    validated: Callable[..., None], catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with GeminiServer() as server:
        validated(server)
        server.behaviour = knowing(kept(), catalogue)
        verify.run(2)
        assert len(server.received) == 2
        verify.run(2)
        assert len(server.received) == 2
    said = capsys.readouterr().out
    assert "[second_opinion]" in said
    assert "spent 0.001500 USD on 2 requests" in said
    assert "all 30 images would cost about 0.0225 USD" in said
    assert not verify.FOUND.exists()


def test_a_preview_of_nothing_says_what_to_set(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project()
    generate.run()
    validate.run()
    assert "set verify.second_opinion or verify.opinion_without_image to true" in fails(
        lambda: verify.run(3), capsys
    )


def test_what_the_model_does_not_know_or_say_is_silent(validated: Callable[..., None]) -> None:
    said = json.dumps([{"question": 1, "answer": "Unknown"}, {"question": 2, "answer": "red"}])
    with GeminiServer(lambda number, body: answer(said)) as server:
        validated(server)
        verify.run()
    found = rows()
    by_image: dict[str, list[str]] = {}
    for (image, _), row in sorted(found.items()):
        by_image.setdefault(image, []).append(row["second_opinion_evidence"])
    assert all(evidence == ["", "red", *[""] * (len(evidence) - 2)] for evidence in by_image.values())

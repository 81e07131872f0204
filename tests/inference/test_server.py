"""The page that asks base and adapted: in a browser, and posted to by hand."""

import base64
import http.client
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from browser import chromium_page
from vqa.catalogue.pictures import decoded
from vqa.foundation.errors import InputError
from vqa.inference.server import HOST, PageServer
from vqa.pages.page import page

MODELS = [
    {
        "adapter": adapter,
        "model": f"model of {adapter}",
        "taught": f"taught by {adapter}",
        "questions": [f"What is {adapter}?", "How many?"],
    }
    for adapter in ("drawings", "photographs")
]


def colour(picture: bytes, question: str, adapter: str) -> dict[str, Any]:
    """A model that names the first pixel: what is under test is the page."""
    image = decoded(picture)
    name = "red" if image.getpixel((0, 0))[0] > 128 else "blue"  # type: ignore[index]
    return {
        "base": [{"word": "<b>thing</b>", "probability": 0.5}, {"word": adapter, "probability": 0.1}],
        "adapted": [{"word": name, "probability": 0.9}, {"word": question, "probability": 0.1}],
    }


@pytest.fixture
def port() -> Iterator[int]:
    server = PageServer(0, page("serve.html", {"models": MODELS}), colour)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def picture(form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(buffer, form)
    return buffer.getvalue()


def asked(port: int, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/", body, headers)
    response = connection.getresponse()
    said: dict[str, Any] = json.loads(response.read())
    return response.status, said


def body(content: bytes, question: str = "What color?") -> bytes:
    posted = {"picture": base64.b64encode(content).decode(), "question": question, "adapter": "drawings"}
    return json.dumps(posted).encode()


def test_a_person_asks_about_a_picture(port: int, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(picture())
    with chromium_page(width=390) as browser:
        browser.goto(f"http://127.0.0.1:{port}/")
        browser.get_by_label("Picture").set_input_files(tmp_path / "red.png")
        assert browser.get_by_label("Question").input_value() == "What is drawings?"
        assert browser.locator("#taught").inner_text() == "taught by drawings"
        browser.get_by_label("Adapter").select_option("photographs")
        assert browser.get_by_label("Question").input_value() == "What is photographs?"
        assert browser.locator("#wordings option").count() == 2
        assert browser.locator("#model").inner_text() == "model of photographs"
        browser.get_by_label("Question").fill("What color is it?")
        browser.keyboard.press("Enter")
        browser.locator("#adapted li").first.wait_for()
        assert browser.locator("#adapted li").all_inner_texts()[0].split() == ["red", "90", "%"]
        assert browser.locator("#base li").first.inner_text().startswith("<b>thing</b>")
        assert browser.locator("#base b").count() == 0
        assert browser.locator("#base li").last.inner_text().startswith("photographs")
        assert browser.locator("#picture").evaluate("image => image.naturalWidth") == 20
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_bad_posts_get_one_sentence(port: int) -> None:
    assert asked(port, body(picture()))[0] == 200
    for content, sentence in (
        (body(b"not a picture"), "image_unreadable"),
        (body(picture("PPM")), "image_unreadable: it is none of JPEG, PNG, WEBP"),
        (body(picture(), question=" "), "a question has 1 to 300 letters"),
        (b"{}", "give a picture and a question"),
        (b"[", "give a picture and a question"),
    ):
        status, said = asked(port, content)
        assert (status, list(said)) == (400, ["error"])
        assert sentence in said["error"]
    status, said = asked(port, b"", **{"Content-Length": str(10**9)})
    assert status == 400
    assert said["error"] == "the picture is larger than 10 MB; give a smaller one"


def test_only_this_machine_and_this_page_are_answered(port: int) -> None:
    for headers in ({"Host": f"evil.example:{port}"}, {"Origin": "https://evil.example"}):
        assert asked(port, body(picture()), **headers) == (
            400,
            {"error": "this page is for this machine only"},
        )
    with pytest.raises(InputError, match=rf"port {port} cannot be used"):
        PageServer(port, "", colour)
    assert HOST == "127.0.0.1"

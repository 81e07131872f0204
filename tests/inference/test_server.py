"""The page that asks baseline and adapter: in a browser, and posted to by hand."""

import base64
import http.client
import io
import json
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI, PermissionDeniedError
from PIL import Image

from browser import chromium_page
from vqa.catalogue.images import decoded
from vqa.cli.serve import describe_kind
from vqa.core.errors import InputError
from vqa.inference.answerer import Answer
from vqa.inference.chat_completions import ChatRequest
from vqa.inference.server import HOST, MOST_BYTES, PageServer
from vqa.pages.page import page

NAMES = ("baseline", "adapter")
MODELS = [
    {
        "adapter": adapter,
        "model": f"model of {adapter}",
        "taught": f"trained on {adapter}",
        "questions": [f"What is {adapter}?", "How many?"],
        "at_least": at_least,
        "is_for_photographs": adapter == "photographs",
    }
    for adapter, at_least in (("drawings", 0.3), ("photographs", 0.7))
]


def colour(content: bytes, question: str, adapter: str) -> dict[str, Any]:
    """A model that names the first pixel: what is under test is the page."""
    image = decoded(content)
    name = "red" if image.getpixel((0, 0))[0] > 128 else "blue"  # type: ignore[index]
    return {
        "base": [{"word": "<b>thing</b>", "probability": 0.5}, {"word": adapter, "probability": 0.1}],
        "adapted": [{"word": name, "probability": 0.9}, {"word": question, "probability": 0.1}],
    }


def colour_chat(request: ChatRequest) -> tuple[Answer, ...]:
    """A model that names the first pixel, then its own name."""
    colour_of = "red" if decoded(request.image).getpixel((0, 0))[0] > 128 else "blue"  # type: ignore[index]
    if request.question == "too long":
        raise InputError("the question needs 900 tokens")
    return Answer(colour_of, 0.75), Answer(request.model, 0.2), Answer("else", 0.0)


@contextmanager
def serving(models: list[dict[str, Any]], examples: list[dict[str, str]]) -> Iterator[int]:
    html = page("serve.html", {"models": models, "wanted": 0.8, "examples": examples})
    server = PageServer(0, html, colour, describe_kind, list(NAMES), colour_chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def port() -> Iterator[int]:
    url = f"data:image/png;base64,{base64.b64encode(photo()).decode()}"
    with serving(MODELS, [{"url": url, "question": "What is red?"}]) as at:
        yield at


def photo(form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(buffer, form)
    return buffer.getvalue()


def photograph() -> bytes:
    """As many colours as pixels, of more than 128 a side."""
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def asked(port: int, body: bytes, path: str = "/", **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    said: dict[str, Any] = json.loads(response.read())
    return response.status, said


def body(content: bytes, question: str = "What color?") -> bytes:
    posted = {"image": base64.b64encode(content).decode(), "question": question, "adapter": "drawings"}
    return json.dumps(posted).encode()


def test_a_person_asks_about_an_image(port: int, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(photo())
    with chromium_page(width=390) as browser:
        browser.goto(f"http://127.0.0.1:{port}/")
        browser.get_by_label("image of yours").set_input_files(tmp_path / "red.png")
        assert browser.get_by_label("Question").input_value() == "What is drawings?"
        assert browser.locator("#taught").inner_text() == "trained on drawings"
        browser.locator("#kind").get_by_text("Taken for a drawing").wait_for()
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
        assert browser.locator("#image").evaluate("image => image.naturalWidth") == 20
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_example_is_asked_about_by_one_click(port: int) -> None:
    with chromium_page(width=420) as browser:
        browser.goto(f"http://127.0.0.1:{port}/")
        browser.get_by_role("button", name="example 1").click()
        browser.locator("#adapted li").first.wait_for()
        assert browser.get_by_label("Question").input_value() == "What is red?"
        assert browser.locator("#adapted li").all_inner_texts()[0].split() == ["red", "90", "%"]
        assert browser.locator("#base li").last.inner_text().startswith("drawings")
        assert browser.locator("#image").evaluate("image => image.naturalWidth") == 20


def test_a_photograph_gets_the_adapter_for_photographs_first_and_is_told_why(
    port: int, tmp_path: Path
) -> None:
    (tmp_path / "photograph.png").write_bytes(photograph())
    (tmp_path / "red.png").write_bytes(photo())
    with chromium_page() as browser:
        browser.goto(f"http://127.0.0.1:{port}/")
        options = browser.locator("#adapter option")
        assert options.all_inner_texts() == ["drawings", "photographs"]
        browser.get_by_label("image of yours").set_input_files(tmp_path / "photograph.png")
        browser.locator("#kind").get_by_text("Taken for a photograph").wait_for()
        why = browser.locator("#kind").inner_text()
        assert "100% of the image is in none of its next 8 colours, and its longer side has 150 pixels" in why
        assert "A photograph has 68% at least, and more than 128 pixels." in why
        assert options.all_inner_texts() == ["photographs", "drawings"]
        assert browser.get_by_label("Adapter").input_value() == "photographs"
        assert browser.locator("#taught").inner_text() == "trained on photographs"
        browser.get_by_label("image of yours").set_input_files(tmp_path / "red.png")
        browser.locator("#kind").get_by_text("Taken for a drawing").wait_for()
        assert browser.get_by_label("Adapter").input_value() == "drawings"


def test_where_no_adapter_is_for_such_images_the_page_says_so(tmp_path: Path) -> None:
    (tmp_path / "photograph.png").write_bytes(photograph())
    with serving(MODELS[:1], []) as port, chromium_page() as browser:
        browser.goto(f"http://127.0.0.1:{port}/")
        assert browser.locator("#examples").count() == 0
        browser.get_by_label("Give an image").set_input_files(tmp_path / "photograph.png")
        browser.locator("#kind").get_by_text("No adapter here was trained on photographs").wait_for()


def test_answers_below_the_measured_confidence_are_grey_and_called_unsure(port: int) -> None:
    with chromium_page() as browser:
        browser.goto(f"http://127.0.0.1:{port}/")
        assert "Answers of the adapter below 30 % are grey" in browser.locator("#sure").inner_text()
        assert "8 of 10 were right" in browser.locator("#sure").inner_text()
        browser.get_by_role("button", name="example 1").click()
        sure, unsure = browser.locator("#adapted li").all()
        assert "(unsure)" not in sure.inner_text()
        assert unsure.inner_text().split("\n")[0].endswith("(unsure)")
        colours = {line.evaluate("x => getComputedStyle(x).color") for line in (sure, unsure)}
        assert len(colours) == 2
        assert browser.locator("#base li.unsure").count() == 0  # 10 %, of which nothing was measured


def test_an_adapter_without_a_measured_confidence_is_said_to_have_none() -> None:
    models = [MODELS[0] | {"at_least": None}]
    with serving(models, []) as port, chromium_page() as browser:
        browser.goto(f"http://127.0.0.1:{port}/")
        assert browser.locator("#sure").inner_text().startswith("No answer is grey: ")


def test_there_is_no_empty_box_before_and_after_an_answer(port: int, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    empty = "all => all.filter(x => x.offsetHeight > 0 && !x.textContent.trim() && !x.matches('img')).length"
    with chromium_page() as browser:
        browser.goto(f"http://127.0.0.1:{port}/")
        boxes = browser.locator("section, #form p, #problem, #sure, #kind")
        assert browser.locator("#answers").is_hidden()
        assert browser.get_by_label("Adapter").is_visible()
        browser.get_by_role("button", name="Ask").click()
        browser.get_by_text("give an image first").wait_for()
        assert boxes.evaluate_all(empty) == 0
        browser.get_by_role("button", name="example 1").click()
        browser.locator("#adapted li").first.wait_for()
        assert browser.locator("#answers").is_visible()
        assert boxes.evaluate_all(empty.replace("!x.matches('img')", "!x.querySelector('img')")) == 0


def test_what_kind_an_image_is_is_told_and_one_that_is_none_refused(port: int) -> None:
    def posted(content: bytes) -> tuple[int, dict[str, Any]]:
        return asked(port, json.dumps({"image": base64.b64encode(content).decode()}).encode(), "/kind")

    assert posted(photograph())[1]["is_photograph"] is True
    assert posted(photo())[1]["is_photograph"] is False
    status, said = posted(b"no image")
    assert (status, list(said)) == (400, ["error"])
    assert "image_unreadable" in said["error"]
    assert asked(port, b"{}", "/kind") == (400, {"error": "give an image and a question"})
    stranger = {"Origin": "https://evil.example"}
    assert asked(port, b"{}", "/kind", **stranger) == (400, {"error": "this page is for this machine only"})


def test_bad_posts_get_one_sentence(port: int) -> None:
    assert asked(port, body(photo()))[0] == 200
    for content, sentence in (
        (body(b"not an image"), "image_unreadable"),
        (body(photo("PPM")), "image_unreadable: it is none of JPEG, PNG, WEBP"),
        (body(photo(), question=" "), "a question has 1 to 300 letters"),
        (b"{}", "give an image and a question"),
        (b"[", "give an image and a question"),
    ):
        status, said = asked(port, content)
        assert (status, list(said)) == (400, ["error"])
        assert sentence in said["error"]
    status, said = asked(port, b"", **{"Content-Length": str(10**9)})
    assert status == 400
    assert said["error"] == "the image is larger than 10 MB; give a smaller one"


@pytest.fixture
def client(port: int) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="any", max_retries=0) as client:
        yield client


def turn(content: bytes, question: str = "What color?") -> dict[str, Any]:
    url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question}]
    return {"role": "user", "content": parts}


def chat(client: OpenAI, *turns: Any, model: str = "adapter", **options: Any) -> Any:
    return client.chat.completions.create(model=model, messages=list(turns), **options)


def test_openai_s_client_lists_the_models_and_gets_an_answer(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == list(NAMES)
    assert client.models.retrieve("baseline").owned_by == "abo-vqa"
    done = chat(client, turn(photo()), temperature=0.7, max_tokens=5)
    (choice,) = done.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "red", "stop")
    assert (done.model, choice.logprobs) == ("adapter", None)


def test_openai_s_client_gets_log_probabilities_of_whole_answers(client: OpenAI) -> None:
    (choice,) = chat(client, turn(photo()), model="baseline", logprobs=True, top_logprobs=3).choices
    assert choice.logprobs
    (first,) = choice.logprobs.content
    assert (first.token, first.logprob, bytes(first.bytes)) == ("red", pytest.approx(math.log(0.75)), b"red")
    assert [other.token for other in first.top_logprobs] == ["red", "baseline", "else"]
    assert first.top_logprobs[-1].logprob == -9999.0


@pytest.mark.parametrize(
    ("turns", "options", "parameter", "sentence"),
    [
        ([turn(b"no image")], {}, None, "image_unreadable"),
        ([turn(photo(), "too long")], {}, None, "the question needs 900 tokens"),
        ([turn(photo(), " ")], {}, "messages", "a question has 1 to 300 letters"),
        ([{"role": "user", "content": "What color?"}], {}, "messages", "0 images came; give one"),
        ([{"role": "system", "content": "Be brief."}, turn(photo())], {}, "messages", "system, user"),
        ([turn(photo()), turn(photo())], {}, "messages", "it got: user, user"),
        ([], {}, "messages", "it got: none"),
        ([turn(photo())], {"stream": True}, "stream", "comes whole; leave stream out"),
        ([turn(photo())], {"n": 2}, "n", "there is one choice"),
        (
            [turn(photo())],
            {"logprobs": True, "top_logprobs": 21},
            "top_logprobs",
            "less than or equal",
        ),
        ([turn(photo())], {"top_logprobs": 2}, "top_logprobs", "wants logprobs: true"),
        (
            [turn(photo())],
            {"tools": [{"type": "function", "function": {"name": "look"}}]},
            "tools",
            "the model calls no tools",
        ),
    ],
)
def test_what_has_no_answer_is_an_error_of_openai_s_client(
    client: OpenAI, turns: list[Any], options: dict[str, Any], parameter: str | None, sentence: str
) -> None:
    with pytest.raises(BadRequestError, match=re.escape(sentence)) as caught:
        chat(client, *turns, **options)
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", parameter)


def test_an_image_from_elsewhere_or_too_large_and_an_unknown_model_are_refused(client: OpenAI) -> None:
    far = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}]}
    far["content"].append({"type": "text", "text": "What?"})  # type: ignore[attr-defined]
    with pytest.raises(BadRequestError, match="nothing is fetched from elsewhere"):
        chat(client, far)
    far["content"][0]["image_url"]["url"] = "data:image/png;base64,@@"  # type: ignore[index]
    with pytest.raises(BadRequestError, match="not base64"):
        chat(client, far)
    with pytest.raises(APIStatusError, match="larger than 10 MB") as too_large:
        chat(client, turn(bytes(MOST_BYTES + 100_000)))
    assert too_large.value.status_code == 413
    with pytest.raises(NotFoundError, match="no model 'gpt'; name one of baseline, adapter") as unknown:
        chat(client, turn(photo()), model="gpt")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(NotFoundError, match=r"there is nothing at /v1/models/gpt"):
        client.models.retrieve("gpt")
    with pytest.raises(NotFoundError, match=r"there is nothing at /v1/embeddings"):
        client.embeddings.create(model="adapter", input="a")


def test_a_body_that_is_no_request_is_said_to_be_none(port: int) -> None:
    status, said = asked(port, b"[", path="/v1/chat/completions")
    assert (status, said["error"]["type"]) == (400, "invalid_request_error")
    assert said["error"]["message"].startswith("the request: Invalid JSON")
    status, said = asked(port, b"{}", path="/v1/chat/completions")
    assert (status, said["error"]["param"]) == (400, "model")


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_only_this_machine_completes_chats(port: int, header: dict[str, str]) -> None:
    with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="any", default_headers=header) as stranger:
        with pytest.raises(PermissionDeniedError, match="this page is for this machine only"):
            chat(stranger, turn(photo()))
        with pytest.raises(PermissionDeniedError, match="this page is for this machine only"):
            stranger.models.list()


def test_only_this_machine_and_this_page_are_answered(port: int) -> None:
    for headers in ({"Host": f"evil.example:{port}"}, {"Origin": "https://evil.example"}):
        assert asked(port, body(photo()), **headers) == (
            400,
            {"error": "this page is for this machine only"},
        )
    with pytest.raises(InputError, match=rf"port {port} cannot be used"):
        PageServer(port, "", colour, describe_kind, (), colour_chat)
    assert HOST == "127.0.0.1"

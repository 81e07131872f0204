"""The page, and chat completions, with real models behind them."""

import base64
import http.client
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from openai import OpenAI

from commands import served, used
from other_adapter import other_adapter
from paths import ROOT
from vqa.catalogue.abo import image_path
from vqa.cli.serve import describe_adapter
from vqa.pairs.pair import Pair, read_pairs, write_pairs
from vqa.settings import load_settings

QUESTION = "What color is it?"


def test_an_image_and_a_question_get_an_answer_of_both_models(adapted: Path) -> None:
    image = next(load_settings().data.root.glob("images/small/*/*.jpg"))
    other_adapter(adapted)
    content = base64.b64encode(image.read_bytes()).decode()
    posted = {"image": content, "question": QUESTION, "adapter": "models/adapter/best"}
    with served() as post:
        said = post(posted)
        of_photos = post(posted | {"adapter": "models/adapter-photos"})
        refused = post(posted | {"adapter": "../elsewhere"})
        html = page_of(post.port)
    assert list(said) == ["base", "adapted"]
    for answers in said.values():
        probabilities = [answer["probability"] for answer in answers]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 1 <= len(answers) <= 3
    assert said["base"] != said["adapted"]
    assert of_photos["base"] != said["base"]  # another model
    models, examples = (
        json.loads(re.search(rf'id="{name}">(.*?)</script>', html)[1])  # type: ignore[index]
        for name in ("models", "example-images")
    )
    test = read_pairs(Path("data/vqa/test.csv"))
    first = image_path(load_settings().data.root, test[0].image_name).read_bytes()
    assert examples[0]["url"] == "data:image/jpeg;base64," + base64.b64encode(first).decode()
    assert examples[0]["question"] == test[0].question
    assert len(examples) == min(3, len({pair.image_name for pair in test}))
    assert [model["adapter"] for model in models] == ["models/adapter/best", "models/adapter-photos"]
    assert refused == {"error": "there is no adapter '../elsewhere'; load the page again"}


@pytest.mark.parametrize(
    ("root", "of", "is_for_photographs"),
    [("data/demo", "data/demo, which are drawings", False), ("data/mine", "data/mine", True)],
)
def test_the_page_says_what_an_adapter_was_trained_on(
    project: Callable[..., Path], root: str, of: str, is_for_photographs: bool
) -> None:
    project(data={"root": root})
    pairs = [Pair(name, "What color?", "red", "color") for name in ("a.jpg", "a.jpg", "b.jpg")]
    write_pairs(Path("data/vqa/train.csv"), pairs)
    said = describe_adapter("models/adapter/best", load_settings())
    assert said["taught"] == f"trained on 3 questions about 2 images of {of}"
    assert said["is_for_photographs"] is is_for_photographs
    assert (said["questions"], said["at_least"]) == (["What color?"], None)


def page_of(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/")
    return connection.getresponse().read().decode()


def chat_answer(client: OpenAI, model: str, image: Path, text: str) -> tuple[str, float]:
    """The answer and its probability."""
    url = f"data:image/jpeg;base64,{base64.b64encode(image.read_bytes()).decode()}"
    done = client.chat.completions.create(
        model=model,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": url}},
                    {"type": "text", "text": text},
                ],
            }
        ],
        logprobs=True,
    )
    (choice,) = done.choices
    assert choice.logprobs
    assert choice.logprobs.content
    (token,) = choice.logprobs.content
    assert token.token == choice.message.content
    return token.token, math.exp(token.logprob)


def code_of_the_page(port: int, image: Path) -> str:
    """What docs/other_tools.md tells to run, for this server and image."""
    (code,) = re.findall(r"(?s)```py\n(.*?)```", (ROOT / "docs/other_tools.md").read_text())
    return code.replace("8010", str(port)).replace("lamp.jpg", str(image))


def test_openai_s_client_is_answered_as_ask_answers(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next(load_settings().data.root.glob("images/small/*/*.jpg"))
    other_adapter(adapted)
    with (
        served() as serving,
        OpenAI(base_url=f"http://127.0.0.1:{serving.port}/v1", api_key="none", max_retries=0) as client,
    ):
        names = [model.id for model in client.models.list()]
        answers = {name: chat_answer(client, name, image, QUESTION) for name in names}
        whole_prompt = load_settings().model.prompt.format(question=QUESTION)
        assert chat_answer(client, "adapter", image, whole_prompt) == answers["adapter"]
        capsys.readouterr()
        exec(code_of_the_page(serving.port, image), {})
        assert capsys.readouterr().out.strip() == answers["adapter"][0]
    assert names == ["baseline", "adapter", "baseline-photos", "adapter-photos"]
    for name, options in {
        "baseline": ["--base"],
        "adapter": [],
        "adapter-photos": ["--adapter", "models/adapter-photos"],
    }.items():
        capsys.readouterr()
        used("ask", "--image", image, "--question", QUESTION, *options)
        word, probability = answers[name]
        assert capsys.readouterr().out.rstrip().endswith(f"{QUESTION}  {word} {probability:.2f}")
    assert len(set(answers.values())) == len(names)

"""The page, and chat completions, with real models behind them."""

import base64
import math
import re
from pathlib import Path

import pytest
from openai import OpenAI

from commands import served, used
from conftest import ROOT
from other_adapter import other_adapter
from vqa.settings import load_settings

QUESTION = "What color is it?"


def test_a_picture_and_a_question_get_an_answer_of_both_models(adapted: Path) -> None:
    picture = next(load_settings().data.root.glob("images/small/*/*.jpg"))
    other_adapter(adapted)
    content = base64.b64encode(picture.read_bytes()).decode()
    posted = {"picture": content, "question": QUESTION, "adapter": "models/adapter/best"}
    with served() as post:
        said = post(posted)
        of_photos = post(posted | {"adapter": "models/adapter-photos"})
        refused = post(posted | {"adapter": "../elsewhere"})
    assert list(said) == ["base", "adapted"]
    for answers in said.values():
        probabilities = [answer["probability"] for answer in answers]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 1 <= len(answers) <= 3
    assert said["base"] != said["adapted"]
    assert of_photos["base"] != said["base"]  # another model
    assert refused == {"error": "there is no adapter '../elsewhere'; load the page again"}


def chat_answer(client: OpenAI, model: str, picture: Path, text: str) -> tuple[str, float]:
    """The answer and its probability."""
    url = f"data:image/jpeg;base64,{base64.b64encode(picture.read_bytes()).decode()}"
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


def code_of_the_page(port: int, picture: Path) -> str:
    """What docs/other_tools.md tells to run, for this server and picture."""
    (code,) = re.findall(r"(?s)```py\n(.*?)```", (ROOT / "docs/other_tools.md").read_text())
    return code.replace("8010", str(port)).replace("lamp.jpg", str(picture))


def test_openai_s_client_is_answered_as_ask_answers(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = next(load_settings().data.root.glob("images/small/*/*.jpg"))
    other_adapter(adapted)
    with (
        served() as serving,
        OpenAI(base_url=f"http://127.0.0.1:{serving.port}/v1", api_key="none", max_retries=0) as client,
    ):
        names = [model.id for model in client.models.list()]
        answers = {name: chat_answer(client, name, picture, QUESTION) for name in names}
        whole_prompt = load_settings().model.prompt.format(question=QUESTION)
        assert chat_answer(client, "adapter", picture, whole_prompt) == answers["adapter"]
        capsys.readouterr()
        exec(code_of_the_page(serving.port, picture), {})
        assert capsys.readouterr().out.strip() == answers["adapter"][0]
    assert names == ["baseline", "adapter", "baseline-photos", "adapter-photos"]
    for name, options in {
        "baseline": ["--base"],
        "adapter": [],
        "adapter-photos": ["--adapter", "models/adapter-photos"],
    }.items():
        capsys.readouterr()
        used("ask", "--image", picture, "--question", QUESTION, *options)
        word, probability = answers[name]
        assert capsys.readouterr().out.rstrip().endswith(f"{QUESTION}  {word} {probability:.2f}")
    assert len(set(answers.values())) == len(names)

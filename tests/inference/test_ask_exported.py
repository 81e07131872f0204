"""The script that asks an exported model knows nothing of this project, and answers as it does."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import Blip2Processor

from adapters import QUESTIONS, settings, shake
from toy import PROMPT, toy_model
from toy_image_text import toy_image_text
from vqa.inference import ask_exported
from vqa.vlm import lora
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder

CPU = torch.device("cpu")


def asked_of(kind: str, folder: Path, images: list[Path], **options: Any) -> dict[str, Any]:
    """Question i about image i, in the words of an adapter's prompt."""
    prompts = [PROMPT.format(question=question) for question in QUESTIONS]
    entries = [
        {"image": str(image), "prompt": prompt, "said": prompt}
        for image, prompt in zip(images, prompts, strict=True)
    ]
    plain: dict[str, Any] = {"base": "", "revision": None, "dtype": "float32", "max_new_tokens": 5}
    return plain | {"kind": kind, "folder": str(folder), "num_beams": 1, "asked": entries} | options


@pytest.fixture
def images(drawings: list[Image.Image], tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, drawing in zip(paths, drawings, strict=False):
        drawing.save(path)
    return paths


def expected(
    answers: Blip2AnswerModel, model: Any, processor: Blip2Processor, paths: list[Path]
) -> list[str]:
    """What the pipeline says."""
    encoder = Blip2ImageEncoder(model, processor, CPU)
    features = encoder.features(encoder.pixels([Image.open(path).convert("RGB") for path in paths]))
    return [text.strip() for text in answers.texts(QUESTIONS, features, 5)]


def test_a_merged_model_answers_on_the_last_line(
    toy_folder: Path,
    images: list[Path],
    processor: Blip2Processor,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = toy_model("opt", processor)
    texts = expected(Blip2AnswerModel(model, processor, PROMPT, CPU), model, processor, images)
    (tmp_path / "asked.json").write_text(json.dumps(asked_of("merged", toy_folder, images)))
    ask_exported.run(tmp_path / "asked.json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == texts


def test_an_adapter_is_merged_into_its_base_and_asked_with_the_prompt(
    toy_folder: Path, images: list[Path], processor: Blip2Processor, tmp_path: Path
) -> None:
    model = toy_model("opt", processor)
    answers = Blip2AnswerModel(model, processor, PROMPT, CPU)
    plain = expected(answers, model, processor, images)
    lora.add_adapter(answers, settings(), "toy")
    shake(answers.eval())
    lora.save_adapter(answers, tmp_path / "adapter")
    texts = expected(answers, model, processor, images)
    assert texts != plain
    asked = asked_of("adapter", tmp_path / "adapter", images, base=str(toy_folder))
    asked["asked"] = [entry | {"said": "nothing"} for entry in asked["asked"]]
    loaded = ask_exported.load(asked)
    assert [ask_exported.answer(*loaded, asked, entry) for entry in asked["asked"]] == texts


def test_a_chat_template_stands_around_what_is_asked_where_there_is_one(drawings: list[Image.Image]) -> None:
    processor = toy_image_text("llava")[1]
    ids = ask_exported.make_inputs(processor, drawings[0], "What is it?")["input_ids"][0]
    text = processor.tokenizer.decode(ids)
    assert "USER: <image>" in text
    assert text.endswith("What is it? ASSISTANT:")
    processor.chat_template = None
    bare = ask_exported.make_inputs(processor, drawings[0], "<image>What is it?")["input_ids"][0]
    assert processor.tokenizer.decode(bare).endswith(">What is it?")

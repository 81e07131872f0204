"""Where states meet a frozen head they take one product, never one a row with the vocabulary copied."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from adapters import settings, shake
from toy import PROMPT
from toy_image_text import FAMILIES, features_of, model_parts, toy_image_text
from toy_others import MAKERS
from vqa.inference.other_models import OtherModel
from vqa.vlm import attached_adapter, lora
from vqa.vlm.batching import make_states_contiguous
from vqa.vlm.blip2 import Blip2AnswerModel
from vqa.vlm.interfaces import AnswerModel

CPU = torch.device("cpu")
ASKED = ["What color is it?", "How many legs are there?", "Which shape?"]
# Who asks: validation, answers and shared prefixes are `texts`; `ask`, `serve` and beams the others.
WAYS: dict[str, Callable[[AnswerModel, Any], Any]] = {
    "a row a question": lambda model, features: model.texts(ASKED, features, 4),
    "one question": lambda model, features: model.texts(ASKED[:1], features[:1], 4),
    "a shared image": lambda model, features: model.texts(ASKED, features[:1], 4, images=[0, 0, 0]),
    "beams": lambda model, features: model.texts(ASKED, features, 4, num_beams=3),
    "likeliest": lambda model, features: model.likeliest_texts(ASKED, features, 4, 3),
    "allowed": lambda model, features: model.texts(
        ASKED, features, 4, vocabulary=model.answer_tree(["red", "wood"])
    ),
}


@contextmanager
def products_by(head: torch.nn.Module) -> Iterator[Counter[str]]:
    """How many products of two matrices, and of batches of them, `head` makes in the block."""
    forward, found = head.forward, Counter[str]()

    def counted(states: Tensor) -> Tensor:
        with profile(activities=[ProfilerActivity.CPU]) as recorded:
            made: Tensor = forward(states)
        names = [event.name.removeprefix("aten::") for event in recorded.events()]
        found.update(name for name in names if name in ("mm", "bmm"))
        return made

    head.forward = counted
    try:
        yield found
    finally:
        head.forward = forward


@pytest.mark.parametrize("way", WAYS)
def test_a_frozen_head_multiplies_the_vocabulary_once_for_all_rows(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, way: str
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, CPU)
    features = torch.randn(3, 4, 32)
    wanted = WAYS[way](answers.requires_grad_(True), features)
    with products_by(answers.language_model.get_output_embeddings()) as found:
        assert WAYS[way](answers.requires_grad_(False), features) == wanted
    assert set(found) == {"mm"}


@pytest.mark.parametrize("family", FAMILIES)
def test_so_does_that_of_every_family_with_an_adapter_beside_it_and_merged(
    family: str, drawings: list[Image.Image], tmp_path: Path
) -> None:
    encoder, trained = model_parts(*toy_image_text(family))
    features = features_of(encoder, drawings[:3])
    lora.add_adapter(trained, settings(), "toy")
    shake(trained.eval())
    lora.save_adapter(trained, tmp_path)
    merged = model_parts(*toy_image_text(family))[1]
    attached_adapter.merge(merged, tmp_path)
    for model in (trained, merged):
        model.requires_grad_(False)
        with products_by(model.whole.get_output_embeddings()) as found:
            for way in ("a row a question", "one question", "a shared image"):
                WAYS[way](model, features)
        assert set(found) == {"mm"}


def test_another_model_s_head_does_so_whatever_its_flags(
    processor: Blip2Processor, drawings: list[Image.Image], tmp_path: Path
) -> None:
    MAKERS["llava"](tmp_path / "llava", processor)
    other = OtherModel(str(tmp_path / "llava"), CPU)
    other._model.requires_grad_(False)
    with products_by(other._model.get_output_embeddings()) as found:
        other.text(drawings[0], ASKED[0], 3)
    assert set(found) == {"mm"}


@pytest.mark.parametrize("rows", [1, 3])
def test_a_slice_of_states_is_what_it_was(rows: int) -> None:
    head = torch.nn.Linear(8, 50, bias=False).requires_grad_(False)
    states = torch.randn(rows, 5, 8)[:, -1:]
    plain = head(states)
    make_states_contiguous(head)
    with products_by(head) as found:
        torch.testing.assert_close(head(states), plain)
    assert found == {"mm": 1}

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from toy import PROMPT
from vqa.core.errors import InputError
from vqa.settings import Lora
from vqa.vlm import lora
from vqa.vlm.blip2 import Blip2AnswerModel, Level

SETTINGS = Lora(
    r=4,
    alpha=8,
    dropout=0.0,
    targets=["attention", "mlp"],
    bias="none",
    rslora=False,
    dora=False,
    train_projection=False,
    qformer_targets=[],
)


def adapted(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, level: Level = "qformer", **changes: Any
) -> dict[str, torch.nn.Parameter]:
    """The parameters that train."""
    answers = Blip2AnswerModel(model, processor, PROMPT, torch.device("cpu"), level)
    lora.add_adapter(answers, replace(SETTINGS, **changes), "toy")
    return {name: p for name, p in answers.named_parameters() if p.requires_grad}


def test_only_what_is_asked_for_trains(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    names = adapted(model, processor)
    assert names
    assert all(name.startswith("language_model.") and "lora_" in name for name in names)


def test_the_projection_trains_whole_when_asked(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    names = adapted(model, processor, train_projection=True)
    assert {name for name in names if "lora_" not in name} == {"projection.weight", "projection.bias"}


def test_the_q_former_is_adapted_where_vit_output_is_cached(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    names = adapted(model, processor, "vit", qformer_targets=["attention.query"])
    in_qformer = [name for name in names if name.startswith("queries.qformer.")]
    assert in_qformer
    assert all(".query.lora_" in name for name in in_qformer)


def test_q_former_targets_that_cannot_be_are_named(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    with pytest.raises(InputError, match=r"features\.level to vit"):
        adapted(model, processor, qformer_targets=["attention"])
    with pytest.raises(InputError, match=r"lora\.qformer_targets has 'fc1', which matches nothing"):
        adapted(model, processor, "vit", qformer_targets=["fc1"])

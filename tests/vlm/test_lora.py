from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from toy import PROMPT
from vqa.core.errors import InputError
from vqa.settings import Lora
from vqa.vlm import attached_adapter, lora
from vqa.vlm.blip2 import Blip2AnswerModel, Level
from vqa.vlm.lora_targets import module_names

NAMES = {
    "opt": {"attention": ["q_proj", "k_proj", "v_proj", "out_proj"], "mlp": ["fc1", "fc2"]},
    "t5": {"attention": ["q", "k", "v", "o"], "mlp": ["wi_0", "wi_1", "wo"]},
}
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


def test_roles_become_this_family_s_names(model: Blip2ForConditionalGeneration) -> None:
    names = NAMES[model.language_model.config.model_type]
    assert module_names(model.language_model, ["attention"]) == names["attention"]
    assert module_names(model.language_model, ["mlp", "attention.query"]) == [
        *names["mlp"],
        names["attention"][0],
    ]
    assert module_names(model.language_model, [names["mlp"][0]]) == [names["mlp"][0]]


@pytest.mark.parametrize("target", ["gate_proj", "attention.gate", "lm_head", "cross"])
def test_a_target_that_matches_nothing_stops_and_lists_what_exists(
    model: Blip2ForConditionalGeneration, target: str
) -> None:
    with pytest.raises(InputError, match=f"lora.targets has '{target}', which matches nothing") as caught:
        module_names(model.language_model, ["attention", target])
    assert "attention.query" in str(caught.value)
    assert NAMES[model.language_model.config.model_type]["mlp"][0] in str(caught.value)


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


def test_a_missing_adapter_is_named(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="holds no adapter; run the train stage"):
        attached_adapter.merge(Blip2AnswerModel(model, processor, PROMPT, torch.device("cpu")), tmp_path)

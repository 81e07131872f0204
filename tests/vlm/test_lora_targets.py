"""Roles → the names of a model's own layers."""

import pytest
from torch import nn
from transformers import Blip2ForConditionalGeneration

from vqa.core.errors import InputError
from vqa.vlm.lora_targets import module_names

NAMES = {
    "opt": {"attention": ["q_proj", "k_proj", "v_proj", "out_proj"], "mlp": ["fc1", "fc2"]},
    "t5": {"attention": ["q", "k", "v", "o"], "mlp": ["wi_0", "wi_1", "wo"]},
}


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


def test_a_layer_is_named_by_any_ending_of_its_path_and_only_once(
    model: Blip2ForConditionalGeneration,
) -> None:
    layers = [name for name, module in model.language_model.named_modules() if isinstance(module, nn.Linear)]
    attention = next(name for name in layers if name.endswith((".q", ".q_proj")))
    parent_and_name = ".".join(attention.split(".")[-2:])
    assert module_names(model.language_model, [attention, parent_and_name]) == [attention, parent_and_name]
    name = attention.split(".")[-1]
    assert module_names(model.language_model, ["attention.query", name, "attention.query"]) == [name]
    with pytest.raises(InputError, match=rf"lora\.targets has 'x{name}', which matches nothing"):
        module_names(model.language_model, [f"x{name}"])  # an ending of a path, and not of a name


def test_the_q_former_has_roles_of_its_own_and_the_sentence_its_own_key(
    model: Blip2ForConditionalGeneration,
) -> None:
    assert module_names(model.qformer, ["attention.query", "mlp.down"]) == ["query", "output_query.dense"]
    with pytest.raises(InputError, match=r"lora\.qformer_targets has 'fc1', which matches nothing"):
        module_names(model.qformer, ["fc1"], "lora.qformer_targets")

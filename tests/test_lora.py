from pathlib import Path

import pytest
import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from toy import PROMPT
from vqa import lora
from vqa.blip2 import AnswerModel
from vqa.errors import InputError
from vqa.settings import Lora

NAMES = {
    "opt": {"attention": ["q_proj", "k_proj", "v_proj", "out_proj"], "mlp": ["fc1", "fc2"]},
    "t5": {"attention": ["q", "k", "v", "o"], "mlp": ["wi_0", "wi_1", "wo"]},
}
SETTINGS = Lora(r=4, alpha=8, dropout=0.0, targets=["attention", "mlp"], bias="none")


def test_roles_become_this_family_s_names(model: Blip2ForConditionalGeneration) -> None:
    names = NAMES[model.language_model.config.model_type]
    assert lora.module_names(model.language_model, ["attention"]) == names["attention"]
    assert lora.module_names(model.language_model, ["mlp", "attention.query"]) == [
        *names["mlp"],
        names["attention"][0],
    ]
    assert lora.module_names(model.language_model, [names["mlp"][0]]) == [names["mlp"][0]]


@pytest.mark.parametrize("target", ["gate_proj", "attention.gate", "lm_head", "cross"])
def test_a_target_that_matches_nothing_stops_and_lists_what_exists(
    model: Blip2ForConditionalGeneration, target: str
) -> None:
    with pytest.raises(InputError, match=f"lora.targets has '{target}', which matches nothing") as caught:
        lora.module_names(model.language_model, ["attention", target])
    assert "attention.query" in str(caught.value)
    assert NAMES[model.language_model.config.model_type]["mlp"][0] in str(caught.value)


def test_only_adapter_weights_train_and_the_image_reaches_every_one(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    answers = AnswerModel(model, processor, PROMPT, torch.device("cpu"))
    answers.language_model = lora.with_adapter(answers.language_model, SETTINGS, "toy")
    trainable = {n: p for n, p in answers.language_model.named_parameters() if p.requires_grad}
    assert trainable
    assert all("lora_" in name for name in trainable)
    for name, parameter in trainable.items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)  # as they start, zero B hides A's gradient

    def gradients(features: torch.Tensor) -> dict[str, torch.Tensor]:
        answers.language_model.zero_grad()
        batch = answers.training_batch(["What color?"], ["red"])
        answers.language_model(**answers.forward(batch, features)).loss.backward()
        return {name: p.grad.clone() for name, p in trainable.items() if p.grad is not None}

    seen = gradients(torch.randn(1, 4, 32))
    blind = gradients(torch.zeros(1, 4, 32))
    assert seen.keys() == trainable.keys()
    assert all((seen[name] - blind[name]).abs().max() > 0 for name in seen)


def test_merged_equals_unmerged(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, tmp_path: Path
) -> None:
    answers = AnswerModel(model, processor, PROMPT, torch.device("cpu"))
    answers.language_model.double()  # so that rounding cannot hide or feign a difference
    batch = answers.training_batch(["What color?", "How many?"], ["red", "2"])
    spliced = answers.forward(batch, torch.randn(2, 4, 32))
    with torch.no_grad():
        plain = answers.language_model(**spliced).logits
        adapted = lora.with_adapter(answers.language_model, SETTINGS, "toy").eval()
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        unmerged = adapted(**spliced).logits
        adapted.save_pretrained(tmp_path)
        merged = lora.merged(adapted.unload(), tmp_path)(**spliced).logits
    torch.testing.assert_close(merged, unmerged, atol=1e-5, rtol=1e-5)
    assert (plain - unmerged).abs().max() > 1e-2


def test_a_missing_adapter_is_named(model: Blip2ForConditionalGeneration, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no adapter; run the train stage"):
        lora.merged(model.language_model, tmp_path)

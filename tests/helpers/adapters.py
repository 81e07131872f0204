"""Adapters whose random weights count, and what two ways of computing make of them."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vqa.settings import Lora
from vqa.vlm import attached_adapter, lora
from vqa.vlm.interfaces import AnswerModel

QUESTIONS = ["What color is the lamp?", "How many?", "What is the rug made of, if one may ask?"]
ANSWERS = ["red", "2", "wood"]
_HALF_A_UNIT = 2**-8  # of a number in bf16, relative


def settings(**changes: Any) -> Lora:
    plain: dict[str, Any] = {
        "r": 4,
        "alpha": 8,
        "dropout": 0.0,
        "targets": ["attention", "mlp"],
        "bias": "none",
    }
    extra: dict[str, Any] = {"rslora": False, "dora": False, "train_projection": False, "qformer_targets": []}
    return Lora(**plain | extra | changes)


def shake(model: torch.nn.Module) -> None:
    """An adapter starts as zero; random weights make it count."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)


Gradients = dict[str, Tensor]


def gradients_of(model: torch.nn.Module, loss: Tensor) -> Gradients:
    """By name, of everything that trains; `model` is left without any."""
    model.zero_grad()
    loss.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == {name for name, p in model.named_parameters() if p.requires_grad}
    assert all(gradient.abs().max() > 0 for gradient in found.values())
    model.zero_grad()
    return found


Step = tuple[Tensor, Gradients]  # a loss and what it gives the adapter


def step_of(model: AnswerModel, batch: dict[str, Tensor], features: Any) -> Step:
    loss = model(**batch, features=features)["loss"]
    return loss, gradients_of(model, loss)


def assert_equal_steps(ours: Step, theirs: Step, close: float) -> None:
    """In fp32; gradients to `close` of the largest one."""
    torch.testing.assert_close(ours[0], theirs[0], atol=close, rtol=0)
    for name, gradient in theirs[1].items():
        scale = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(ours[1][name], gradient, atol=close * scale, rtol=0)


def assert_as_close_as_bf16_to_fp32(
    ours: Step, theirs: Step, model: AnswerModel, batch: dict[str, Tensor], features: Any
) -> None:
    """bf16 keeps 8 bits, and processors round its sums differently. So both are held against the same weights
    computed in fp32: they must be as close to each other as theirs is to that.
    """
    exactly = copy.deepcopy(model).float()
    exactly.frozen_dtype = torch.float32
    exact = step_of(exactly, batch, features)
    assert distance(ours[1], theirs[1]) <= distance(theirs[1], exact[1])
    difference, loss = abs(theirs[0].item() - exact[0].item()), theirs[0].item()
    assert abs(ours[0].item() - loss) <= max(difference, 2 * _HALF_A_UNIT * loss)


def merged_like_in_training(
    fresh: Callable[[], Any], logits: Callable[[Any], Tensor], folder: Path, changes: dict[str, Any]
) -> Any:
    """The merged model: an adapter with `changes`, saved into `folder`, says in it what it said in training,
    and so it does loaded again and beside the weights.
    """
    trained, plain = fresh(), logits(fresh())
    lora.add_adapter(trained, settings(**changes), "toy")
    shake(trained.eval())
    if changes.get("train_projection"):
        torch.nn.init.normal_(trained.projection.weight)
    lora.save_adapter(trained, folder)
    resumed, merged, attached = fresh(), fresh(), fresh()
    lora.add_adapter(resumed, settings(**changes), "toy")
    lora.load_adapter(resumed.eval(), folder)
    attached_adapter.merge(merged, folder)
    attached_adapter.merge(attached, folder, is_merged=False)
    for other in (resumed, merged, attached):
        torch.testing.assert_close(logits(other), logits(trained), atol=2e-4, rtol=1e-4)
    assert (logits(trained) - plain).abs().max() > 1e-2
    return merged


def distance(some: Gradients, others: Gradients) -> float:
    """Of all gradients together, relative to the length of `others`."""
    ours, theirs = (torch.cat([g[name].double().flatten() for name in others]) for g in (some, others))
    return float((ours - theirs).norm() / theirs.norm())

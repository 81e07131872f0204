"""Adapters whose random weights count, and the gradients that two ways of computing give them."""

from typing import Any

import torch
from torch import Tensor

from vqa.settings import Lora


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


def distance(some: Gradients, others: Gradients) -> float:
    """Of all gradients together, relative to the length of `others`."""
    ours, theirs = (torch.cat([g[name].double().flatten() for name in others]) for g in (some, others))
    return float((ours - theirs).norm() / theirs.norm())

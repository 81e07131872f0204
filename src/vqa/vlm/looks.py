"""What the frozen half made of pictures, one or several, whose rows need not be equally many."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Look:
    """One picture's features where pictures differ in size or in how their rows lie.

    `rows` `[rows, size]`; `grid`: what the model's prompt or positions must say of them, in its own numbers;
    empty where all pictures are alike.
    """

    rows: Tensor
    grid: tuple[int, ...] = ()


Features = Tensor | list[Look]  # of several pictures: `[B, rows, size]` where all are alike (BLIP-2)


def together(looks: Sequence[Tensor | Look]) -> Features:
    """Features of several pictures out of each one's."""
    tensors = [look for look in looks if isinstance(look, Tensor)]
    return torch.stack(tensors) if tensors else [look for look in looks if isinstance(look, Look)]


def chosen(features: Features, numbers: Sequence[int]) -> Features:
    """Those of the pictures with these numbers."""
    if isinstance(features, Tensor):
        return features[list(numbers)]
    return [features[number] for number in numbers]


def emptied(features: Features) -> Features:
    """As many rows with nothing in them. In new memory: a store's rows may be its file's own."""
    if isinstance(features, Tensor):
        return torch.zeros_like(features)
    return [Look(torch.zeros_like(look.rows), look.grid) for look in features]


def on_cpu(features: Features) -> Features:
    if isinstance(features, Tensor):
        return features.cpu()
    return [Look(look.rows.cpu(), look.grid) for look in features]

"""Rows of token ids padded to one length, and the positions for which logits are computed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


class AnswerTree:
    """Which token may follow a beginning, so that the whole is one of the answers."""

    def __init__(self, answers: Iterable[Sequence[int]]) -> None:
        """`answers`: token ids, each with its end token last."""
        self._root: dict[int, Any] = {}
        for answer in answers:
            branch = self._root
            for token in answer:
                branch = branch.setdefault(token, {})

    def after(self, beginning: Sequence[int], padding: int) -> list[int]:
        """Tokens that may come next, ascending; `padding` alone once the answer has ended."""
        branch = self._root
        for token in beginning:
            branch = branch.get(token, {})
        return sorted(branch) or [padding]

    def allowed(self, skipped: int, padding: int) -> Callable[[int, Tensor], list[int]]:
        """`after` as `generate` asks: of a row's number and its ids so far, the first `skipped` left out."""
        return lambda _, ids: self.after(ids[skipped:].tolist(), padding)


@dataclass(frozen=True)
class ImageFeatures:
    """One image's features where images differ in size or in how their rows lie.

    `rows` `[rows, size]`; `grid`: what the model's prompt or positions need to know of them, in the model's
    numbers; empty where all images are alike.
    """

    rows: Tensor
    grid: tuple[int, ...] = ()


Features = Tensor | list[ImageFeatures]  # of several images: `[B, rows, size]` where all are alike (BLIP-2)


def together(per_image: Sequence[Tensor | ImageFeatures]) -> Features:
    """Features of several images out of each one's."""
    tensors = [image_features for image_features in per_image if isinstance(image_features, Tensor)]
    return (
        torch.stack(tensors)
        if tensors
        else [image_features for image_features in per_image if isinstance(image_features, ImageFeatures)]
    )


def chosen(features: Features, numbers: Sequence[int]) -> Features:
    """Those of the images with these numbers."""
    if isinstance(features, Tensor):
        return features[list(numbers)]
    return [features[number] for number in numbers]


def zeros_like(features: Features) -> Features:
    """As many rows of zeros. In new memory: a store's rows may be mapped from its file."""
    if isinstance(features, Tensor):
        return torch.zeros_like(features)
    return [
        ImageFeatures(torch.zeros_like(image_features.rows), image_features.grid)
        for image_features in features
    ]


def on_cpu(features: Features) -> Features:
    if isinstance(features, Tensor):
        return features.cpu()
    return [ImageFeatures(image_features.rows.cpu(), image_features.grid) for image_features in features]


IGNORED = -100  # label of a position that the loss leaves out


def padded(rows: Sequence[Sequence[int]], value: int, side: str = "right") -> Tensor:
    """`[rows, longest]` int64."""
    width = max(len(row) for row in rows)
    if side == "left":
        return torch.tensor([[value] * (width - len(row)) + list(row) for row in rows])
    return torch.tensor([list(row) + [value] * (width - len(row)) for row in rows])


def prompt_rows(prompts: Sequence[Sequence[int]], padding: int, side: str = "right") -> dict[str, Tensor]:
    """`input_ids` and `attention_mask`, each `[B, T]` int64."""
    mask = [[1] * len(prompt) for prompt in prompts]
    return {"input_ids": padded(prompts, padding, side), "attention_mask": padded(mask, 0, side)}


def pair_rows(
    prompts: Sequence[list[int]], answers: Sequence[list[int]], padding: int, is_encoder_decoder: bool
) -> dict[str, Tensor]:
    """`input_ids`, `attention_mask`, `labels`, each `[B, T]` int64; an encoder-decoder's answers are labels
    alone."""
    if is_encoder_decoder:
        return prompt_rows(prompts, padding) | {"labels": padded(answers, IGNORED)}
    both = list(zip(prompts, answers, strict=True))
    labels = [[IGNORED] * len(prompt) + answer for prompt, answer in both]
    return prompt_rows([p + a for p, a in both], padding) | {"labels": padded(labels, IGNORED)}


def at_least(count: int, chosen: Tensor) -> Tensor:
    """`chosen` (bool, any shape); where it holds fewer than `count` places, the first others are added."""
    missing = count - int(chosen.sum())
    if missing <= 0:
        return chosen
    others = (~chosen).flatten()
    return chosen | (others & (others.cumsum(dim=0) <= missing)).view_as(chosen)


@contextmanager
def logits_at(head: nn.Module, positions: Tensor) -> Iterator[None]:
    """In the block `head` gets the states at `positions` (bool `[B, T]`) alone, as `[positions, width]`.

    Logits of a whole vocabulary at all the others would take most of the memory, and nothing reads them.
    """
    handle = head.register_forward_pre_hook(lambda _, states: states[0][positions])
    try:
        yield
    finally:
        handle.remove()


def make_states_contiguous(head: nn.Module) -> None:
    """From now on `head`, a model's output embeddings, gets its states `[..., width]` contiguous.

    `generate` hands it a slice, the last position of each row. Where the weight needs no gradient, as under
    every adapter, torch multiplies such a slice by the weight expanded to as many copies as there are rows;
    on a CPU in bf16 it writes them out. Contiguous states take one product, whatever the flags
    (benchmarks/frozen_head.py).
    """
    head.register_forward_pre_hook(_contiguous)


def _contiguous(_: nn.Module, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    # Through two axes: a slice of one row counts as contiguous, whatever its strides, and is expanded too.
    rows = states[0].reshape(-1, states[0].shape[-1]).contiguous()
    return rows.view(states[0].shape), *states[1:]

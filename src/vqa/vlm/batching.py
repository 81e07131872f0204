"""Rows of token ids padded to one length, and the positions for which logits are computed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

# Rows of the last product, at least: fewer take another kernel, which rounds otherwise than a whole batch's.
_FEW = 16
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


def read(wanted: Tensor) -> Tensor:
    """Positions for which logits are computed: the labelled ones, and a few more where they are too few."""
    return at_least(_FEW, wanted != IGNORED)


def next_tokens(labels: Tensor) -> Tensor:
    """The target of each position of a decoder: the next position's label."""
    return functional.pad(labels[:, 1:], (0, 1), value=IGNORED)


def read_targets(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of a decoder's `labels` `[B, T]`: each position's target, and which positions are read."""
    wanted = next_tokens(labels)
    return wanted, read(wanted)

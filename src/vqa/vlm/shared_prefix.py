"""Shared image prefix: the pairs of an image share everything up to the end of the image.

In a decoder-only language model the head of a chat template and the image tokens stand before the question
and do not depend on it. So the pairs of an image can stand behind one prefix: each pair attends to the prefix
and to itself, and counts its positions from the prefix on. Loss, gradients and answers are those of a row a
pair (tests/vlm/test_shared_prefix.py). Everything here is a function of ids, positions and segments, the same
for every family; `sharing_refusal` names the models that cannot share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import accumulate, chain, takewhile
from typing import Any

import torch
from torch import Tensor

from vqa.vlm.batching import IGNORED, padded

# Images share a row up to this many tokens: little is padded then, and attention, whose cost grows with the
# square, stays small beside the layers. On the embedded model 512 took a third longer, at 40 pairs a step.
_ROOM = 256
_NOBODY = -1  # padding's image, and the pair of padding and of a prefix
_MASKABLE = ("sdpa", "eager")  # ways of attention that take a mask of four axes


@dataclass(frozen=True)
class Prefix:
    """What the prompts about an image have in common, up to the image's last token.

    `positions`: of each of `ids` along each axis, `[axes, len(ids)]`: one axis, three in Qwen2.5-VL.
    """

    ids: list[int]
    positions: list[list[int]]

    @classmethod
    def counted(cls, ids: list[int]) -> "Prefix":
        """Whose positions count its tokens."""
        return cls(ids, [list(range(len(ids)))])

    @property
    def next_position(self) -> int:
        """Where the text behind it goes on, along every axis."""
        return 1 + max(map(max, self.positions))

    def text_behind(self, prompt: list[int]) -> list[int]:
        """What `prompt`, which begins with this prefix, says after it."""
        if prompt[: len(self.ids)] != self.ids:
            raise ValueError("a prompt does not begin with its image's prefix")
        return prompt[len(self.ids) :]


def sharing_refusal(language_model: Any) -> str:
    """Why pairs cannot share a prefix in a language model, with its name; "" where they can."""
    config = language_model.config
    kinds = set(getattr(config, "layer_types", None) or ())
    has_window = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    has_state = getattr(language_model, "_is_stateful", False)
    reason = ""
    if config.is_encoder_decoder:
        reason = "encoder lets image tokens see the question"
    elif has_state or kinds - {"full_attention", "sliding_attention", "chunked_attention"}:
        reason = "layers carry a state from token to token, which no mask keeps apart"
    elif kinds - {"full_attention"} or (has_window and not kinds):
        reason = "layers see a window of tokens, which a shared row would count wrongly"
    elif "position_ids" not in signature(language_model.forward).parameters:
        reason = "positions are its own count, which cannot start again behind an image"
    elif (attention := config._attn_implementation) not in _MASKABLE:
        reason = f"attention ({attention}) takes no mask of four axes"
    return f"{config.model_type}'s {reason}" if reason else ""


def shared_rows(
    prefixes: Sequence[Prefix],
    texts: Sequence[list[int]],
    answers: Sequence[list[int]],
    images: Sequence[int],
    padding: int,
) -> dict[str, Tensor]:
    """`input_ids`, `labels` `[R, T]` int64; `position_ids` `[R, T]`, or `[axes, R, T]` where there are
    several; `attention_mask` `[R, 1, T, T]`, True: is seen.

    Pair i is `texts[i]`, what its prompt says behind the prefix, and `answers[i]`, about image `images[i]`.
    Images stand in their order, each once.
    """
    members: list[list[int]] = [[] for _ in prefixes]
    for pair, image in enumerate(images):
        members[image].append(pair)
    blocks = [
        _block(image, prefix, [(pair, texts[pair], answers[pair]) for pair in members[image]])
        for image, prefix in enumerate(prefixes)
    ]
    rows = _rows([len(block[0]) for block in blocks])
    nothing = [padding, IGNORED, _NOBODY, _NOBODY] + [0] * len(prefixes[0].positions)
    ids, labels, of_image, of_pair, *positions = (
        padded([list(chain.from_iterable(blocks[i][column] for i in row)) for row in rows], value)
        for column, value in enumerate(nothing)
    )
    return {
        "input_ids": ids,
        "labels": labels,
        "position_ids": torch.stack(positions) if len(positions) > 1 else positions[0],
        "attention_mask": _seen(of_image, of_pair),
    }


def _block(image: int, prefix: Prefix, pairs: Sequence[tuple[int, list[int], list[int]]]) -> list[list[int]]:
    """An image's tokens, and behind them those of each of its `pairs` (number, text, answer), in columns:
    ids, labels, images, pairs and positions along each axis.
    """
    ids, labels = list(prefix.ids), [IGNORED] * len(prefix.ids)
    of_pair = [_NOBODY] * len(prefix.ids)
    positions = [list(axis) for axis in prefix.positions]
    begin = prefix.next_position
    for pair, text, answer in pairs:
        length = len(text) + len(answer)
        ids += text + answer
        labels += [IGNORED] * len(text) + answer
        of_pair += [pair] * length
        for axis in positions:
            axis.extend(range(begin, begin + length))
    return [ids, labels, [image] * len(ids), of_pair, *positions]


def _rows(lengths: Sequence[int]) -> list[list[int]]:
    """Numbers of the images in each row, in their order and so that the least is padded."""
    most = max(_ROOM, *lengths)
    rooms = {max(lengths)}
    for start in range(len(lengths)):
        sums = takewhile(lambda length: length <= most, accumulate(lengths[start:]))
        rooms |= {length for length in sums if length > max(lengths)}
    filled = [_filled(lengths, room) for room in sorted(rooms)]
    return min(filled, key=lambda rows: len(rows) * max(sum(lengths[i] for i in row) for row in rows))


def _filled(lengths: Sequence[int], room: int) -> list[list[int]]:
    rows: list[list[int]] = [[]]
    left = room
    for number, length in enumerate(lengths):
        if length > left:
            rows.append([])
            left = room
        rows[-1].append(number)
        left -= length
    return rows


def _seen(images: Tensor, pairs: Tensor) -> Tensor:
    """Which position (third axis) attends to which (fourth): to its image's prefix and to its own pair, and
    to nothing that comes later."""
    is_same_image = images[:, :, None] == images[:, None, :]
    is_same_pair = pairs[:, :, None] == pairs[:, None, :]
    is_prefix = pairs[:, None, :] == _NOBODY
    return (is_same_image & (is_prefix | is_same_pair)).tril()[:, None]


def attention_inputs(mask: Tensor, positions: Tensor | None, dtype: torch.dtype) -> dict[str, Tensor]:
    """`attention_mask` and, where they restart, `position_ids` as a language model computing in `dtype`
    takes them.

    Raises:
        ValueError: positions without a mask of four axes. Where they restart, transformers takes what follows
            for another sequence packed into the row, and a question no longer attends to its image.
    """
    if positions is None:
        return {"attention_mask": mask}
    if mask.ndim != 4:
        raise ValueError("positions that restart need a mask of four axes, else a question loses its image")
    # 0 where a position is seen and the lowest number elsewhere; transformers passes it on as it is.
    scores = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    scores.masked_fill_(~mask, torch.finfo(dtype).min)
    return {"attention_mask": scores, "position_ids": positions}


def prefix_rows(prefixes: Sequence[Prefix], padding: int) -> dict[str, Tensor]:
    """`input_ids` and `attention_mask`, each `[P, T]` int64, left-padded, and `position_ids` as
    `shared_rows` has them.
    """
    ids = padded([prefix.ids for prefix in prefixes], padding, "left")
    mask = padded([[1] * len(prefix.ids) for prefix in prefixes], 0, "left")
    axes = [
        padded(list(of_axis), 0, "left") for of_axis in zip(*(p.positions for p in prefixes), strict=True)
    ]
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": torch.stack(axes) if len(axes) > 1 else axes[0],
    }


def branches(
    cache: Any,
    prefixes: Sequence[Prefix],
    prefix_mask: Tensor,
    text_mask: Tensor,
    images: Tensor,
    num_beams: int,
) -> dict[str, Any]:
    """What `generate` takes beside ids or embeddings so that each prefix is read once and the questions about
    its image go on from there.

    `cache`: keys and values of the prefixes, one a row, left-padded as `prefix_mask` `[P, L]` says; texts are
    left-padded as `text_mask` `[B, T]` says, and text i is about image `images[i]` (`[B]`).
    """
    cache.batch_select_indices(images.repeat_interleave(num_beams))
    begin = torch.tensor([prefix.next_position for prefix in prefixes], device=images.device)[images]
    positions = (text_mask.cumsum(dim=1) - 1).clamp(min=0) + begin[:, None]
    axes = len(prefixes[0].positions)
    return {
        "attention_mask": torch.cat([prefix_mask[images], text_mask], dim=1),
        "position_ids": positions.expand(axes, -1, -1) if axes > 1 else positions,
        "past_key_values": cache,
    }

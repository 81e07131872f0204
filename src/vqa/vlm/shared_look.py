"""One look, many questions: the pairs of a picture share its image tokens.

In a decoder-only language model image tokens come first and never see the question. So the pairs of a
picture can stand behind one look: each sees the image tokens and itself, and counts its positions from the
picture on. Loss, gradients and answers are those of a row a pair (tests/vlm/test_shared_look.py). In T5 they
would not be: its encoder lets image tokens see the question.
"""

from collections.abc import Sequence
from itertools import accumulate, takewhile
from typing import Any

import torch
from torch import Tensor

from vqa.vlm.token_rows import IGNORED

# Pictures share a row up to so many tokens: little is padded then, and attention, whose cost grows with the
# square, stays small beside the layers. On the embedded model 512 took a third longer, at 40 pairs a step.
_ROOM = 256
_NOBODY = -1  # padding's picture, and the pair of padding and image tokens

Token = tuple[int, int, int, int, int]  # id, label, position, picture, pair


def shared_rows(
    prompts: Sequence[list[int]],
    answers: Sequence[list[int]],
    pictures: Sequence[int],
    image_tokens: int,
    padding: int,
) -> dict[str, Tensor]:
    """`input_ids`, `labels`, `position_ids` `[R, T]` int64; `attention_mask` `[R, 1, T, T]`, True: is seen.

    `prompts` begin with `image_tokens` ids of the picture; pair i is about picture `pictures[i]`. Pictures
    stand in the order of their numbers, each once.
    """
    looks = [
        _look(picture, [i for i, of in enumerate(pictures) if of == picture], prompts, answers, image_tokens)
        for picture in sorted(set(pictures))
    ]
    rows = [[token for i in row for token in looks[i]] for row in _rows([len(look) for look in looks])]
    width = max(len(row) for row in rows)
    nothing = (padding, IGNORED, 0, _NOBODY, _NOBODY)
    columns = torch.tensor([row + [nothing] * (width - len(row)) for row in rows]).unbind(dim=2)
    ids, labels, positions, of_picture, of_pair = columns
    return {
        "input_ids": ids,
        "labels": labels,
        "position_ids": positions,
        "attention_mask": _seen(of_picture, of_pair),
    }


def _look(
    picture: int,
    members: Sequence[int],
    prompts: Sequence[list[int]],
    answers: Sequence[list[int]],
    image_tokens: int,
) -> list[Token]:
    """A picture and behind it the text of each of its pairs."""
    image = prompts[members[0]][:image_tokens]
    tokens = [(token, IGNORED, at, picture, _NOBODY) for at, token in enumerate(image)]
    for pair in members:
        text = prompts[pair][image_tokens:]
        labels = [IGNORED] * len(text) + answers[pair]
        for at, (token, label) in enumerate(zip(text + answers[pair], labels, strict=True), image_tokens):
            tokens.append((token, label, at, picture, pair))
    return tokens


def _rows(lengths: Sequence[int]) -> list[list[int]]:
    """Numbers of the looks in each row, in their order and so that the least is padded."""
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


def _seen(pictures: Tensor, pairs: Tensor) -> Tensor:
    """Which position (third axis) sees which (fourth): of its picture the image tokens, of its pair itself,
    and nothing that comes later."""
    is_same_picture = pictures[:, :, None] == pictures[:, None, :]
    is_same_pair = pairs[:, :, None] == pairs[:, None, :]
    is_image = pairs[:, None, :] == _NOBODY
    return (is_same_picture & (is_image | is_same_pair)).tril()[:, None]


def added_to_scores(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a position is seen and the lowest number elsewhere: what every attention of transformers takes.

    transformers 5 passes a mask of four axes on as it is.
    """
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)


def branches(
    language_model: Any, images: Tensor, texts: Tensor, text_mask: Tensor, pictures: Tensor, num_beams: int
) -> dict[str, Any]:
    """What `generate` takes so that each picture is read once and its questions go on from there.

    `images` `[P, image tokens, D]` and `texts` `[B, T, D]` are embeddings, texts left-padded as `text_mask`
    `[B, T]` says; text i is about image `pictures[i]` (`[B]`).
    """
    seen = language_model(inputs_embeds=images, use_cache=True, logits_to_keep=1).past_key_values
    seen.batch_select_indices(pictures.repeat_interleave(num_beams))
    of_text = images[pictures]  # `generate` skips what is in the cache, but counts it
    return {
        "inputs_embeds": torch.cat([of_text, texts], dim=1),
        "attention_mask": torch.cat([text_mask.new_ones(of_text.shape[:2]), text_mask], dim=1),
        "past_key_values": seen,
    }

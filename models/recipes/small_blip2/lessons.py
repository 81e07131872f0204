"""Losses on photographs and drawings: first probes, which are thrown away, then language."""

import random
from dataclasses import astuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from small_blip2 import captions, photographs
from small_blip2.loop import LossOf, chosen
from small_blip2.photographs import Photograph
from small_blip2.small_model import HIDDEN_SIZE
from vqa.core.seeding import seeded_generator
from vqa.synthetic.drawing import ATTRIBUTES, Item
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder

PHOTOGRAPHS, DRAWINGS = 28, 8  # of each a step
_GRID = 4  # colours of 4×4 places are learnt too


class Sight(nn.Module):
    """Linear probes on the mean query output, thrown away in the end."""

    def __init__(self, words: list[str]) -> None:
        super().__init__()
        values = {name: len(table) for name, table in ATTRIBUTES.items()}
        self.attributes = nn.ModuleDict({name: nn.Linear(HIDDEN_SIZE, n) for name, n in values.items()})
        self.words = nn.Linear(HIDDEN_SIZE, len(words))
        self.grid = nn.Linear(HIDDEN_SIZE, 3 * _GRID * _GRID)


class Images:
    """The images of a step: photographs first, then drawings."""

    def __init__(
        self,
        shot: list[Photograph],
        shot_pixels: Tensor,
        items: list[Item],
        drawn_pixels: Tensor,
        side: int,
    ) -> None:
        """Pixels are `[images, 3, H, W]` fp16; the model sees `side` of them."""
        self._shot, self._shot_pixels = shot, shot_pixels
        self._items, self._drawn_pixels = items, drawn_pixels
        self._side = side

    def at(self, step: int) -> tuple[list[Photograph], list[Item], Tensor]:
        """Photographs, drawn items and the pixels `[PHOTOGRAPHS + DRAWINGS, 3, H, W]` of both."""
        shot = chosen(len(self._shot), PHOTOGRAPHS, step)
        drawn = chosen(len(self._items), DRAWINGS, step)
        flipped = self._drawn_pixels[drawn].float()
        pixels = [
            photographs.seen(self._shot_pixels[shot], self._side, step),
            flipped.flip(3) if step % 2 else flipped,
        ]
        return [self._shot[i] for i in shot], [self._items[i] for i in drawn], torch.cat(pixels)


def sight_loss(sight: Sight, words: list[str], images: Images, encoder: Blip2ImageEncoder) -> LossOf:
    """Words of the listing, coarse colours of the pixels, attributes of the drawings, summed."""
    classes = [list(table) for table in ATTRIBUTES.values()]

    def loss(step: int) -> Tensor:
        shot, items, pixels = images.at(step)
        output = encoder.features(pixels).mean(dim=1)  # [B, D]
        word_labels = torch.tensor(
            [[float(word in photograph.words) for word in words] for photograph in shot]
        )
        named = functional.binary_cross_entropy_with_logits(
            sight.words(output[: len(shot)]), word_labels.to(output.device), reduction="none"
        )
        colors = functional.adaptive_avg_pool2d(pixels, _GRID).flatten(1).to(output.device)
        total = named.sum(dim=1).mean() * 0.3 + functional.mse_loss(sight.grid(output), colors)
        labels = torch.tensor([[c.index(w) for c, w in zip(classes, astuple(i), strict=True)] for i in items])
        for column, probe in enumerate(sight.attributes.values()):
            logits = probe(output[len(shot) :])
            total = total + 0.3 * functional.cross_entropy(logits, labels[:, column].to(output.device))
        return total

    return loss


def language_loss(
    reader: Blip2AnswerModel, images: Images, encoder: Blip2ImageEncoder, seed: int, first: int
) -> LossOf:
    """The language model's loss on captions and answers; `first`: the step that its images begin with."""

    def loss(step: int) -> Tensor:
        rng = seeded_generator(seed, step)
        shot, items, pixels = images.at(first + step)
        pairs = [pair for photograph in shot for pair in texts_of(photograph, rng)]
        pairs += [pair for item in items for pair in captions.texts_of(item, rng)]
        prompts, continuations = zip(*pairs, strict=True)
        repeated = encoder.features(pixels).repeat_interleave(captions.TEXTS, dim=0)
        batch = reader.training_batch(prompts, continuations)
        return reader(**batch, features=repeated)["loss"]

    return loss


def texts_of(photograph: Photograph, rng: random.Random) -> list[tuple[str, str]]:
    shown = [("", photographs.caption(photograph.product, rng)) for _ in range(captions.CAPTIONS)]
    return shown + [
        photographs.question_and_answer(photograph.product, rng) for _ in range(captions.QUESTIONS)
    ]

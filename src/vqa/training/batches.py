"""Pairs and cached features → the batches of each epoch, in an order that is the seed's."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from vqa.core.seeding import seeded_rank
from vqa.pairs.pair import Pair
from vqa.vlm.generation import Features, distinct
from vqa.vlm.image_features import ImageFeatures, together
from vqa.vlm.interfaces import AnswerModel


class CachedPairs(Dataset[tuple[int, Pair, Tensor | ImageFeatures]]):
    """Its number, pair i and its image's features."""

    def __init__(self, pairs: Sequence[Pair], features: Features) -> None:
        self.pairs, self._features = pairs, features

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[int, Pair, Tensor | ImageFeatures]:
        pair = self.pairs[index]
        return index, pair, self._features.rows([pair.image_name])[0]


def collate(
    model: AnswerModel, is_shared: bool = False
) -> Callable[[Sequence[tuple[int, Pair, Tensor | ImageFeatures]]], dict[str, Any]]:
    """Rows → what `AnswerModel.forward` takes, and the pairs' `numbers`, which stay off the device.

    `is_shared`: the pairs of an image behind one prefix, where the model can.
    """

    def batch(rows: Sequence[tuple[int, Pair, Tensor | ImageFeatures]]) -> dict[str, Any]:
        numbers, pairs, features = zip(*rows, strict=True)
        questions, answers = [pair.question for pair in pairs], [pair.answer for pair in pairs]
        if is_shared and model.shares_prefix:
            names, images = distinct([pair.image_name for pair in pairs])
            image_features = together([features[images.index(image)] for image in range(len(names))])
            texts = model.shared_batch(questions, answers, images, image_features)
        else:
            image_features = together(features)
            texts = model.training_batch(questions, answers, image_features)
        return texts | {"features": image_features, "numbers": list(numbers)}

    return batch


class Shuffled(Sampler[int]):
    """An order of each epoch that is the seed's and its own."""

    def __init__(
        self, count: int, order: Callable[[torch.Generator], list[int]], seed: int, epoch: Callable[[], int]
    ) -> None:
        """`order` draws one of the `count` pairs: `any_order` or `group_by_image`."""
        self._count, self._order, self._seed, self._epoch = count, order, seed, epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        # The epoch is asked for, not counted: a run that continues starts in the middle of one.
        return iter(self._order(torch.Generator().manual_seed(1_000_003 * self._seed + self._epoch())))


def any_order(count: int, generator: torch.Generator) -> list[int]:
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order


def group_by_image(
    image_names: Sequence[str], together: int, batch_size: int, generator: torch.Generator
) -> list[int]:
    """`together` pairs of an image in a batch, or what is left of its pairs.

    A group is divided only where nothing smaller would fill a batch.
    """
    of_image: dict[str, list[int]] = {}
    for i in any_order(len(image_names), generator):
        of_image.setdefault(image_names[i], []).append(i)
    size = min(together, batch_size)
    groups = [of[start : start + size] for of in of_image.values() for start in range(0, len(of), size)]
    waiting: dict[int, deque[tuple[int, list[int]]]] = {}  # by size, each in its drawn order
    for turn, drawn in enumerate(any_order(len(groups), generator)):
        waiting.setdefault(len(groups[drawn]), deque()).append((turn, groups[drawn]))
    order: list[int] = []
    while any(waiting.values()):
        room = batch_size - len(order) % batch_size
        fitting = [queue for count, queue in waiting.items() if queue and count <= room]
        turn, group = min(fitting or filter(None, waiting.values()), key=itemgetter(0)).popleft()
        order += group[:room]
        if group[room:]:
            waiting.setdefault(len(group) - room, deque()).appendleft((turn, group[room:]))
    return order


def pairs_of_images(pairs: Sequence[Pair], count: int | None, seed: int) -> list[Pair]:
    """The pairs of `count` images (None: of all), in their order; a larger count keeps the smaller's."""
    drawn = {pair.image_name: seeded_rank(seed, pair.image_name) for pair in pairs}
    chosen = set(sorted(drawn, key=drawn.__getitem__)[:count])
    return [pair for pair in pairs if pair.image_name in chosen]

"""Pairs and cached features → the batches of each epoch, in an order that is the seed's."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

from vqa.foundation.seeded import rank_of
from vqa.pairs.pair import Pair
from vqa.vlm.blip2 import AnswerModel
from vqa.vlm.generation import Features


class CachedPairs(Dataset[tuple[int, Pair, Tensor]]):
    """Its number, pair i and its picture's features `[rows, size]`."""

    def __init__(self, pairs: Sequence[Pair], features: Features) -> None:
        self.pairs, self._features = pairs, features

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[int, Pair, Tensor]:
        pair = self.pairs[index]
        return index, pair, self._features.rows([pair.image_name])[0]


def collate(model: AnswerModel) -> Callable[[Sequence[tuple[int, Pair, Tensor]]], dict[str, Tensor]]:
    """Rows → what `AnswerModel.forward` takes, and the pairs' `numbers` `[B]`."""

    def batch(rows: Sequence[tuple[int, Pair, Tensor]]) -> dict[str, Tensor]:
        numbers, pairs, features = zip(*rows, strict=True)
        texts = model.training_batch([pair.question for pair in pairs], [pair.answer for pair in pairs])
        return texts | {"features": torch.stack(features), "numbers": torch.tensor(numbers)}

    return batch


class Shuffled(Sampler[int]):
    """An order of each epoch that is the seed's and its own, on request with like lengths in a batch.

    Pairs of like length often ask the same: with batches of 4 on the embedded default, grouping them cost
    7 points of exact match.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, is_grouped: bool, seed: int, epoch: Callable[[], int]
    ) -> None:
        self._lengths, self._batch_size, self._is_grouped = list(lengths), batch_size, is_grouped
        self._seed, self._epoch = seed, epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        # The epoch is asked for, not counted: a run that continues starts in the middle of one.
        generator = torch.Generator().manual_seed(1_000_003 * self._seed + self._epoch())
        if not self._is_grouped:
            return iter(torch.randperm(len(self), generator=generator).tolist())
        return iter(get_length_grouped_indices(self._lengths, self._batch_size, generator=generator))


def pairs_of_images(pairs: Sequence[Pair], count: int | None, seed: int) -> list[Pair]:
    """The pairs of `count` pictures (None: of all), in their order; a larger count keeps the smaller's."""
    drawn = {pair.image_name: rank_of(seed, pair.image_name) for pair in pairs}
    chosen = set(sorted(drawn, key=drawn.__getitem__)[:count])
    return [pair for pair in pairs if pair.image_name in chosen]

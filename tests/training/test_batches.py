"""Pairs and cached features → batches, and the order of an epoch."""

from collections.abc import Sequence
from functools import partial

import pytest
import torch
from torch import Tensor
from transformers import Blip2Processor

from toy import PROMPT, toy_model
from vqa.pairs.pair import Pair
from vqa.training.batches import CachedPairs, Shuffled, any_order, collate, group_by_image, pairs_of_images
from vqa.vlm.blip2 import Blip2AnswerModel

PAIRS = [Pair("b.jpg", "What color?", "red"), Pair("a.jpg", "How many?", "2"), Pair("b.jpg", "What?", "lamp")]


class ConstantFeatures:
    """Features of an image are its own number everywhere."""

    def rows(self, image_names: Sequence[str]) -> Tensor:
        """`[B, 4, 32]`."""
        return torch.stack([torch.full((4, 32), float(ord(name[0]))) for name in image_names])


@pytest.fixture
def answers(processor: Blip2Processor) -> Blip2AnswerModel:
    return Blip2AnswerModel(toy_model("opt", processor), processor, PROMPT, torch.device("cpu"))


def test_a_row_is_its_number_its_pair_and_its_image_s_features() -> None:
    rows = CachedPairs(PAIRS, ConstantFeatures())
    assert len(rows) == 3
    number, pair, features = rows[1]
    assert (number, pair) == (1, PAIRS[1])
    assert isinstance(features, Tensor)
    assert torch.equal(features, torch.full((4, 32), 97.0))  # "a"


def test_a_batch_has_features_a_pair_or_once_an_image_where_prefixes_are_shared(
    answers: Blip2AnswerModel,
) -> None:
    cached = CachedPairs(PAIRS, ConstantFeatures())
    rows = [cached[number] for number in (2, 1, 0)]
    plain, shared = collate(answers)(rows), collate(answers, is_shared=True)(rows)
    assert plain["numbers"] == shared["numbers"] == [2, 1, 0]
    assert plain["features"][:, 0, 0].tolist() == [98.0, 97.0, 98.0]
    assert shared["features"][:, 0, 0].tolist() == [98.0, 97.0]
    assert len(plain["input_ids"]) == 3


def test_images_are_drawn_by_the_seed_and_their_pairs_keep_their_order() -> None:
    pairs = [Pair(f"{number % 10}.jpg", f"What is {number}?", "red") for number in range(30)]
    five, eight = (pairs_of_images(pairs, count, seed=0) for count in (5, 8))
    assert [len({pair.image_name for pair in of}) for of in (five, eight)] == [5, 8]
    assert len(five) == 15  # three pairs each
    assert five == [pair for pair in eight if pair in five]
    assert pairs_of_images(pairs, None, seed=0) == pairs
    assert pairs_of_images(pairs, 5, seed=1) != five


def test_an_order_is_the_epoch_s_and_the_seed_s() -> None:
    def order(epoch: int, seed: int = 0) -> list[int]:
        return list(Shuffled(400, partial(any_order, 400), seed, lambda: epoch))

    assert sorted(order(0)) == list(range(400))
    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0) != order(0, seed=1)


@pytest.mark.parametrize(
    ("batch_size", "together", "images"), [(4, 4, {1}), (4, 2, {2}), (8, 4, {2}), (8, 1, {6, 7, 8})]
)
def test_batches_hold_so_many_pairs_of_an_image(batch_size: int, together: int, images: set[int]) -> None:
    names = [f"{i % 50}.jpg" for i in range(200)]  # four pairs each
    order = group_by_image(names, together, batch_size, torch.Generator().manual_seed(0))
    assert sorted(order) == list(range(200))
    batches = [[names[i] for i in order[k : k + batch_size]] for k in range(0, 200, batch_size)]
    assert {len(set(batch)) for batch in batches} <= images
    again = group_by_image(names, together, batch_size, torch.Generator().manual_seed(1))
    assert sorted(again) == sorted(order) != order
    assert again != order


def test_what_is_left_of_an_image_s_pairs_fills_batches_of_its_own() -> None:
    names = [f"{i % 40}.jpg" for i in range(200)]  # five pairs each
    order = group_by_image(names, 4, 4, torch.Generator().manual_seed(0))
    batches = [{names[i] for i in order[k : k + 4]} for k in range(0, 200, 4)]
    assert [len(batch) for batch in batches].count(1) >= 39
    assert sorted(order) == list(range(200))

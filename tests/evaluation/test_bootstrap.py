"""Intervals against what can be counted, and against scipy's where its plain bootstrap is ours."""

import tracemalloc
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from scipy.stats import bootstrap

from vqa.evaluation.bootstrap import Columns, Floats
from vqa.pairs.pair import Pair


def pairs(*image_names: str) -> list[Pair]:
    return [Pair(name, "Q?", "a") for name in image_names]


def bounds(names: Iterable[str], values: Sequence[float] | Floats, draws: int = 4000) -> list[float]:
    columns = Columns(pairs(*names))
    columns.add(np.array(values, dtype=float))
    (found,) = columns.bounds(draws, seed=0)
    return found


def test_two_pictures_can_be_counted() -> None:
    """Of four equally likely draws one is twice the wrong picture and one twice the right: 25 % each."""
    assert bounds("ab", [0, 1]) == [0.0, 1.0]


def test_ten_pictures_can_be_counted() -> None:
    """The wrong one is drawn never in 0.9 ** 10 = 35 %, three times or more in 7 %, four or more in 1.3 %."""
    assert bounds("abcdefghij", [0] + [1] * 9) == [0.7, 1.0]


def test_questions_about_one_picture_share_its_luck() -> None:
    """Sixty questions about two pictures tell no more than two about two; about sixty they would."""
    assert bounds("a" * 30 + "b" * 30, [0] * 30 + [1] * 30) == [0.0, 1.0]
    low, high = bounds(map(str, range(60)), [0] * 30 + [1] * 30)
    assert 0.35 < low < 0.5 < high < 0.65


def test_a_picture_with_more_questions_weighs_more() -> None:
    """Means of drawn pairs, not of pictures: one of each is (3·0 + 1·1) / 4."""
    weights = np.random.default_rng(0).multinomial(2, [0.5, 0.5], size=400)
    means = (weights @ [0, 1]) / (weights @ [3, 1])
    assert set(means) == {0.0, 0.25, 1.0}
    assert bounds("aaab", [0, 0, 0, 1], draws=400) == np.percentile(means, [2.5, 97.5]).tolist()


def test_where_each_picture_has_one_question_it_is_scipy_s_bootstrap() -> None:
    values = np.random.default_rng(3).normal(0.2, 1, size=200)
    ours = bounds(map(str, range(200)), values, draws=10_000)
    theirs = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=5).confidence_interval
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.01)  # an interval of 0.27, by other draws


def test_columns_see_the_same_draws_and_the_seed_decides_them() -> None:
    values = np.random.default_rng(1).random(50)
    columns = Columns(pairs(*map(str, range(50))))
    columns.add(values)
    columns.add(values + 1)
    (low, high), shifted = columns.bounds(700, 0)
    assert shifted == pytest.approx([low + 1, high + 1], abs=1e-4)
    assert columns.bounds(700, 0) == columns.bounds(700, 0) != columns.bounds(700, 1)


def test_draws_that_leave_a_type_out_say_nothing_of_it() -> None:
    columns = Columns(pairs("a", "b", "c"))
    columns.add(np.array([0.5, 9, 9]), np.array([True, False, False]))  # picture a is in 70 % of the draws
    assert columns.bounds(400, 0) == [[0.5, 0.5]]


def columns_of(images: int) -> Columns:
    return Columns([Pair(f"{i // 2}.jpg", "", "") for i in range(2 * images)])


def test_columns_bounded_together_have_the_intervals_that_each_has_alone() -> None:
    values = np.random.default_rng(1).random((5, 200))
    together = columns_of(100)
    for column in values:
        together.add(column)
    alone = []
    for column in values:
        columns = columns_of(100)
        columns.add(column)
        alone += columns.bounds(1000, seed=3)
    assert together.bounds(1000, seed=3) == alone


def test_memory_grows_neither_with_the_draws_nor_with_draws_times_pictures() -> None:
    peaks = []
    for images, draws in ((8_000, 500), (64_000, 60), (64_000, 120)):
        columns = columns_of(images)
        columns.add(np.random.default_rng(0).random(2 * images))
        tracemalloc.start()
        columns.bounds(draws, seed=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 1.2 * min(peaks)

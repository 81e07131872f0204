import tracemalloc

import numpy as np

from vqa.evaluation.bootstrap import Columns
from vqa.pairs.pair import Pair


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

"""Exact intervals and tests against scipy, against counting, and against drawn answers."""

from functools import cache
from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest

from vqa.stats.bootstrap import difference_interval, difference_p, holm, share_interval


@pytest.mark.parametrize(("right", "count"), [(0, 1), (0, 7), (3, 7), (7, 7), (1, 29), (50, 100)])
def test_a_share_s_interval_is_scipy_s(right: int, count: int) -> None:
    oracle = binomtest(right, count).proportion_ci(method="exact")
    assert share_interval(right, count) == pytest.approx((oracle.low, oracle.high))


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (0, 4), (4, 0), (3, 4), (1, 9), (5, 5), (0, 6)])
def test_a_difference_is_tested_by_mcnemar(gained: int, lost: int) -> None:
    oracle = binomtest(gained, gained + lost).pvalue if gained + lost else 1
    assert difference_p(gained, lost) == pytest.approx(oracle)


def test_an_interval_holds_zero_exactly_where_mcnemar_finds_no_difference() -> None:
    for gained, lost in [*product(range(3), range(7)), (8, 2), (9, 2), (10, 2), (11, 3)]:
        low, high = difference_interval(gained, lost, 20)
        assert low <= (gained - lost) / 20 <= high
        assert (low > 0 or high < 0) == (difference_p(gained, lost) < 0.05), (gained, lost)


def test_a_difference_s_interval_turns_with_the_sides() -> None:
    low, high = difference_interval(2, 12, 50)
    assert difference_interval(12, 2, 50) == (-high, -low)
    assert difference_interval(0, 0, 7) == pytest.approx(
        (-(1 - 0.025 ** (1 / 7)), 1 - 0.025 ** (1 / 7)), abs=1e-4
    )


@cache
def of_seven(gained: int, lost: int) -> tuple[float, float]:
    return difference_interval(gained, lost, 7)


@pytest.mark.parametrize(("gain", "loss"), [(0.3, 0.1), (0.05, 0.05), (0.6, 0.4), (0.02, 0.0)])
def test_an_interval_of_seven_questions_holds_the_truth_in_95_of_100_at_least(
    gain: float, loss: float
) -> None:
    """Over all that can come: gained, lost and neither, each with its probability."""
    held = 0.0
    for gained in range(8):
        for lost in range(8 - gained):
            neither = 7 - gained - lost
            ways = comb(7, gained) * comb(7 - gained, lost)
            low, high = of_seven(gained, lost)
            if low <= gain - loss <= high:
                held += ways * gain**gained * loss**lost * (1 - gain - loss) ** neither
    assert held >= 0.95


def test_holm_s_correction_can_be_counted() -> None:
    """Smallest times four; 0.03 times three; 0.04 times two is less, and so is the last: they keep 0.09."""
    assert holm([0.01, 0.04, 0.03, 0.05]) == pytest.approx([0.04, 0.09, 0.09, 0.09])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_is_wrong_once_in_twenty_tables_where_nothing_differs() -> None:
    tables = np.random.default_rng(0).random((4000, 20))
    wrong = np.mean([min(holm(list(table))) < 0.05 for table in tables])
    assert wrong == pytest.approx(0.05, abs=0.012)
    assert np.mean((tables < 0.05).any(axis=1)) > 0.6  # uncorrected

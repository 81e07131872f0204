"""Intervals over seeds and groups, seed noise, agreement: against counting, scipy and simulation."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.stats import bootstrap, studentized_range, tukey_hsd

from studies import bits
from vqa.stats.bootstrap import Floats
from vqa.stats.seeds import (
    Agreement,
    Bits,
    agreement,
    honest_differences,
    interval,
    known_interval,
    pooled_deviation,
    spread_alike,
)


def test_seeds_are_redrawn_where_groups_cannot_matter() -> None:
    assert interval(bits("1111", "0000", "0000"), [2, 2]) == (0.0, 1.0)
    assert interval(bits("1111"), [2, 2]) == (1.0, 1.0)


def test_groups_are_redrawn_where_seeds_cannot_matter() -> None:
    assert interval(bits("1100", "1100"), [2, 2]) == (0.0, 1.0)
    assert interval(bits("1010", "1010"), [2, 2]) == (0.5, 0.5)  # no draw of whole groups changes the mean


def test_with_one_seed_the_interval_is_scipy_s_over_groups() -> None:
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 9, 80)
    right = rng.random(sizes.sum()) < np.repeat(rng.random(80), sizes)
    sums = np.add.reduceat(right.astype(float), np.cumsum([0, *sizes[:-1]]))
    theirs = bootstrap(
        (sums, sizes),
        lambda sums, sizes, axis: sums.sum(axis=axis) / sizes.sum(axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=10_000,
        rng=np.random.default_rng(4),
    ).confidence_interval
    assert interval(right[None, :], sizes.tolist()) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_a_lead_sees_the_same_groups_on_both_sides() -> None:
    assert interval(bits("1100"), [2, 2], bits("0100")) == (0.0, 0.5)
    assert interval(bits("1100", "1100"), [2, 2], bits("1100")) == (0.0, 0.0)


def test_of_n_seeds_n_minus_one_are_drawn() -> None:
    levels = [400, 500, 600, 700]  # right, of 1000 questions that are one group
    right = np.arange(1000) < np.array(levels)[:, None]
    # Three of four seeds are drawn: (400, 400, 400) has 1 / 64, two of 400 and one of 500 have 3 / 64.
    assert interval(right, [1000]) == pytest.approx((1.3 / 3, 2.0 / 3))


def answers(rng: np.random.Generator, seeds: int, groups: int, luck: float) -> Bits:
    """Five questions a group; groups, questions and seeds have their own ease, and each answer its chance."""
    ease = np.repeat(rng.normal(1.5, 1, groups), 5) + rng.normal(0, 1.5, 5 * groups)
    found: Bits = ease + rng.normal(0, luck, (seeds, 1)) + rng.normal(0, 0.8, (seeds, 5 * groups)) > 0
    return found


@pytest.mark.parametrize(("seeds", "luck"), [(5, 0.1), (3, 0.05), (3, 0.3)])
def test_nineteen_of_twenty_intervals_hold_the_truth(seeds: int, luck: float) -> None:
    rng = np.random.default_rng(7)
    truth = float(np.mean([answers(rng, 20, 100, luck).mean() for _ in range(500)]))
    bounds = [interval(answers(rng, seeds, 60, luck), [5] * 60, draws=400) for _ in range(300)]
    held = np.mean([low <= truth <= high for low, high in bounds])
    assert 0.89 <= held <= 0.99


def test_a_lead_on_another_system_of_the_same_seed_draws_both_with_one_seed() -> None:
    ours, theirs = bits("1111", "1111", "0000"), bits("1111", "1111", "0000")
    assert interval(ours.astype(float) - theirs, [2, 2]) == (0.0, 0.0)
    assert interval(ours, [2, 2], theirs) == (
        -1.0,
        1.0,
    )  # as if they were settings, each with seeds of its own


def test_fewer_questions_or_groups_than_evaluate_redraws_have_no_interval() -> None:
    right = bits("10" * 20, "11" * 20)
    assert known_interval(right, [2] * 20) == interval(right, [2] * 20)
    assert known_interval(right, [2] * 18 + [4]) is None
    assert known_interval(right[:, :29], [1] * 28 + [1]) is None


ALIKE = [[0.50, 0.52, 0.51], [0.54, 0.52, 0.56], [0.60, 0.61, 0.65, 0.62]]
UNLIKE = [[0.50, 0.52, 0.51], [0.54, 0.20, 0.90], [0.60, 0.61, 0.65, 0.62]]


@pytest.mark.parametrize("settings", [ALIKE, UNLIKE])
def test_seed_noise_is_tukey_s_or_where_spreads_differ_games_and_howell_s(
    settings: list[list[float]],
) -> None:
    assert spread_alike(settings) == (settings is ALIKE)
    theirs = tukey_hsd(*settings, equal_var=settings is ALIKE).confidence_interval()
    bounds = honest_differences(settings)
    assert bounds is not None
    between = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(bounds[between], (theirs.high - theirs.low)[between] / 2, rtol=1e-12)


def test_a_setting_that_breaks_the_training_hides_no_difference_between_others() -> None:
    sound = [[0.640, 0.629, 0.651], [0.715, 0.706, 0.724], [0.773, 0.762, 0.784]]
    bounds = honest_differences([*sound, [0.1, 0.35, 0.6]])
    assert bounds is not None
    assert bounds[0, 1] < 0.06 < bounds[0, 3]


@pytest.fixture(scope="module")
def quantiles() -> CubicSpline:
    """Of the studentized range of five settings: logarithms at 95 %, by 1 / degrees of freedom.

    scipy integrates for up to a second each, and a simulation asks for hundreds. Three seeds have 10 degrees
    by Tukey, and 2 to 4 by Games and Howell.
    """
    freedom = np.array([10, 4, 3, 2.4, 2])
    curve = CubicSpline(1 / freedom, np.log(studentized_range.ppf(0.95, 5, freedom)))
    assert np.exp(curve(1 / 2.2)) == pytest.approx(studentized_range.ppf(0.95, 5, 2.2), rel=1e-3)
    return curve


@pytest.mark.parametrize(("spreads", "at_most"), [([1] * 5, 0.12), ([1, 1, 1, 1, 7], 0.25)])
def test_of_equal_settings_one_study_in_twenty_tells_two_apart_and_one_in_six_where_one_breaks(
    spreads: list[int], at_most: float, quantiles: CubicSpline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interpolated(level: float, settings: int, freedom: Floats) -> Floats:
        assert (level, settings) == (0.95, 5)
        return np.exp(quantiles(1 / freedom))

    monkeypatch.setattr(studentized_range, "ppf", interpolated)
    monkeypatch.setattr(studentized_range, "sf", lambda *_: np.nan)  # of the p-values, which are not read
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(60):
        settings = [rng.normal(50, spread, 3).tolist() for spread in spreads]
        means, bounds = np.mean(settings, axis=1), honest_differences(settings)
        assert bounds is not None
        wrong += bool((abs(means[:, None] - means) >= bounds)[~np.eye(5, dtype=bool)].any())
    assert wrong / 60 <= at_most


def test_the_pooled_deviation_is_of_all_settings() -> None:
    settings = [[0.50, 0.52, 0.51], [0.54, 0.52, 0.56]]
    assert pooled_deviation(settings) == pytest.approx(
        np.sqrt(np.mean([np.var(values, ddof=1) for values in settings]))
    )


def test_without_a_second_seed_or_setting_no_seed_noise_is_known() -> None:
    assert pooled_deviation([[0.5], [0.6]]) is None
    assert honest_differences([[0.5], [0.6]]) is None
    assert honest_differences([[0.5, 0.6]]) is None
    bounds = honest_differences([[0.1, 0.1001, 0.1002], [0.2, 0.9, 0.5], [0.5]])  # unlike, and one is alone
    assert bounds is not None
    assert np.isinf(bounds[2]).all()
    assert np.isfinite(bounds[:2, :2]).all()


def test_agreement_is_of_the_same_questions() -> None:
    assert agreement(bits("1100", "1110", "1000")) == Agreement(0.25, 0.25, 2 / 3)

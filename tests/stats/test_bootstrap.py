"""Intervals against what can be counted, and against scipy's where its plain bootstrap is ours."""

import tracemalloc
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from vqa.pairs.pair import Pair
from vqa.stats.bootstrap import ClusterBootstrap, Floats, Interval, Kind


def pairs(*image_names: str) -> list[Pair]:
    return [Pair(name, "Q?", "a") for name in image_names]


def interval(names: Iterable[str], values: Sequence[float] | Floats, draws: int = 4000) -> Interval:
    """Of a mean of any values, which is never exact."""
    columns = ClusterBootstrap(pairs(*names))
    columns.add(np.array(values, dtype=float), "mean")
    (found,) = columns.intervals(draws, seed=0)
    return found


def bounds(names: Iterable[str], values: Sequence[float] | Floats, draws: int = 4000) -> list[float]:
    found = interval(names, values, draws).ci95
    assert found is not None
    return found


def exact(groups: Iterable[str], values: Sequence[float], kind: Kind) -> Interval:
    columns = ClusterBootstrap(
        [Pair(f"{i}.jpg", "", "", split_group=group) for i, group in enumerate(groups)]
    )
    columns.add(np.array(values, dtype=float), kind)
    (found,) = columns.intervals(200, seed=0)
    assert found.is_exact
    return found


def test_forty_images_can_be_counted() -> None:
    """The wrong one is drawn never in 36 % (0.975 ** 40), three times or more in 8 %, four in 1.9 %."""
    assert bounds(map(str, range(40)), [0] + [1] * 39) == [0.925, 1.0]


def test_questions_about_one_image_share_its_luck() -> None:
    """Thirty times as many questions about forty images tell no more than one about each."""
    images, values = list(map(str, range(40))), [0.0] * 20 + [1.0] * 20
    once = bounds(images, values)
    assert bounds(np.repeat(images, 30), np.repeat(values, 30)) == once
    assert once == pytest.approx([0.35, 0.65], abs=0.03)
    assert bounds(map(str, range(1200)), np.repeat(values, 30)) == pytest.approx([0.47, 0.53], abs=0.01)


def test_images_of_one_group_share_their_luck() -> None:
    values = [0.0] * 20 + [1.0] * 20
    grouped = ClusterBootstrap([Pair(f"{i}.jpg", "", "", split_group=str(i // 2)) for i in range(80)])
    grouped.add(np.repeat(values, 2), "mean")
    (found,) = grouped.intervals(4000, seed=0)
    assert found.ci95 == bounds(map(str, range(40)), values)
    assert (found.questions, found.groups) == (80, 40)


def test_an_image_with_more_questions_weighs_more() -> None:
    """Means of drawn pairs, not of images: of 20 images the first has three questions, all wrong."""
    names = ["0", "0", "0", *map(str, range(1, 20))]
    weights = np.random.default_rng(0).multinomial(20, np.full(20, 1 / 20), size=400)
    means = 1 - 3 * weights[:, 0] / (20 + 2 * weights[:, 0])
    found = ClusterBootstrap(pairs(*(names + names)))  # 44 questions
    found.add(np.array(([0] * 3 + [1] * 19) * 2, dtype=float), "mean")
    expected = [round(bound, 4) for bound in np.percentile(means, [2.5, 97.5])]
    assert found.intervals(400, 0)[0].ci95 == expected


def test_a_few_questions_are_judged_exactly() -> None:
    """Of the committed photographs' seven on brands, −57.1 had the interval [−100, −16.7] and a sign."""
    found = exact("abcdefg", [-1, -1, -1, -1, 0, 0, 0], "gain")
    assert found.p == pytest.approx(0.125)
    assert found.ci95 is not None
    assert found.ci95[0] < -4 / 7 < 0 < found.ci95[1]
    share = exact("abcdefg", [1, 1, 1, 0, 0, 0, 0], "share")
    oracle = binomtest(3, 7).proportion_ci()
    assert share.ci95 == pytest.approx([oracle.low, oracle.high], abs=1e-4)
    assert (share.questions, share.groups, share.p, share.minimum_detectable_effect) == (7, 7, None, None)


def test_questions_of_few_groups_count_as_the_groups_do() -> None:
    assert (
        exact("aabbccdd" * 5, [1, 1, 0, 0, 0, 0, 0, 0] * 5, "share").ci95
        == exact("abcd", [1, 0, 0, 0], "share").ci95
    )
    gains = exact("aabbccddeeff", [1] * 12, "gain")
    assert (gains.ci95, gains.p) == (exact("abcdef", [1] * 6, "gain").ci95, 2 / 2**6)


def test_answers_that_are_all_alike_have_an_exact_interval_however_many() -> None:
    found = exact(map(str, range(100)), [1] * 100, "share")
    assert found.ci95 == pytest.approx([0.025 ** (1 / 100), 1], abs=1e-4)
    assert exact(map(str, range(100)), [0] * 100, "gain").ci95 != [0, 0]


def test_too_few_groups_say_nothing_of_a_mean_that_is_no_share() -> None:
    assert interval(map(str, range(19)), np.linspace(0, 1, 19)).ci95 is None
    assert interval(map(str, range(30)), np.linspace(0, 1, 30)).ci95 is not None


def test_95_of_100_intervals_of_grouped_answers_hold_the_truth_and_ungrouped_ones_do_not() -> None:
    """Of 80 groups each has five questions and its own ease: answers in it correlate by 0.3."""
    rng = np.random.default_rng(0)
    held: list[bool] = []
    held_alone: list[bool] = []
    for repeat in range(200):
        group = np.repeat(np.arange(80), 5)
        right = (rng.random(400) < rng.beta(0.8 * 7 / 3, 0.2 * 7 / 3, size=80)[group]).astype(float)
        grouped, alone = (
            ClusterBootstrap([Pair(f"{i}.jpg", "", "", split_group=str(g)) for i, g in enumerate(numbers)])
            for numbers in (group, np.arange(400))
        )
        for columns, found in ((grouped, held), (alone, held_alone)):
            columns.add(right, "share")
            ci95 = columns.intervals(300, repeat)[0].ci95
            assert ci95 is not None
            found.append(ci95[0] <= 0.8 <= ci95[1])
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)
    assert np.mean(held_alone) < 0.88


def test_the_smallest_difference_is_one_that_four_of_five_test_sets_show() -> None:
    """Normal values of standard error 0.1: a true mean of 0.28 is beyond 1.96 of them in 80 %."""
    values = np.random.default_rng(0).normal(size=400)
    values = 2 * (values - values.mean()) / values.std()
    assert interval(map(str, range(400)), values).minimum_detectable_effect == pytest.approx(0.28, abs=0.01)
    true = np.random.default_rng(1).normal(0.28, 0.1, size=10_000)
    assert (true > 0.196).mean() == pytest.approx(0.8, abs=0.01)


def test_a_p_value_is_small_exactly_where_the_interval_leaves_zero_out() -> None:
    values = np.random.default_rng(0).normal(size=200)
    for shift in (0, 0.05, 0.1, 0.13, 0.15, 0.2, 0.3):
        found = interval(map(str, range(200)), values + shift)
        assert found.ci95 is not None
        assert found.p is not None
        assert (found.p < 0.05) == (found.ci95[0] > 0 or found.ci95[1] < 0)


def test_where_each_image_has_one_question_it_is_scipy_s_bootstrap() -> None:
    values = np.random.default_rng(3).normal(0.2, 1, size=200)
    ours = bounds(map(str, range(200)), values, draws=10_000)
    theirs = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=5).confidence_interval
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.01)  # an interval of 0.27, by other draws


def test_columns_see_the_same_draws_and_the_seed_decides_them() -> None:
    values = np.random.default_rng(1).random(50)
    columns = ClusterBootstrap(pairs(*map(str, range(50))))
    columns.add(values, "mean")
    columns.add(values + 1, "mean")
    first, shifted = (found.ci95 for found in columns.intervals(700, 0))
    assert first is not None
    assert shifted == pytest.approx([first[0] + 1, first[1] + 1], abs=1e-4)
    assert columns.intervals(700, 0) == columns.intervals(700, 0) != columns.intervals(700, 1)


def test_draws_that_leave_a_type_out_say_nothing_of_it() -> None:
    columns = ClusterBootstrap(pairs(*(["a"] * 30), *map(str, range(19))))  # image a is in 64 % of the draws
    chosen = np.arange(49) < 48  # of all but the last
    columns.add(np.array([0.5] * 30 + [0.5] * 18 + [9]), "mean", chosen)
    assert columns.intervals(400, 0)[0].ci95 is None  # 19 groups
    columns.add(np.array([0.5] * 30 + [0.5] * 19), "mean")
    assert columns.intervals(400, 0)[1].ci95 == [0.5, 0.5]


def csv_columns(images: int) -> ClusterBootstrap:
    return ClusterBootstrap([Pair(f"{i // 2}.jpg", "", "") for i in range(2 * images)])


def test_columns_bounded_together_have_the_intervals_that_each_has_alone() -> None:
    values = np.random.default_rng(1).random((5, 200))
    together = csv_columns(100)
    for column in values:
        together.add(column, "mean")
    alone = []
    for column in values:
        columns = csv_columns(100)
        columns.add(column, "mean")
        alone += columns.intervals(1000, seed=3)
    assert together.intervals(1000, seed=3) == alone


def test_memory_grows_neither_with_the_draws_nor_with_draws_times_images() -> None:
    peaks = []
    for images, draws in ((8_000, 500), (64_000, 60), (64_000, 120)):
        columns = csv_columns(images)
        columns.add(np.random.default_rng(0).random(2 * images), "mean")
        tracemalloc.start()
        columns.intervals(draws, seed=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 1.2 * min(peaks)

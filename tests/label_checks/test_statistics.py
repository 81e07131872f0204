"""The share of wrong labels among all, from the few that were looked at."""

import numpy as np
import pytest

from vqa.label_checks.statistics import accepted_by_support, label_noise


def test_acceptance_is_counted_for_each_support_level_that_was_looked_at() -> None:
    support_levels = ["conflicting"] * 4 + ["supported"] * 10 + ["unknown"]
    wrong = dict.fromkeys(range(3), True) | {3: False} | dict.fromkeys(range(4, 14), False)
    found = accepted_by_support(support_levels, wrong)
    assert list(found) == ["conflicting", "supported"]
    assert (found["conflicting"]["reviewed"], found["conflicting"]["accepted"]) == (4, 0.25)
    low, high = found["supported"]["low"], found["supported"]["high"]
    assert found["supported"]["accepted"] == 1.0 == high
    assert low == pytest.approx(10 / (10 + 1.96**2), abs=1e-3)  # Wilson's lower bound of n out of n


def test_a_support_level_that_nobody_looked_at_leaves_the_noise_unknown() -> None:
    support_levels = ["conflicting"] * 5 + ["supported"] * 5
    assert label_noise(support_levels, np.zeros(10), {0: True, 1: False}) is None
    assert label_noise(support_levels, np.zeros(10), {}) is None


def test_looking_at_the_disputed_first_does_not_raise_the_noise() -> None:
    support_levels = ["conflicting"] * 100 + ["supported"] * 900
    wrong = {n: n % 2 == 0 for n in range(100)} | dict.fromkeys(range(100, 110), False)
    found = label_noise(support_levels, np.zeros(1000), wrong)
    assert found is not None
    assert found["wrong"] == 0.05  # half of a tenth, though 45 % of those looked at are wrong
    assert found["reviewed"] == 110


@pytest.mark.parametrize("skill", [0.0, 0.95])
def test_its_interval_holds_the_truth_as_often_as_it_says_and_suspicion_narrows_it(skill: float) -> None:
    rng = np.random.default_rng(0)
    held, widths = 0, []
    for _ in range(300):
        truth = rng.random(2000) < 0.3
        is_known = rng.random(2000) < skill
        suspicion = np.where(is_known, truth, rng.random(2000)).astype(float)
        seen = rng.choice(2000, 200, replace=False)
        found = label_noise(["unknown"] * 2000, suspicion, {int(n): bool(truth[n]) for n in seen})
        assert found is not None
        low, high = found["low"], found["high"]
        held += low <= truth.mean() <= high
        widths.append(high - low)
    assert held >= 0.92 * 300
    classical = 2 * 1.96 * np.sqrt(0.21 / 200)
    assert np.mean(widths) < (0.45 if skill else 1.03) * classical

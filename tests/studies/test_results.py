"""What is read of experiments: settings over their seeds, and which to take."""

import numpy as np
import pytest

from studies import RESULTS, of, record
from vqa.studies.results import best_under, read_results, within_noise


def test_the_best_is_chosen_by_validation_and_costs_no_more_than_it_must() -> None:
    best = [(budget, row.changes["lora.r"], row.exact_match) for budget, row in best_under(RESULTS)]
    assert best == [(2000, 2, 0.61), (8000, 8, 0.64)]  # the test pairs would have chosen others


def test_runs_of_one_setting_are_one_result_whatever_their_seeds() -> None:
    runs = [
        ({"train.seed": seed, "lora.r": r}, "1100" if seed else "1000") for seed in (0, 1) for r in (2, 8)
    ]
    two, eight = read_results(record(runs, committed=["1111", "0111"]))
    assert (two.changes, two.by_seed) == ({"lora.r": 2}, [0.25, 0.5])
    assert two.exact_match == 0.375
    assert two.deviation == pytest.approx(0.125 * 2**0.5)
    assert two.difference is not None
    assert two.difference.value == 0.375 - 0.875
    assert eight.difference is None  # the settings as committed are not compared with themselves


def test_one_run_has_no_deviation() -> None:
    (only,) = read_results(record([({"lora.r": 2}, "1100")]))
    assert only.deviation is None
    assert only.ci95 is None  # of two groups
    assert only.ends == (0.5, 0.5)


def test_steps_within_noise_are_of_neighbours_that_differ_in_the_first_setting_alone() -> None:
    grown = {2: 0.50, 4: 0.60, 8: 0.61}
    results = [of({"lora.r": r, "lora.targets": [t]}, grown[r]) for r in grown for t in ("mlp", "attention")]
    steps = [
        (a.changes["lora.r"], b.changes["lora.r"], b.changes["lora.targets"])
        for a, b in within_noise(results, np.full((6, 6), 0.05))
    ]
    assert steps == [(4, 8, ["mlp"]), (4, 8, ["attention"])]

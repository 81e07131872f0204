"""Temperature, expected calibration error and coverage, on numbers that can be counted."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vqa.core.errors import InputError
from vqa.scoring.calibration import (
    TEMPERATURES,
    UNCALIBRATED,
    Calibration,
    confidence_threshold,
    coverage_table,
    error_with_interval,
    expected_calibration_error,
    fit,
    read_calibration,
    write_calibration,
)

Rights = NDArray[np.bool_]


def rights(right: int, of: int) -> Rights:
    return np.arange(of) < right


def test_the_error_is_the_distance_of_confidence_and_accuracy_weighted_by_answers() -> None:
    sure, unsure = np.full(30, 0.9), np.full(10, 0.3)
    is_right = np.concatenate([rights(21, 30), rights(5, 10)])
    # |0.9 − 0.7| for 30 of 40 answers, |0.3 − 0.5| for 10
    assert expected_calibration_error(np.concatenate([sure, unsure]), is_right) == pytest.approx(0.2)
    assert expected_calibration_error(np.full(10, 0.7), rights(7, 10)) == pytest.approx(0.0)


def test_the_error_is_that_of_a_loop_over_bins() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random(500).round(2)  # also on the bins' edges
    is_right = rng.random(500) < probabilities**2
    expected = 0.0
    for lower, upper in pairwise(np.linspace(0, 1, 16)):
        inside = ((probabilities > lower) | (lower == 0)) & (probabilities <= upper)
        if inside.any():
            expected += inside.mean() * abs(probabilities[inside].mean() - is_right[inside].mean())
    assert expected_calibration_error(probabilities, is_right) == pytest.approx(expected)


def test_the_temperature_that_made_the_answers_is_found() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(2.0, 3.0, 20_000)
    true = 2.0**1.5
    is_right = rng.random(20_000) < 1 / (1 + np.exp(-scores / true))
    logs = np.stack([-np.log1p(np.exp(-scores / t)) for t in TEMPERATURES], axis=1)
    found = fit(logs, is_right)
    near = sorted(TEMPERATURES, key=lambda t: abs(np.log(t / true)))[:3]
    assert found.temperature in near
    assert found.questions == 20_000
    before, after = (np.exp(logs[:, TEMPERATURES.index(t)]) for t in (1.0, found.temperature))
    assert expected_calibration_error(after, is_right) < expected_calibration_error(before, is_right) / 3


@pytest.mark.parametrize("right", [0, 40])
def test_nothing_is_fitted_where_all_answers_are_alike(right: int) -> None:
    with pytest.raises(InputError, match=f"{right} of 40 validation answers are right"):
        fit(np.zeros((40, len(TEMPERATURES))), rights(right, 40))
    with pytest.raises(InputError, match="1 of 2 validation answers"):
        fit(np.zeros((2, len(TEMPERATURES))), rights(1, 2))


def test_answers_are_believed_from_where_eight_of_ten_are_right() -> None:
    probabilities = np.concatenate([np.full(40, 0.9), np.full(20, 0.6), np.full(40, 0.2)])
    is_right = np.concatenate([rights(36, 40), rights(12, 20), rights(10, 40)])
    assert confidence_threshold(probabilities, is_right) == 0.6  # 48 of 60 are right, and below 58 of 100
    assert confidence_threshold(probabilities[:29], is_right[:29]) is None  # too few to say
    assert confidence_threshold(probabilities, ~is_right) is None


def test_coverage_says_how_many_are_answered_and_right() -> None:
    rows = coverage_table(np.array([0.95, 0.85, 0.5, 0.1]), np.array([True, True, False, False]))
    by_p = {row["at_least"]: row for row in rows}
    assert by_p[0.0] == {"at_least": 0.0, "answered": 4, "share": 1.0, "right": 0.5}
    assert by_p[0.5] == {"at_least": 0.5, "answered": 3, "share": 0.75, "right": 0.6667}
    assert by_p[0.9] == {"at_least": 0.9, "answered": 1, "share": 0.25, "right": 1.0}


def test_the_interval_redraws_whole_groups() -> None:
    rng = np.random.default_rng(1)
    probabilities = np.repeat(rng.random(60), 10)
    is_right = np.repeat(rng.random(60) < 0.5, 10)  # an image's questions are right together
    of_images = [str(number // 10) for number in range(600)]
    of_questions = [str(number) for number in range(600)]
    grouped, alone = (error_with_interval(probabilities, is_right, g) for g in (of_images, of_questions))
    assert grouped["value"] == alone["value"]
    assert grouped["low"] <= grouped["value"] <= grouped["high"] + 0.05
    assert grouped["high"] - grouped["low"] > 1.5 * (alone["high"] - alone["low"])


def test_what_lies_beside_an_adapter_is_read_again(tmp_path: Path) -> None:
    assert read_calibration(tmp_path) == UNCALIBRATED
    for written in (Calibration(1.25, 0.6, 300), Calibration(0.5, None, 30)):
        write_calibration(tmp_path, written)
        assert read_calibration(tmp_path) == written


@pytest.mark.parametrize(
    "content", ['{"temperature": "warm"}', '{"temperature": 0, "at_least": null, "questions": 1}']
)
def test_a_damaged_calibration_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(InputError, match=r"calibration\.json"):
        read_calibration(tmp_path)

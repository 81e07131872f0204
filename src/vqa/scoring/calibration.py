"""Probabilities that mean what they say: one temperature beside an adapter, fitted on validation.

Every token's logits are divided by the temperature before an answer's probability is computed; which answer
is given stays the same. Guo et al. 2017, "On calibration of modern neural networks",
https://arxiv.org/abs/1706.04599
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from vqa.core.errors import InputError
from vqa.core.files import read_object, write_json

Floats = NDArray[np.float64]

# Tried: each 9 % above the one before, 1 among them.
TEMPERATURES: tuple[float, ...] = tuple(round(float(2.0 ** (number / 8)), 4) for number in range(-16, 25))
WANTED = 0.8  # share of right answers from which on the model may be trusted
_FEWEST = 30  # answers that a share is told from
_BINS = 15  # of equal width, as Guo et al. have it
_COVERAGE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_FILE = "calibration.json"
_DRAWS = 1000


@dataclass(frozen=True)
class Calibration:
    """What lies beside an adapter."""

    temperature: float
    at_least: float | None  # probability from which on WANTED of the answers were right; None: from none on
    questions: int  # of validation, that both were fitted on


UNCALIBRATED = Calibration(1.0, None, 0)


def fit(log_probabilities: Floats, is_right: NDArray[np.bool_]) -> Calibration:
    """The temperature whose probabilities tell best whether answers are right, by log loss.

    `log_probabilities` `[questions, TEMPERATURES]` of the answers given; `is_right` `[questions]`.

    Raises:
        InputError: too few questions, or all answers right or all wrong: there is nothing to fit.
    """
    if len(is_right) < _FEWEST or is_right.all() or not is_right.any():
        raise InputError(
            f"{int(is_right.sum())} of {len(is_right)} validation answers are right: no temperature "
            f"can be told from them; {_FEWEST} questions are needed, some right and some wrong"
        )
    columns = np.exp(log_probabilities).T
    losses = [log_loss(is_right, _clipped(column), labels=[False, True]) for column in columns]
    best = int(np.argmin(losses))
    return Calibration(TEMPERATURES[best], confidence_threshold(columns[best], is_right), len(is_right))


def confidence_threshold(probabilities: Floats, is_right: NDArray[np.bool_]) -> float | None:
    """The lowest probability from which on WANTED of the answers were right, of _FEWEST answers at least."""
    order = np.argsort(-probabilities, kind="stable")
    ranked, shares = probabilities[order], is_right[order].cumsum() / np.arange(1, len(order) + 1)
    is_end = np.append(ranked[1:] < ranked[:-1], True)  # equal probabilities stand or fall together
    is_enough = is_end & (shares >= WANTED) & (np.arange(1, len(order) + 1) >= _FEWEST)
    return round(float(np.floor(ranked[is_enough][-1] * 1e4) / 1e4), 4) if is_enough.any() else None


def expected_calibration_error(probabilities: Floats, is_right: NDArray[np.bool_]) -> float:
    """Mean distance of confidence and accuracy over _BINS bins, each weighted by its answers (Guo et al.)."""
    right, confidence = calibration_curve(is_right, probabilities, n_bins=_BINS, strategy="uniform")
    inner = np.linspace(0.0, 1.0, _BINS + 1)[1:-1]  # bins as calibration_curve divides them
    counts = np.bincount(np.searchsorted(inner, probabilities), minlength=_BINS)
    return float(np.abs(right - confidence) @ (counts[counts > 0] / counts.sum()))


def error_with_interval(
    probabilities: Floats, is_right: NDArray[np.bool_], groups: Sequence[str], seed: int = 0
) -> dict[str, float]:
    """The expected calibration error, and its 95 % interval over redrawn groups (an image's questions)."""
    members = [np.flatnonzero(np.array(groups) == group) for group in dict.fromkeys(groups)]

    def error(drawn: NDArray[np.int_]) -> float:
        rows = np.concatenate([members[number] for number in drawn])
        return expected_calibration_error(probabilities[rows], is_right[rows])

    result = bootstrap(
        (np.arange(len(members)),),
        error,
        n_resamples=_DRAWS,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    value = expected_calibration_error(probabilities, is_right)
    return {
        "value": round(value, 4),
        "low": round(float(result.low), 4),
        "high": round(float(result.high), 4),
    }


Row = dict[str, float | int | None]


def coverage_table(probabilities: Floats, is_right: NDArray[np.bool_]) -> list[Row]:
    """For each p: how many questions are answered with at least p, their share, and how many are right."""
    rows: list[Row] = []
    for p in _COVERAGE:
        is_said = probabilities >= p
        right = round(float(is_right[is_said].mean()), 4) if is_said.any() else None
        rows.append(
            {
                "at_least": p,
                "answered": int(is_said.sum()),
                "share": round(float(is_said.mean()), 4),
                "right": right,
            }
        )
    return rows


def write_calibration(adapter: Path, calibration: Calibration) -> None:
    write_json(adapter / _FILE, asdict(calibration))


def read_calibration(adapter: Path) -> Calibration:
    """What lies beside the adapter; UNCALIBRATED where nothing does.

    Raises:
        InputError: it cannot be read.
    """
    path = adapter / _FILE
    if not path.is_file():
        return UNCALIBRATED
    content: dict[str, Any] = read_object(path)
    try:
        temperature, at_least = float(content["temperature"]), content["at_least"]
        calibration = Calibration(
            temperature, None if at_least is None else float(at_least), int(content["questions"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} holds no calibration; run python src calibrate --adapter {adapter}"
        ) from error
    if not calibration.temperature > 0:
        raise InputError(f"{path}: the temperature is {calibration.temperature}, and has to be above 0")
    return calibration


def _clipped(probabilities: Floats) -> Floats:
    return np.clip(probabilities, 1e-7, 1 - 1e-7)

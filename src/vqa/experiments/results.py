"""What the experiments run from a grid came to."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa.experiments.grid import Grid, Value
from vqa.pairs.normal_form import exact_match
from vqa.pairs.pair import Pair

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """What one experiment came to, in exact match."""

    changes: dict[str, Value]
    exact_match: float
    ci95: Sequence[float]
    difference: float  # to the settings as committed
    difference_ci95: Sequence[float]
    validation: float  # of the validation pairs, by which settings may be chosen
    parameters: int  # that are trained
    pairs_per_second: float  # while training, whatever else the machine did


@dataclass(frozen=True)
class Study:
    """A grid, its results, and their curve as SVG."""

    grid: Grid
    results: Sequence[Result]
    curve: str


def exact_matches(predictions: str) -> tuple[list[Pair], Floats]:
    """The pairs of a predictions file and which were answered right, `[pairs]` of 0 and 1."""
    rows = list(csv.DictReader(io.StringIO(predictions)))
    pairs = [Pair(row["image_name"], row["question"], row["answer"]) for row in rows]
    right = [exact_match(row["generated_answer"], pair.answer) for row, pair in zip(rows, pairs, strict=True)]
    return pairs, np.array(right, dtype=float)


def best_under(results: Sequence[Result]) -> list[tuple[int, Result]]:
    """For growing budgets of trained parameters the result that is best on the validation pairs.

    Choosing by the test pairs would be choosing by luck.
    """
    found: list[tuple[int, Result]] = []
    for result in sorted(results, key=lambda result: (result.parameters, -result.validation)):
        if not found or result.validation > found[-1][1].validation:
            found.append((result.parameters, result))
    return found

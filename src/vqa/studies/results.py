"""Results of the experiments of a grid, each setting over all its training seeds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vqa.stats.bootstrap import Floats
from vqa.stats.seeds import Bits, honest_differences, known_interval
from vqa.studies.grid import SEED, Grid, Value
from vqa.studies.record import Record, Run

Interval = tuple[float, float] | None  # None: of too few questions or groups


@dataclass(frozen=True)
class Difference:
    """The lead of a setting over the settings as committed, in exact match."""

    value: float
    ci95: Interval
    noise: float | None  # other seeds could have made a lead below it; None: not known


@dataclass(frozen=True)
class Result:
    """The result of one setting, in exact match."""

    changes: dict[str, Value]  # without the seed
    by_seed: Sequence[float]
    ci95: Interval  # of their mean, seeds and groups redrawn
    difference: Difference | None  # to the settings as committed; None: they are these
    validation: float  # of the validation pairs, by which settings may be chosen
    parameters: int  # that are trained
    pairs_per_second: float  # while training, whatever else the machine did

    @property
    def exact_match(self) -> float:
        return float(np.mean(self.by_seed))

    @property
    def ends(self) -> tuple[float, float]:
        """Of the interval; without one, of the seeds."""
        return self.ci95 or (min(self.by_seed), max(self.by_seed))

    @property
    def deviation(self) -> float | None:
        """Standard deviation between seeds; None for one."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else None


@dataclass(frozen=True)
class Study:
    """A grid, what is kept of its runs, its results, and their curve as SVG."""

    grid: Grid
    record: Record
    results: Sequence[Result]
    curve: str  # "" for a study of seeds alone


def read_results(record: Record) -> list[Result]:
    """A result for each setting, in the order of the runs."""
    by_setting: dict[str, list[Run]] = {}
    for run in record.runs:
        by_setting.setdefault(json.dumps(_without_seed(run.changes)), []).append(run)
    settings = list(by_setting.values())
    differences = _differences(record, settings)
    return [_result(record, *of) for of in zip(settings, differences, strict=True)]


def _result(record: Record, runs: Sequence[Run], difference: Difference | None) -> Result:
    right = _right(runs)
    return Result(
        changes=_without_seed(runs[0].changes),
        by_seed=right.mean(axis=1).tolist(),
        ci95=known_interval(right, list(record.groups.values())),
        difference=difference,
        validation=float(np.mean([run.validation for run in runs])),
        parameters=runs[0].parameters,
        pairs_per_second=float(np.mean([run.pairs_per_second for run in runs])),
    )


def _differences(record: Record, settings: Sequence[Sequence[Run]]) -> list[Difference | None]:
    """Of each setting's runs to the settings as committed; None for these themselves."""
    sizes, reference = list(record.groups.values()), np.stack(list(record.committed.values()))
    committed = _without_seed(record.settings)
    ours = [None if _without_seed(runs[0].changes) == committed else _right(runs) for runs in settings]
    others = [right for right in ours if right is not None]
    bounds = honest_differences([right.mean(axis=1).tolist() for right in (*others, reference)])
    noise = iter([None] * len(others) if bounds is None else bounds[:-1, -1].tolist())
    differences: list[Difference | None] = []
    for right in ours:
        if right is None:
            differences.append(None)
            continue
        lead, ci95 = float(right.mean() - reference.mean()), known_interval(right, sizes, reference)
        differences.append(Difference(lead, ci95, next(noise)))
    return differences


def _right(runs: Sequence[Run]) -> Bits:
    return np.stack([run.right for run in runs])


def _without_seed(changes: dict[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in changes.items() if key != SEED}


def best_under(results: Sequence[Result]) -> list[tuple[int, Result]]:
    """For growing budgets of trained parameters the result that is best on the validation pairs.

    A choice by the test pairs would overfit them.
    """
    best: list[tuple[int, Result]] = []
    for result in sorted(results, key=lambda result: (result.parameters, -result.validation)):
        if not best or result.validation > best[-1][1].validation:
            best.append((result.parameters, result))
    return best


def within_noise(results: Sequence[Result], bounds: Floats) -> list[tuple[Result, Result]]:
    """Neighbours along the grid's first setting, all others equal, that lie closer than seeds move them.

    `bounds`: what `honest_differences` says of the results.
    """
    first = next(iter(results[0].changes))
    lines: dict[str, list[int]] = {}
    for place, result in enumerate(results):
        others = {key: value for key, value in result.changes.items() if key != first}
        lines.setdefault(json.dumps(others), []).append(place)
    return [
        (results[a], results[b])
        for line in lines.values()
        for a, b in pairwise(line)
        if abs(results[b].exact_match - results[a].exact_match) < bounds[a, b]
    ]

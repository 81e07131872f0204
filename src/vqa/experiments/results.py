"""What the experiments of a grid came to, each setting over all its training seeds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vqa.experiments.grid import SEED, Grid, Value
from vqa.experiments.record import Record, Run
from vqa.experiments.seeds import interval

Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """The lead of one setting over another in exact match."""

    value: float
    ci95: Interval


@dataclass(frozen=True)
class Result:
    """What one setting came to, in exact match."""

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


def results_of(record: Record) -> list[Result]:
    """A result for each setting, in the order of the runs."""
    by_setting: dict[str, list[Run]] = {}
    for run in record.runs:
        by_setting.setdefault(json.dumps(_without_seed(run.changes)), []).append(run)
    return [_result(record, runs) for runs in by_setting.values()]


def _result(record: Record, runs: Sequence[Run]) -> Result:
    changes = _without_seed(runs[0].changes)
    sizes = list(record.groups.values())
    ours = np.stack([run.right for run in runs])
    reference = np.stack(list(record.committed.values()))
    is_committed = changes == _without_seed(record.settings)
    return Result(
        changes=changes,
        by_seed=ours.mean(axis=1).tolist(),
        ci95=interval(ours, sizes),
        difference=None
        if is_committed
        else Difference(float(ours.mean() - reference.mean()), interval(ours, sizes, reference)),
        validation=float(np.mean([run.validation for run in runs])),
        parameters=runs[0].parameters,
        pairs_per_second=float(np.mean([run.pairs_per_second for run in runs])),
    )


def _without_seed(changes: dict[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in changes.items() if key != SEED}


def best_under(results: Sequence[Result]) -> list[tuple[int, Result]]:
    """For growing budgets of trained parameters the result that is best on the validation pairs.

    Choosing by the test pairs would be choosing by luck.
    """
    found: list[tuple[int, Result]] = []
    for result in sorted(results, key=lambda result: (result.parameters, -result.validation)):
        if not found or result.validation > found[-1][1].validation:
            found.append((result.parameters, result))
    return found


def within_noise(results: Sequence[Result], honest: float) -> list[tuple[Result, Result]]:
    """Neighbours along the grid's first setting, all others equal, that lie closer than `honest`."""
    first = next(iter(results[0].changes))
    lines: dict[str, list[Result]] = {}
    for result in results:
        others = {key: value for key, value in result.changes.items() if key != first}
        lines.setdefault(json.dumps(others), []).append(result)
    return [
        (a, b)
        for line in lines.values()
        for a, b in pairwise(line)
        if abs(b.exact_match - a.exact_match) < honest
    ]

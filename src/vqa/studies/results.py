"""Results of the experiments of a grid, each setting over all its training seeds.

Results of a grid → a curve with error bars, as SVG.
"""

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

from vqa.stats.bootstrap import Floats
from vqa.stats.seeds import Bits, honest_differences, known_interval
from vqa.studies.grid import SEED, Grid, Value, in_words, label
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


_COLORS = ("#1d4ed8", "#b45309", "#166534", "#9d174d", "#4c1d95", "#0e7490")
_LONGEST = 24  # letters of a label
_SIZE = (7.6, 3.1)  # inches
_SHIFT = 3 / 72  # inches between the points of two lines at one place
_LINE = 0.09  # of the plot's height that a line's name takes
_STYLE: Any = {  # matplotlib's names for its settings
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "curve",  # equal results give equal bytes
    "text.parse_math": False,  # a prompt may hold dollars
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
}


def curve(results: Sequence[Result], title: str) -> str:
    """SVG: exact match with intervals over the grid's first setting, a line for each value of the others.

    Each seed is a dash across the interval of its setting.

    The first setting is on a log scale where all its values have a place on one; others (texts, zero, null)
    stand side by side, as the grid has them, and nothing joins them.
    """
    key, *others = results[0].changes
    with rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot(title=title, xlabel=in_words(key))
        _set_heights(axes, results)
        places = _set_places(axes, [result.changes[key] for result in results])
        lines: dict[str, list[tuple[float, Result]]] = {}
        for place, result in sorted(zip(places, results, strict=True), key=lambda pair: pair[0]):
            name = ", ".join(_short(result.changes[other]) for other in others)
            lines.setdefault(name, []).append((place, result))
        for number, line in enumerate(lines.values()):
            shift = _SHIFT * (number - (len(lines) - 1) / 2)
            _draw_line(axes, line, _COLORS[number % len(_COLORS)], shift)
        _name_lines(axes, {name: line[-1][1].exact_match for name, line in lines.items()})
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()


def _set_heights(axes: Axes, results: Sequence[Result]) -> None:
    """Exact match, from the tenth below the lowest interval or seed to the one above the highest."""
    low = math.floor(10 * min(min(result.ends[0], *result.by_seed) for result in results))
    high = math.ceil(10 * max(max(result.ends[1], *result.by_seed) for result in results))
    axes.set_ylim(low / 10, max(high, low + 1) / 10)
    axes.yaxis.set_major_locator(MultipleLocator(0.1))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(axis="y", color="#d5dae2")


def _set_places(axes: Axes, values: Sequence[Value]) -> list[float]:
    """Scale the axis of the settings, and say where on it each of the values stands."""
    distinct = [value for i, value in enumerate(values) if value not in values[:i]]
    places = [float(v) for v in distinct if isinstance(v, int | float) and v > 0 and v is not True]
    if len(places) == len(distinct):
        axes.set_xscale("log", base=2)
        margin = (max(places) / min(places)) ** 0.06 if len(places) > 1 else 2.0
        axes.set_xlim(min(places) / margin, max(places) * margin)
    else:
        places = [float(place) for place in range(len(distinct))]
        axes.set_xlim(-0.5, len(distinct) - 0.5)
    axes.set_xticks(places, [_short(value) for value in distinct])
    axes.minorticks_off()
    return [places[distinct.index(value)] for value in values]


def _draw_line(axes: Axes, line: Sequence[tuple[float, Result]], color: str, shift: float) -> None:
    """Means with their ends, joined on a scale, and every seed; `shift` in inches keeps lines apart."""
    middles = [result.exact_match for _, result in line]
    below = [max(0.0, result.exact_match - result.ends[0]) for _, result in line]
    above = [max(0.0, result.ends[1] - result.exact_match) for _, result in line]
    shifted = axes.transData + ScaledTranslation(shift, 0, axes.figure.dpi_scale_trans)
    seeds = [(place, exact) for place, result in line for exact in result.by_seed]
    places, heights = zip(*seeds, strict=True)
    axes.scatter(places, heights, s=40, marker="_", color=color, linewidths=1, transform=shifted)
    axes.errorbar(
        [place for place, _ in line],
        middles,
        yerr=[below, above],
        fmt="o-" if axes.get_xscale() == "log" else "o",
        color=color,
        markersize=5,
        elinewidth=1,
        transform=shifted,
    )


def _name_lines(axes: Axes, ends: dict[str, float]) -> None:
    """Each line's name in its colour beside its end (exact match), clear of the other names."""
    low, high = axes.get_ylim()
    colors = dict(zip(ends, _COLORS * len(ends), strict=False))
    lowest = 0.0
    for name in sorted(ends, key=lambda name: ends[name]):
        height = max(lowest, (ends[name] - low) / (high - low))
        axes.text(1.02, height, name, color=colors[name], va="center", transform=axes.transAxes)
        lowest = height + _LINE


def _short(value: Value) -> str:
    """A value's label; a long text by its beginning."""
    text = label(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

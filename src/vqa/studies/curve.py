"""Results of a grid → a curve with error bars, as SVG."""

import io
import math
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

from vqa.studies.grid import Value, in_words, label
from vqa.studies.results import Result

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

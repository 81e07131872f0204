"""Results of a grid → a curve with error bars, as SVG."""

import html
import math
from collections.abc import Sequence

from vqa.experiments.grid import Value, label
from vqa.experiments.results import Result

_COLORS = ("#1d4ed8", "#b45309", "#166534", "#9d174d", "#4c1d95", "#0e7490")
_LONGEST = 24  # letters of a label
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 560, 40, 260  # of the plot, in an image of 760 × 310


class _Axes:
    """Where a result stands: the first setting on a log scale, exact match from the lowest to the highest.

    Values that have no place on a log scale (texts, zero, null) stand side by side, as the grid has them.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self._key = next(iter(results[0].changes))
        self._values: list[Value] = []
        for result in results:
            if result.changes[self._key] not in self._values:
                self._values.append(result.changes[self._key])
        self.is_scale = all(isinstance(v, int | float) and v > 0 and v is not True for v in self._values)
        self._places = sorted({self.place(result) for result in results})
        self.low = math.floor(10 * min(result.ci95[0] for result in results))  # in tenths
        self.high = math.ceil(10 * max(result.ci95[1] for result in results))

    def place(self, result: Result) -> float:
        value = result.changes[self._key]
        if self.is_scale and isinstance(value, int | float):
            return math.log2(value)
        return self._values.index(value)

    def x(self, result: Result) -> float:
        span = self._places[-1] - self._places[0] or 1.0
        return _LEFT + 20 + (_RIGHT - _LEFT - 40) * (self.place(result) - self._places[0]) / span

    def y(self, value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (10 * value - self.low) / (self.high - self.low or 1)


def curve(results: Sequence[Result], title: str) -> str:
    """SVG: exact match with intervals over the grid's first setting, a line for each value of the others."""
    axes = _Axes(results)
    key, *others = results[0].changes
    lines: dict[str, list[Result]] = {}
    for result in sorted(results, key=axes.place):
        lines.setdefault(", ".join(_short(result.changes[other]) for other in others), []).append(result)
    parts = _frame(axes, max(lines.values(), key=len), key, title)
    for number, (name, of_line) in enumerate(lines.items()):
        color = _COLORS[number % len(_COLORS)]
        parts += _line(axes, of_line, color, shift=4 * (number - (len(lines) - 1) / 2))
        parts.append(f'<text x="580" y="{60 + 22 * number}" fill="{color}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _frame(axes: _Axes, results: Sequence[Result], key: str, title: str) -> list[str]:
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 310" font-family="system-ui, sans-serif" '
        f'font-size="13" role="img" aria-label="{title}">',
        '<rect width="760" height="310" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{title}</text>',
        f'<text x="{(_LEFT + _RIGHT) / 2}" y="302" text-anchor="middle">{key}</text>',
    ]
    for tenth in range(axes.low, axes.high + 1):
        y = axes.y(tenth / 10)
        parts.append(f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d5dae2"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10 * tenth} %</text>')
    for result in results:
        value = _short(result.changes[key])
        parts.append(f'<text x="{axes.x(result):.1f}" y="280" text-anchor="middle">{value}</text>')
    return parts


def _line(axes: _Axes, results: Sequence[Result], color: str, shift: float) -> list[str]:
    """Points, joined on a scale, with their intervals; `shift` in pixels keeps lines apart."""
    points = [(axes.x(result) + shift, axes.y(result.exact_match)) for result in results]
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    line = f'<polyline points="{joined}" fill="none" stroke="{color}" stroke-width="2"/>'
    parts = [line] if axes.is_scale else []
    for (x, y), result in zip(points, results, strict=True):
        low, high = (axes.y(bound) for bound in result.ci95)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{color}"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>')
    return parts


def _short(value: Value) -> str:
    """A value's label for SVG; a long text by its beginning."""
    text = label(value)
    return html.escape(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")

"""95 % intervals by the paired bootstrap, clustered by images that stay together; exact where few do.

Questions about one image share its luck, and so do those about its copies and the other images of its
listing: a split keeps them together, and so does each draw. Under 30 questions, 20 groups or 10 groups where
an answer is not as the rest, redrawing says too little (Bowyer et al., ICML 2025, "Don't use the CLT in LLM
evals with fewer than a few hundred datapoints"): there the interval is exact, for as many questions as the
groups are worth if all answers of a group agree (Kish 1965, "Survey sampling"). That errs on the wide side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vqa.pairs.pair import Pair
from vqa.stats.exact import difference_interval, difference_p, share_interval

Floats = NDArray[np.float64]
# A share of right answers; what that share gains, from values −1, 0 and 1; any other mean.
Kind = Literal["share", "gain", "mean"]

FEWEST_QUESTIONS, FEWEST_GROUPS, _FEWEST_EVENTFUL = 30, 20, 10
_DRAWS_AT_ONCE = 500
_CELLS_AT_ONCE = 2_000_000  # draws × groups, twice 8 bytes each
_SEEN_IN_FOUR_OF_FIVE = 1.96 + 0.84  # standard errors (Bloom 1995, Evaluation Review 19(5))


@dataclass(frozen=True)
class Interval:
    """What is known of a mean."""

    ci95: list[float] | None  # [low, high], four digits; None: too few groups for a mean that is no share
    p: (
        float | None
    )  # how likely it would be so far from zero if the truth were zero, two-sided; None: a share
    questions: int
    groups: int
    is_exact: bool
    minimum_detectable_effect: (
        float | None
    )  # true mean that would be told from zero four times in five; None: too few groups

    @property
    def bounds(self) -> dict[str, float | None]:
        """The interval as metrics hold it: two numbers, since DVC shows no lists."""
        low, high = self.ci95 or (None, None)
        return {"low": low, "high": high}


@dataclass(frozen=True)
class _Column:
    sums: Floats  # of the values, [groups]
    sizes: Floats  # how many values, [groups]
    kind: Kind
    events: tuple[float, float]  # values above and below zero; of a share, right and wrong ones
    eventful: (
        int  # groups with a value that is not zero; of a share, with a right one or with a wrong, the fewer
    )


class ClusterBootstrap:
    """Means to be bounded together, each over some of the pairs; all see the same drawn groups.

    By hand, since scipy.stats.bootstrap draws rows and not groups with all their pairs.
    Source: Efron & Tibshirani 1993, chapter 8.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        _, self._group = np.unique([pair.together for pair in pairs], return_inverse=True)
        self._columns: list[_Column] = []

    def add(self, values: Floats, kind: Kind, chosen: NDArray[np.bool_] | None = None) -> int:
        """The mean of `values` `[pairs]` over the `chosen` ones; its number in `intervals`."""
        mask = np.ones(len(values)) if chosen is None else chosen.astype(float)
        sums, sizes = (
            np.bincount(self._group, weights=weights).astype(float) for weights in (values * mask, mask)
        )
        above, below = float((values * mask > 0).sum()), float((values * mask < 0).sum())
        events = (above, float(mask.sum()) - above) if kind == "share" else (above, below)
        eventful = int((np.bincount(self._group, weights=(values != 0) * mask) > 0).sum())
        if kind == "share":
            eventful = min(eventful, int((sums < sizes).sum()))
        self._columns.append(_Column(sums, sizes, kind, events, eventful))
        return len(self._columns) - 1

    def intervals(self, draws: int, seed: int) -> list[Interval]:
        """Of every column."""
        sums = np.stack([column.sums for column in self._columns], axis=1)  # [groups, columns]
        sizes = np.stack([column.sizes for column in self._columns], axis=1)
        weights = group_weights(np.random.default_rng(seed), draws, len(sums))
        means = np.concatenate([_drawn_means(block, sums, sizes) for block in weights])
        return [_interval(column, drawn) for column, drawn in zip(self._columns, means.T, strict=True)]


def group_weights(rng: np.random.Generator, draws: int, groups: int) -> Iterator[Floats]:
    """How often each group is drawn in each draw, some draws at a time, `[draws of the block, groups]`."""
    at_once = min(_DRAWS_AT_ONCE, max(1, _CELLS_AT_ONCE // groups))
    for start in range(0, draws, at_once):
        size = min(at_once, draws - start)
        yield rng.multinomial(groups, np.full(groups, 1 / groups), size=size).astype(float)


def is_enough(questions: int, groups: int) -> bool:
    """Whether there is enough to redraw (Bowyer et al., ICML 2025)."""
    return questions >= FEWEST_QUESTIONS and groups >= FEWEST_GROUPS


def _drawn_means(weights: Floats, sums: Floats, sizes: Floats) -> Floats:
    """Each column's mean in each draw `[draws, columns]`; `weights` `[draws, groups]`."""
    with np.errstate(invalid="ignore"):  # a type that a draw left out has no mean there
        means: Floats = (weights @ sums) / (weights @ sizes)
    return means


def _interval(column: _Column, drawn: Floats) -> Interval:
    """Of a column and its means in the draws `[draws]`."""
    questions, groups = int(column.sizes.sum()), int((column.sizes > 0).sum())
    drawn = drawn[np.isfinite(drawn)]
    minimum_detectable_effect = (
        round(_SEEN_IN_FOUR_OF_FIVE * float(drawn.std()), 4) if groups >= FEWEST_GROUPS else None
    )
    if column.kind != "mean" and (not is_enough(questions, groups) or column.eventful < _FEWEST_EVENTFUL):
        bounds, p = _exact(column)
        return Interval(
            _rounded(*bounds),
            p,
            questions,
            groups,
            is_exact=True,
            minimum_detectable_effect=minimum_detectable_effect,
        )
    least = min((drawn <= 0).sum(), (drawn >= 0).sum())
    p = None if column.kind == "share" else min(1.0, 2 * (float(least) + 1) / (len(drawn) + 1))
    ci95 = _rounded(*np.percentile(drawn, [2.5, 97.5])) if is_enough(questions, groups) else None
    return Interval(
        ci95, p, questions, groups, is_exact=False, minimum_detectable_effect=minimum_detectable_effect
    )


def _exact(column: _Column) -> tuple[tuple[float, float], float | None]:
    """Interval and, of a gain, p-value, of as many questions as the groups are worth."""
    worth = float(column.sizes.sum() / (column.sizes**2).sum())  # of one question; 1 where each has its group
    above, below = (worth * count for count in column.events)
    count = worth * float(column.sizes.sum())
    if column.kind == "share":
        return share_interval(above, count), None
    return difference_interval(above, below, count), difference_p(above, below)


def _rounded(low: float, high: float) -> list[float]:
    return [round(float(low), 4), round(float(high), 4)]

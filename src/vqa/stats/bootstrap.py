"""95 % intervals by the paired bootstrap, clustered by images that stay together; exact where few do.

Questions about one image share its luck, and so do those about its copies and the other images of its
listing: a split keeps them together, and so does each draw. Under 30 questions, 20 groups or 10 groups where
an answer is not as the rest, redrawing says too little (Bowyer et al., ICML 2025, "Don't use the CLT in LLM
evals with fewer than a few hundred datapoints"): there the interval is exact, for as many questions as the
groups are worth if all answers of a group agree (Kish 1965, "Survey sampling"). That errs on the wide side.

Exact intervals and p-values take counts that need not be whole: questions that share their luck count for
less than one each. Many p-values are corrected as Holm does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import beta

from vqa.pairs.pair import Pair

_TAIL = 0.025
_STEPS = (np.arange(800) + 0.5) / 800  # quantiles over which `difference_interval` integrates


def share_interval(right: float, count: float) -> tuple[float, float]:
    """Of a share that is `right` of `count` (Clopper & Pearson 1934, Biometrika 26)."""
    low = float(beta.ppf(_TAIL, right, count - right + 1)) if right > 0 else 0.0
    high = float(beta.ppf(1 - _TAIL, right + 1, count - right)) if right < count else 1.0
    return low, high


def difference_interval(gained: float, lost: float, count: float) -> tuple[float, float]:
    """Of (gained − lost) / count, of `count` questions asked of two systems.

    It holds zero exactly where McNemar's exact test finds no difference at 5 %. Source: Fay & Lumbard 2021,
    "Confidence intervals for difference in proportions for matched pairs compatible with exact McNemar's or
    sign tests", Statistics in Medicine 40(5).
    """
    return -_upper_bound(lost, gained, count), _upper_bound(gained, lost, count)


def _upper_bound(gained: float, lost: float, count: float) -> float:
    """The share of questions that the systems differ on, times what of them is gained less what is lost:
    both as uncertain as Clopper and Pearson's upper ends; where more is lost, the share's lower end."""
    differ = gained + lost
    won = beta.ppf(_STEPS, gained + 1, lost) if lost > 0 else np.ones(len(_STEPS))
    lead = 2 * won - 1  # [steps]

    def share_below(bound: float) -> float:
        """How likely share × lead is at most `bound`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            limit = np.clip(np.nan_to_num(bound / lead, nan=1.0), 0, 1)
        more = beta.cdf(limit, differ + 1, count - differ) if differ < count else (limit >= 1).astype(float)
        fewer = beta.sf(limit, differ, count - differ + 1) if differ > 0 else (limit <= 0).astype(float)
        reached = np.where(lead > 0, more if bound >= 0 else 0.0, fewer if bound < 0 else 1.0)
        return float(reached.mean())

    if share_below(1 - 1e-9) < 1 - _TAIL:
        return 1.0
    return float(brentq(lambda bound: share_below(bound) - (1 - _TAIL), -1, 1, xtol=1e-5))


def difference_p(gained: float, lost: float) -> float:
    """That two equal systems would differ so much: McNemar's test, exact (McNemar 1947, Psychometrika 12)."""
    fewer, differ = min(gained, lost), gained + lost
    # At most `fewer` of `differ` by tosses of a coin, by the beta distribution, which takes parts of one.
    return min(1.0, 2 * float(beta.cdf(0.5, differ - fewer, fewer + 1))) if differ > fewer else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """`p_values` of one table, each corrected for the others (Holm 1979, Scandinavian J. of Statistics 6)."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


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

"""How much of a result is the training seed's luck: spread, intervals, agreement.

Seeds and questions are crossed: every seed answers the same questions, and those about pictures that stay
together share their luck. So seeds are redrawn, then groups of pictures, each for itself (Owen 2007, "The
pigeonhole bootstrap", Annals of Applied Statistics 1(2); two levels: Davison & Hinkley 1997, section 3.8).
Why seeds belong in the interval: Bouthillier et al. 2021, "Accounting for variance in machine learning
benchmarks".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bartlett, studentized_range

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]

DRAWS = 10_000
FEWEST_QUESTIONS, FEWEST_GROUPS = 30, 20  # as evaluation.bootstrap has it: fewer are not redrawn
_DRAWS_AT_ONCE = 500
UNLIKE = 0.01  # below this probability settings' seeds do not spread alike


def interval(
    ours: Bits | Floats, sizes: Sequence[int], theirs: Bits | None = None, draws: int = DRAWS
) -> tuple[float, float]:
    """95 % interval of the mean of `ours`, or of its lead over the mean of `theirs`.

    One seed alone is not redrawn: then the interval is of groups only. What seeds and questions do together
    counts in both redraws, so the interval is rather too wide than too narrow (Owen 2007); but where few
    seeds differ by more than groups do it is too narrow, for a draw of three seeds never leaves their range.

    Args:
        ours: whether each seed's run is right, or by how much more than another system of the same seed,
            `[seeds, questions]`, questions sorted by group.
        sizes: questions in each group, `[groups]`.
        theirs: the same of another setting, `[its seeds, questions]`. The seeds of the two are drawn apart:
            the same number starts another training there.
    """
    groups, of_ours, of_theirs = np.random.SeedSequence(0).spawn(3)
    means = _drawn_means(ours, sizes, draws, groups, of_ours)
    if theirs is not None:
        means = means - _drawn_means(theirs, sizes, draws, groups, of_theirs)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def known_interval(
    ours: Bits | Floats, sizes: Sequence[int], theirs: Bits | None = None
) -> tuple[float, float] | None:
    """`interval`, where there are questions and groups enough to redraw (Bowyer et al. 2025, ICML)."""
    enough = sum(sizes) >= FEWEST_QUESTIONS and len(sizes) >= FEWEST_GROUPS
    return interval(ours, sizes, theirs) if enough else None


def _drawn_means(
    right: Bits | Floats,
    sizes: Sequence[int],
    draws: int,
    of_groups: np.random.SeedSequence,
    of_seeds: np.random.SeedSequence,
) -> Floats:
    """The mean in each draw `[draws]`; settings that are compared see the same drawn groups.

    Of n seeds n − 1 are drawn: n would make the variance of their mean too small by a part of 1 / n, a third
    for three seeds (Rao & Wu 1988, "Resampling inference with complex survey data").
    """
    seeds, groups = len(right), len(sizes)
    starts = np.cumsum([0, *sizes[:-1]])
    sums = np.add.reduceat(right.astype(float), starts, axis=1).T  # [groups, seeds]
    counts = np.array(sizes, dtype=float)
    draw_groups, draw_seeds = np.random.default_rng(of_groups), np.random.default_rng(of_seeds)
    drawn = max(1, seeds - 1)
    found = []
    for start in range(0, draws, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, draws - start)
        weights = draw_groups.multinomial(groups, np.full(groups, 1 / groups), size=size).astype(float)
        by_seed = (weights @ sums) / (weights @ counts)[:, None]  # [draws, seeds]
        chosen = draw_seeds.multinomial(drawn, np.full(seeds, 1 / seeds), size=size)
        found.append((by_seed * chosen).sum(axis=1) / drawn)
    return np.concatenate(found)


def pooled_deviation(by_setting: Sequence[Sequence[float]]) -> float | None:
    """Standard deviation between the seeds of one setting, of all settings together; None without two seeds.

    Args:
        by_setting: what each seed of each setting came to.
    """
    freedom = sum(len(values) - 1 for values in by_setting)
    if not freedom:
        return None
    squares = sum(float(((np.array(values) - np.mean(values)) ** 2).sum()) for values in by_setting)
    return float(np.sqrt(squares / freedom))


def spread_alike(by_setting: Sequence[Sequence[float]]) -> bool:
    """Whether seeds spread as widely in one setting as in another, as far as so few seeds can say.

    Bartlett's test at 1 % (Bartlett 1937), of the settings whose seeds differ at all.
    """
    differing = [values for values in by_setting if len(set(values)) > 1]
    return len(differing) < 2 or float(bartlett(*differing).pvalue) >= UNLIKE


def honest_differences(by_setting: Sequence[Sequence[float]]) -> Floats | None:
    """Means of two settings that lie closer than this are within seed noise: 5 % for all pairs together.

    Tukey's honest significant difference where seeds spread alike (Tukey 1949; Kramer 1956), else Games and
    Howell's (1976), which takes the spread of the pair's own two settings, so that one setting that
    breaks the training hides less of what others show.

    Returns:
        `[settings, settings]`, infinite where it needs the spread of a setting of one seed; None without two
        settings, or without two seeds of any.
    """
    deviation = pooled_deviation(by_setting)
    if deviation is None or len(by_setting) < 2:
        return None
    seeds = np.array(list(map(len, by_setting)), dtype=float)
    if spread_alike(by_setting):
        of_means = deviation**2 / seeds
        freedom: Floats | float = float((seeds - 1).sum())
    else:
        of_means = np.array([np.var(v, ddof=1) if len(v) > 1 else np.inf for v in by_setting]) / seeds
        freedom = _welch_freedom(of_means, seeds)
    both = of_means[:, None] + of_means
    reach = _studentized(len(by_setting), np.broadcast_to(freedom, both.shape)) * np.sqrt(both / 2)
    return np.where(np.isinf(both), np.inf, np.where(both == 0, 0.0, reach))


def _studentized(settings: int, freedom: Floats) -> Floats:
    """Quantile of the studentized range for each `freedom`, which counts as the hundredth below it."""
    hundredths, back = np.unique(np.floor(100 * freedom + 1e-6).astype(int), return_inverse=True)
    return np.array([_quantile(settings, int(value)) for value in hundredths])[back].reshape(freedom.shape)


@cache
def _quantile(settings: int, hundredths: int) -> float:
    return float(studentized_range.ppf(0.95, settings, hundredths / 100))  # takes 15 ms


def _welch_freedom(of_means: Floats, seeds: Floats) -> Floats:
    """Degrees of freedom of each pair whose means vary by `of_means`, `[settings, settings]` (Welch 1938).

    1 where that is not defined, for no seed differs or one is alone.
    """
    known = np.where(np.isinf(of_means), 0.0, of_means)
    squares = known**2 / np.maximum(seeds - 1, 1)
    both = squares[:, None] + squares
    with np.errstate(invalid="ignore"):
        return np.where(both > 0, (known[:, None] + known) ** 2 / np.where(both > 0, both, 1), 1.0)


@dataclass(frozen=True)
class Agreement:
    """How often seeds are right together, as shares of the questions."""

    all_right: float
    none_right: float
    two_agree: float  # of two seeds drawn at random: both right or both wrong


def agreement(right: Bits) -> Agreement:
    """Of `right` `[seeds, questions]`, two seeds or more."""
    pairs = [float((right[a] == right[b]).mean()) for a, b in combinations(range(len(right)), 2)]
    return Agreement(
        float(right.all(axis=0).mean()), float((~right).all(axis=0).mean()), float(np.mean(pairs))
    )

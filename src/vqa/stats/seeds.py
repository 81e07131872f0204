"""How much of a result is the training seed's luck: spread, intervals, agreement.

Seeds and questions are crossed: every seed answers the same questions, and those about images that stay
together share their luck. So seeds are redrawn, then groups of images, each for itself (Owen 2007, "The
pigeonhole bootstrap", Annals of Applied Statistics 1(2); two levels: Davison & Hinkley 1997, section 3.8).
Why seeds belong in the interval: Bouthillier et al. 2021, "Accounting for variance in machine learning
benchmarks".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bartlett, tukey_hsd

from vqa.stats.bootstrap import Floats, group_weights, is_enough

Bits = NDArray[np.bool_]

DRAWS = 10_000
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
    """`interval`, where there are questions and groups enough to redraw."""
    return interval(ours, sizes, theirs) if is_enough(sum(sizes), len(sizes)) else None


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
    means = []
    for weights in group_weights(draw_groups, draws, groups):
        by_seed = (weights @ sums) / (weights @ counts)[:, None]  # [draws, seeds]
        chosen = draw_seeds.multinomial(drawn, np.full(seeds, 1 / seeds), size=len(weights))
        means.append((by_seed * chosen).sum(axis=1) / drawn)
    return np.concatenate(means)


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
        `[settings, settings]`, infinite where one of the two has one seed, whose spread is not known; None
        without two settings, or without two seeds of any.
    """
    several = [place for place, values in enumerate(by_setting) if len(values) > 1]
    if len(by_setting) < 2 or not several:
        return None
    bounds = np.full((len(by_setting), len(by_setting)), np.inf)
    if len(several) > 1:
        groups = [by_setting[place] for place in several]
        with np.errstate(divide="ignore", invalid="ignore"):  # of settings whose seeds do not differ at all
            ends = tukey_hsd(*groups, equal_var=spread_alike(groups)).confidence_interval()
        bounds[np.ix_(several, several)] = np.nan_to_num((ends.high - ends.low) / 2, nan=0.0)
    return bounds


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

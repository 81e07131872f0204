"""95 % intervals and p-values where there is too little to redraw, and Holm's correction of many p-values.

Counts need not be whole: questions that share their luck count for less than one each (see `bootstrap`).
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta

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

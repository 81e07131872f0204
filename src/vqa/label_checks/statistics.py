"""Support levels in numbers, for metrics/verify.json.

How many labels are wrong, estimated from the few that people reviewed and the support levels of all.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from vqa.label_checks.checks import LabelChecks
from vqa.label_checks.vote import AGREES, CONTRADICTS
from vqa.pairs.pair import SUPPORT_LEVELS, Support

Floats = NDArray[np.float64]
_Z = 1.96
_FEWEST = 2  # reviewed pairs of a support level; below this there is no estimate


def accepted_by_support(
    support_levels: Sequence[str], wrong: Mapping[int, bool]
) -> dict[str, dict[str, Any]]:
    """Of each support level: reviewed pairs, the share that people accepted, and its 95 % Wilson interval.

    `wrong`: by number, whether a person rejected or corrected it, for each reviewed pair.
    Source of the interval: E. B. Wilson 1927.
    """
    by_level: dict[str, dict[str, Any]] = {}
    for support in SUPPORT_LEVELS:
        reviewed = [is_wrong for number, is_wrong in wrong.items() if support_levels[number] == support]
        if reviewed:
            accepted = len(reviewed) - sum(reviewed)
            interval = binomtest(accepted, len(reviewed)).proportion_ci(method="wilson")
            by_level[support] = {
                "reviewed": len(reviewed),
                "accepted": round(accepted / len(reviewed), 4),
                "low": round(float(interval.low), 4),
                "high": round(float(interval.high), 4),
            }
    return by_level


def label_noise(
    support_levels: Sequence[str], suspicion: Floats, wrong: Mapping[int, bool]
) -> dict[str, Any] | None:
    """The share of wrong labels among all, with a 95 % interval; None if a support level has too few reviews.

    Prediction-powered inference: the mean suspicion of all pairs, corrected by its error on the reviewed
    ones. It is computed within each support level, so that the order of review does not matter. The weight of
    the suspicion is chosen so that the interval is never wider than without it.
    Source: Angelopoulos et al. 2023, https://arxiv.org/abs/2301.09633; the weight: Angelopoulos, Duchi and
    Zrnic 2023, https://arxiv.org/abs/2311.01453.

    Args:
        suspicion: `[pairs]` the probability that each label is wrong, as estimated without people.
        wrong: by number, whether people found the label of a reviewed pair wrong.
    """
    total, value, variance = len(support_levels), 0.0, 0.0
    of_level = np.array(support_levels)
    for support in sorted(set(support_levels)):
        members = of_level == support
        reviewed = [number for number in wrong if support_levels[number] == support]
        if len(reviewed) < _FEWEST:
            return None
        truth = np.array([wrong[number] for number in reviewed], dtype=float)
        mean, of_mean = _powered(truth, suspicion[reviewed], suspicion[members])
        share = members.sum() / total
        value, variance = value + share * mean, variance + share**2 * of_mean
    error = _Z * sqrt(variance)
    return {
        "wrong": round(min(1.0, max(0.0, value)), 4),
        "low": round(max(0.0, value - error), 4),
        "high": round(min(1.0, value + error), 4),
        "reviewed": len(wrong),
    }


def _powered(truth: Floats, predicted: Floats, of_all: Floats) -> tuple[float, float]:
    """The mean of the truth among all, and that mean's variance."""
    count, spread = len(truth), float(of_all.var())
    weight = float(np.cov(truth, predicted)[0, 1]) / ((1 + count / len(of_all)) * spread) if spread else 0.0
    weight = min(1.0, max(0.0, weight))
    rest = truth - weight * predicted
    # Equal outcomes may be chance: the variance is at least that of the rule of succession.
    share = (truth.sum() + 1) / (count + 2)
    left = max(float(rest.var(ddof=1)), share * (1 - share) if truth.std() == 0 else 0.0)
    return float(rest.mean() + weight * of_all.mean()), left / count + weight**2 * spread / len(of_all)


def census(checks_run: LabelChecks, support_levels: Sequence[Support], count: int) -> dict[str, Any]:
    """Shares of the support levels among the first `count` pairs, in all and by type; counts of the votes."""
    by_type: dict[str, list[Support]] = defaultdict(list)
    for pair, support in zip(checks_run.pairs[:count], support_levels, strict=False):
        by_type[pair.question_type].append(support)
    checks = {
        check: {says: sum(one.says == says for one in votes[:count]) for says in (AGREES, CONTRADICTS)}
        for check, votes in checks_run.checks.items()
    }
    return {
        **_shares(support_levels[:count]),
        "by_type": {kind: _shares(of_type) for kind, of_type in sorted(by_type.items())},
        "label_checks": checks,
    }


def _shares(support_levels: Sequence[Support]) -> dict[str, Any]:
    counts = Counter(support.support for support in support_levels)
    shares = {support: round(counts[support] / len(support_levels), 4) for support in SUPPORT_LEVELS}
    needs_image = sum(support.needs_image for support in support_levels) / len(support_levels)
    return {"n": len(support_levels)} | shares | {"needs_image": round(needs_image, 4)}


def reviewed(
    checks_run: LabelChecks, support_levels: Sequence[Support], count: int, wrong: Sequence[bool]
) -> dict[str, Any]:
    """The share that people accepted at each support level, and the label noise of all pairs.

    Args:
        count: of the kept pairs, which come first; reviewed pairs follow, as they stood at their review.
        wrong: of each reviewed pair, whether people rejected or corrected it.
    """
    again = {pair.key for pair in checks_run.pairs[count:]}
    first = [number for number, pair in enumerate(checks_run.pairs[:count]) if pair.key not in again]
    numbers = [*first, *range(count, len(checks_run.pairs))]
    names = [support_levels[number].support for number in numbers]
    suspicion = 1 - np.array([checks_run.guesses[number].of_label for number in numbers])
    evaluated = {len(first) + place: is_wrong for place, is_wrong in enumerate(wrong)}
    noise = label_noise(names, suspicion, evaluated)
    return {"accepted": accepted_by_support(names, evaluated)} | ({"label_noise": noise} if noise else {})

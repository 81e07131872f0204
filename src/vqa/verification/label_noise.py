"""How many labels are wrong, estimated from the few that people looked at and the verdicts on all."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from vqa.pairs.verdicts import VERDICTS

Floats = NDArray[np.float64]
_Z = 1.96
_FEWEST = 2  # reviewed pairs of a verdict, below which nothing is said of it


def accepted_by_verdict(verdicts: Sequence[str], wrong: Mapping[int, bool]) -> dict[str, dict[str, Any]]:
    """Of each verdict: reviewed pairs, the share that people accepted, and its 95 % Wilson interval.

    `wrong`: by number, whether a person rejected or corrected it, for each reviewed pair.
    Source of the interval: E. B. Wilson 1927.
    """
    found: dict[str, dict[str, Any]] = {}
    for verdict in VERDICTS:
        seen = [is_wrong for number, is_wrong in wrong.items() if verdicts[number] == verdict]
        if seen:
            accepted = len(seen) - sum(seen)
            interval = binomtest(accepted, len(seen)).proportion_ci(method="wilson")
            found[verdict] = {
                "reviewed": len(seen),
                "accepted": round(accepted / len(seen), 4),
                "ci95": [round(float(interval.low), 4), round(float(interval.high), 4)],
            }
    return found


def label_noise(
    verdicts: Sequence[str], suspicion: Floats, wrong: Mapping[int, bool]
) -> dict[str, Any] | None:
    """The share of wrong labels among all, with a 95 % interval; None where a verdict has too few reviews.

    Prediction-powered inference: the mean suspicion of all pairs, corrected by how far it was off on those
    that people judged; here within each verdict, so that it does not matter which verdict they looked at
    first, and with the weight of the suspicion chosen so that the interval is never wider than without it.
    Source: Angelopoulos et al. 2023, https://arxiv.org/abs/2301.09633; the weight: Angelopoulos, Duchi and
    Zrnic 2023, https://arxiv.org/abs/2311.01453.

    Args:
        suspicion: `[pairs]` how likely each label is wrong, as a machine sees it, from 0 to 1.
        wrong: by number, what people found of the reviewed ones.
    """
    total, value, variance = len(verdicts), 0.0, 0.0
    of_verdict = np.array(verdicts)
    for verdict in sorted(set(verdicts)):
        members = of_verdict == verdict
        seen = [number for number in wrong if verdicts[number] == verdict]
        if len(seen) < _FEWEST:
            return None
        truth = np.array([wrong[number] for number in seen], dtype=float)
        mean, of_mean = _powered(truth, suspicion[seen], suspicion[members])
        share = members.sum() / total
        value, variance = value + share * mean, variance + share**2 * of_mean
    error = _Z * sqrt(variance)
    bounds = [round(max(0.0, value - error), 4), round(min(1.0, value + error), 4)]
    return {"wrong": round(min(1.0, max(0.0, value)), 4), "ci95": bounds, "reviewed": len(wrong)}


def _powered(truth: Floats, predicted: Floats, of_all: Floats) -> tuple[float, float]:
    """The mean of the truth among all, and that mean's variance."""
    count, spread = len(truth), float(of_all.var())
    weight = float(np.cov(truth, predicted)[0, 1]) / ((1 + count / len(of_all)) * spread) if spread else 0.0
    weight = min(1.0, max(0.0, weight))
    rest = truth - weight * predicted
    # All alike by chance is no certainty: at least the variance that the rule of succession leaves.
    share = (truth.sum() + 1) / (count + 2)
    left = max(float(rest.var(ddof=1)), share * (1 - share) if truth.std() == 0 else 0.0)
    return float(rest.mean() + weight * of_all.mean()), left / count + weight**2 * spread / len(of_all)

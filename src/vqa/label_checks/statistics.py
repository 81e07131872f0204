"""Support levels in numbers, for metrics/verify.json."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from vqa.label_checks.checks import LabelChecks
from vqa.label_checks.label_noise import accepted_by_support, label_noise
from vqa.label_checks.vote import AGREES, CONTRADICTS
from vqa.pairs.support import SUPPORT_LEVELS, Support


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

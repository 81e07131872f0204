"""Verdicts in numbers, for metrics/verify.json."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from vqa.pairs.verdicts import VERDICTS, Verdict
from vqa.verification.hearing import Hearing
from vqa.verification.label_noise import accepted_by_verdict, label_noise
from vqa.verification.statement import AGREES, CONTRADICTS


def census(hearing: Hearing, verdicts: Sequence[Verdict], count: int) -> dict[str, Any]:
    """Of the first `count` pairs: shares of each verdict, over all and by question type; witnesses' words."""
    by_type: dict[str, list[Verdict]] = defaultdict(list)
    for pair, verdict in zip(hearing.pairs[:count], verdicts, strict=False):
        by_type[pair.question_type].append(verdict)
    witnesses = {
        witness: {says: sum(one.says == says for one in said[:count]) for says in (AGREES, CONTRADICTS)}
        for witness, said in hearing.witnesses.items()
    }
    return {
        **_shares(verdicts[:count]),
        "by_type": {kind: _shares(of_type) for kind, of_type in sorted(by_type.items())},
        "witnesses": witnesses,
    }


def _shares(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    counts = Counter(verdict.verdict for verdict in verdicts)
    shares = {verdict: round(counts[verdict] / len(verdicts), 4) for verdict in VERDICTS}
    needs_picture = sum(verdict.needs_picture for verdict in verdicts) / len(verdicts)
    return {"n": len(verdicts)} | shares | {"needs_picture": round(needs_picture, 4)}


def reviewed(
    hearing: Hearing, verdicts: Sequence[Verdict], count: int, wrong: Sequence[bool]
) -> dict[str, Any]:
    """What people accepted of each verdict, and the label noise of all pairs.

    Args:
        count: pairs that are kept; those after them were reviewed, as they stood before.
        wrong: of each of the latter, whether people rejected or corrected it.
    """
    again = {pair.key for pair in hearing.pairs[count:]}
    first = [number for number, pair in enumerate(hearing.pairs[:count]) if pair.key not in again]
    numbers = [*first, *range(count, len(hearing.pairs))]
    names = [verdicts[number].verdict for number in numbers]
    suspicion = 1 - np.array([hearing.guesses[number].of_label for number in numbers])
    judged = {len(first) + place: is_wrong for place, is_wrong in enumerate(wrong)}
    noise = label_noise(names, suspicion, judged)
    return {"accepted": accepted_by_verdict(names, judged)} | ({"label_noise": noise} if noise else {})

"""The same judgement on some held-out pairs: those whose label is confirmed, those that need the picture."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa.evaluation.comparison import judgement
from vqa.pairs.pair import Pair
from vqa.pairs.verdicts import CONFIRMED, Verdict
from vqa.scoring.scores import Scores


def judged_subsets(
    pairs: Sequence[Pair],
    scores: Mapping[str, Scores],
    verdicts: Sequence[Verdict],
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Subset → its pairs (`n`), each system's exact match, and the differences, all with their intervals.

    A subset without a pair is left out.
    """
    chosen = {
        "confirmed": np.array([verdict.verdict == CONFIRMED for verdict in verdicts]),
        "needs_picture": np.array([verdict.needs_picture for verdict in verdicts]),
    }
    return {name: _judged(pairs, scores, of, draws, seed) for name, of in chosen.items() if of.any()}


def _judged(
    pairs: Sequence[Pair], scores: Mapping[str, Scores], chosen: NDArray[np.bool_], draws: int, seed: int
) -> dict[str, Any]:
    some = [pair for pair, is_chosen in zip(pairs, chosen, strict=True) if is_chosen]
    of_some = {
        system: Scores(**{field.name: getattr(every, field.name)[chosen] for field in fields(Scores)})
        for system, every in scores.items()
    }
    _, details = judgement(some, of_some, draws, seed)
    over_all = {
        group: {name: by_type["all"] for name, by_type in details[group].items()}
        for group in ("systems", "differences")
    }
    return {"n": len(some)} | over_all

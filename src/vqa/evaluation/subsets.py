"""The same comparison on some held-out pairs: those whose label is supported, those that need the image."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa.evaluation.comparison import compare_systems
from vqa.pairs.pair import Pair
from vqa.pairs.support import SUPPORTED, Support
from vqa.scoring.scores import Scores


def compare_on_subsets(
    pairs: Sequence[Pair],
    scores: Mapping[str, Scores],
    support_levels: Sequence[Support],
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Subset → its pairs (`n`), each system's exact match, and the differences, all with their intervals.

    A subset without a pair is left out.
    """
    chosen = {
        "supported": np.array([support.support == SUPPORTED for support in support_levels]),
        "needs_image": np.array([support.needs_image for support in support_levels]),
    }
    return {name: _evaluated(pairs, scores, of, draws, seed) for name, of in chosen.items() if of.any()}


def _evaluated(
    pairs: Sequence[Pair], scores: Mapping[str, Scores], chosen: NDArray[np.bool_], draws: int, seed: int
) -> dict[str, Any]:
    some = [pair for pair, is_chosen in zip(pairs, chosen, strict=True) if is_chosen]
    of_some = {
        system: Scores(**{field.name: getattr(every, field.name)[chosen] for field in fields(Scores)})
        for system, every in scores.items()
    }
    _, details = compare_systems(some, of_some, draws, seed)
    over_all = {
        group: {name: by_type["all"] for name, by_type in details[group].items()}
        for group in ("systems", "differences")
    }
    return {"n": len(some)} | over_all

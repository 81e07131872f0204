"""Scores of systems → summaries, differences and their intervals, over all and by question type."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa.evaluation.bootstrap import Columns
from vqa.evaluation.systems import DIFFERENCES
from vqa.pairs.pair import Pair
from vqa.scoring.scores import Floats, Scores

_COMPARED = ("bert_score_f1", "exact_match", "contains")


def judgement(pairs: Sequence[Pair], scores: Mapping[str, Scores], draws: int, seed: int) -> dict[str, Any]:
    """Every system's summary, and each of DIFFERENCES that is between two of them."""
    return {
        **{system: summary(pairs, of_system) for system, of_system in scores.items()},
        **{
            difference.key: differences(
                pairs, scores[difference.ours.key], scores[difference.theirs.key], draws, seed
            )
            for difference in DIFFERENCES
            if {difference.ours.key, difference.theirs.key} <= scores.keys()
        },
        "data": {"test_pairs": len(pairs), "test_images": len({pair.image_name for pair in pairs})},
    }


def summary(pairs: Sequence[Pair], scores: Scores) -> dict[str, Any]:
    """Means over all pairs and per question type."""
    return {
        **{field.name: _mean(getattr(scores, field.name)) for field in fields(Scores)},
        "n": len(pairs),
        "by_type": {
            kind: {
                "bert_score_f1": _mean(scores.bert_score_f1[chosen]),
                "exact_match": _mean(scores.exact_match[chosen]),
                "n": int(chosen.sum()),
            }
            for kind, chosen in types_of(pairs).items()
        },
    }


def differences(
    pairs: Sequence[Pair], ours: Scores, theirs: Scores, draws: int, seed: int
) -> dict[str, dict[str, Any]]:
    """`ours - theirs` in each headline score, with 95 % intervals."""
    columns = Columns(pairs)
    found: dict[str, dict[str, Any]] = {}
    for name in _COMPARED:
        a, b = getattr(ours, name), getattr(theirs, name)
        columns.add(a - b)
        base = float(b.mean())
        value = float((a - b).mean())
        found[name] = {"value": round(value, 4), "relative": round(value / base, 4) if base else None}
    for name, bounds in zip(_COMPARED, columns.bounds(draws, seed), strict=True):
        found[name]["ci95"] = bounds
    return found


def details(pairs: Sequence[Pair], scores: Mapping[str, Scores], draws: int, seed: int) -> dict[str, Any]:
    """Exact match with intervals: each system's, over all and by type, and each difference's by type.

    What the report page shows and `dvc metrics diff` should not list.
    """
    types = {"all": np.ones(len(pairs), dtype=bool)} | types_of(pairs)
    columns = Columns(pairs)
    rows: list[tuple[str, str, str, float, int]] = []
    series = {("systems", name): of_system.exact_match for name, of_system in scores.items()}
    for difference in DIFFERENCES:
        ours, theirs = difference.ours.key, difference.theirs.key
        if {ours, theirs} <= scores.keys():
            series["differences", difference.key] = scores[ours].exact_match - scores[theirs].exact_match
    for (group, name), values in series.items():
        for kind, chosen in types.items():
            columns.add(values, chosen)
            rows.append((group, name, kind, float(values[chosen].mean()), int(chosen.sum())))
    found: dict[str, Any] = {"systems": {}, "differences": {}}
    for (group, name, kind, value, n), bounds in zip(rows, columns.bounds(draws, seed), strict=True):
        entry: dict[str, Any] = {"exact_match": round(value, 4), "ci95": bounds, "n": n}
        if group == "differences":
            entry["sign"] = (bounds[0] > 0) - (bounds[1] < 0)  # 0: the interval holds zero
        found[group].setdefault(name, {})[kind] = entry
    return found


def types_of(pairs: Sequence[Pair]) -> dict[str, NDArray[np.bool_]]:
    """Question type → which pairs have it `[pairs]`."""
    types = np.array([pair.question_type for pair in pairs])
    return {str(kind): types == kind for kind in np.unique(types)}


def _mean(values: Floats) -> float:
    return round(float(values.mean()), 4)

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


def judgement(
    pairs: Sequence[Pair], scores: Mapping[str, Scores], draws: int, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What metrics/evaluate.json holds, and what metrics/details.json does.

    The first: every system's summary, and each of DIFFERENCES that is between two of them. The second, which
    the report page shows and `dvc metrics diff` should not list: exact match with intervals, each system's
    over all and by type, and each difference's by type. All intervals come from the same drawn pictures.
    """
    columns = Columns(pairs)
    compared = {
        difference.key: (scores[difference.ours.key], scores[difference.theirs.key])
        for difference in DIFFERENCES
        if {difference.ours.key, difference.theirs.key} <= scores.keys()
    }
    deltas = {key: _added_differences(columns, ours, theirs) for key, (ours, theirs) in compared.items()}
    series = {("systems", name): of_system.exact_match for name, of_system in scores.items()}
    for key, (ours, theirs) in compared.items():
        series["differences", key] = ours.exact_match - theirs.exact_match
    types = {"all": np.ones(len(pairs), dtype=bool)} | types_of(pairs)
    entries = {name: _added_by_type(columns, values, types) for name, values in series.items()}
    bounds = columns.bounds(draws, seed)

    found: dict[str, Any] = {system: summary(pairs, of_system) for system, of_system in scores.items()}
    found |= {key: _bounded(of_scores, bounds) for key, of_scores in deltas.items()}
    found["data"] = {"test_pairs": len(pairs), "test_images": len({pair.image_name for pair in pairs})}
    details: dict[str, Any] = {"systems": {}, "differences": {}}
    for (group, name), by_type in entries.items():
        details[group][name] = _bounded(by_type, bounds)
    for entry in (entry for by_type in details["differences"].values() for entry in by_type.values()):
        low, high = entry["ci95"]
        entry["sign"] = (low > 0) - (high < 0)  # 0: the interval holds zero
    return found, details


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
    return _bounded(_added_differences(columns, ours, theirs), columns.bounds(draws, seed))


def _added_differences(columns: Columns, ours: Scores, theirs: Scores) -> dict[str, dict[str, Any]]:
    """As `differences`, each with the number of its column in place of the interval."""
    found: dict[str, dict[str, Any]] = {}
    for name in _COMPARED:
        a, b = getattr(ours, name), getattr(theirs, name)
        base, value = float(b.mean()), float((a - b).mean())
        found[name] = {"value": round(value, 4), "relative": round(value / base, 4) if base else None}
        found[name]["ci95"] = columns.add(a - b)
    return found


def _added_by_type(
    columns: Columns, values: Floats, types: Mapping[str, NDArray[np.bool_]]
) -> dict[str, dict[str, Any]]:
    """The means of `values` [pairs] by type, each with the number of its column in place of the interval."""
    return {
        kind: {
            "exact_match": round(float(values[chosen].mean()), 4),
            "ci95": columns.add(values, chosen),
            "n": int(chosen.sum()),
        }
        for kind, chosen in types.items()
    }


def _bounded(entries: dict[str, dict[str, Any]], bounds: Sequence[list[float]]) -> dict[str, dict[str, Any]]:
    return {name: entry | {"ci95": bounds[entry["ci95"]]} for name, entry in entries.items()}


def types_of(pairs: Sequence[Pair]) -> dict[str, NDArray[np.bool_]]:
    """Question type → which pairs have it `[pairs]`."""
    types = np.array([pair.question_type for pair in pairs])
    return {str(kind): types == kind for kind in np.unique(types)}


def _mean(values: Floats) -> float:
    return round(float(values.mean()), 4)

"""Scores of systems → summaries, differences and their intervals, over all and by question type.

The same comparison on some held-out pairs: those whose label is supported, those that need the image.

Anyone's predictions, in a CSV of their own → scores, beside another's if there is one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa.evaluation.systems import DIFFERENCES
from vqa.pairs.pair import SUPPORTED, Pair, Support
from vqa.pairs.predictions import align, read_predictions
from vqa.scoring.bertscore import BertScorer
from vqa.scoring.scores import Floats, Scores, score_texts
from vqa.stats.bootstrap import ClusterBootstrap, Interval, Kind, holm

_COMPARED = ("bert_score_f1", "exact_match", "contains")
_LEVEL = 0.05


def compare_systems(
    pairs: Sequence[Pair], scores: Mapping[str, Scores], draws: int, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What metrics/evaluate.json holds, and what metrics/details.json does.

    The first: every system's summary, and each of DIFFERENCES that is between two of them. The second, which
    the report page shows and `dvc metrics diff` should not list: exact match with intervals, each system's
    over all and by type, and each difference's by type, with its sign where it is told from zero: that any
    sign is wrong has a probability of 5 % (Holm). All intervals come from the same drawn groups of images.
    """
    columns = ClusterBootstrap(pairs)
    compared = {
        difference.key: (scores[difference.ours.key], scores[difference.theirs.key])
        for difference in DIFFERENCES
        if {difference.ours.key, difference.theirs.key} <= scores.keys()
    }
    deltas = {key: _added_differences(columns, ours, theirs) for key, (ours, theirs) in compared.items()}
    types = {"all": np.ones(len(pairs), dtype=bool)} | group_by_type(pairs)
    shares = {name: _added_by_type(columns, s.exact_match, "share", types) for name, s in scores.items()}
    gains = {
        key: _added_by_type(columns, ours.exact_match - theirs.exact_match, "gain", types)
        for key, (ours, theirs) in compared.items()
    }
    intervals = columns.intervals(draws, seed)

    metrics: dict[str, Any] = {system: summary(pairs, of_system) for system, of_system in scores.items()}
    metrics |= {key: _bounded_differences(of_scores, intervals) for key, of_scores in deltas.items()}
    metrics["data"] = {
        "test_pairs": len(pairs),
        "test_images": len({pair.image_name for pair in pairs}),
        "test_groups": len({pair.together for pair in pairs}),
        "test_pairs_with_second_answer": sum(bool(pair.also_right) for pair in pairs),
    }
    details = {
        "systems": {name: _bounded_by_type(by_type, intervals) for name, by_type in shares.items()},
        "differences": {key: _bounded_by_type(by_type, intervals) for key, by_type in gains.items()},
    }
    _add_signs([entry for by_type in details["differences"].values() for entry in by_type.values()])
    return metrics, details


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
            for kind, chosen in group_by_type(pairs).items()
        },
    }


def differences(
    pairs: Sequence[Pair], ours: Scores, theirs: Scores, draws: int, seed: int
) -> dict[str, dict[str, Any]]:
    """`ours - theirs` in each headline score, with 95 % intervals."""
    columns = ClusterBootstrap(pairs)
    return _bounded_differences(_added_differences(columns, ours, theirs), columns.intervals(draws, seed))


def _added_differences(columns: ClusterBootstrap, ours: Scores, theirs: Scores) -> dict[str, dict[str, Any]]:
    """As `differences`, each with the number of its column in place of the interval."""
    entries: dict[str, dict[str, Any]] = {}
    for name in _COMPARED:
        a, b = getattr(ours, name), getattr(theirs, name)
        base, value = float(b.mean()), float((a - b).mean())
        entries[name] = {"value": round(value, 4), "relative": round(value / base, 4) if base else None}
        entries[name]["column"] = columns.add(a - b, "mean" if name == "bert_score_f1" else "gain")
    return entries


def _added_by_type(
    columns: ClusterBootstrap, values: Floats, kind_of_mean: Kind, types: Mapping[str, NDArray[np.bool_]]
) -> dict[str, dict[str, Any]]:
    """The means of `values` [pairs] by type, each with the number of its column in place of the interval."""
    return {
        kind: {
            "exact_match": round(float(values[chosen].mean()), 4),
            "column": columns.add(values, kind_of_mean, chosen),
        }
        for kind, chosen in types.items()
    }


def _bounded_differences(
    entries: Mapping[str, dict[str, Any]], intervals: Sequence[Interval]
) -> dict[str, dict[str, Any]]:
    """Each with its interval, and the smallest true difference that this test set would show (power 80 %)."""
    bounded = {name: dict(entry) for name, entry in entries.items()}
    for entry in bounded.values():
        interval = intervals[entry.pop("column")]
        entry.update(interval.bounds, minimum_detectable_effect=interval.minimum_detectable_effect)
    return bounded


def _bounded_by_type(
    entries: Mapping[str, dict[str, Any]], intervals: Sequence[Interval]
) -> dict[str, dict[str, Any]]:
    """Each with its interval, what that comes from, and of a difference the p-value."""
    bounded = {kind: dict(entry) for kind, entry in entries.items()}
    for entry in bounded.values():
        interval = intervals[entry.pop("column")]
        entry.update(interval.bounds, n=interval.questions, groups=interval.groups)
        entry["is_exact"] = interval.is_exact
        if interval.p is not None:
            entry["p"] = interval.p
    return bounded


def _add_signs(entries: Sequence[dict[str, Any]]) -> None:
    """Correct the p-values of a table for each other; a sign is 0 where the corrected one is 5 % or more."""
    for entry, p in zip(entries, holm([entry["p"] for entry in entries]), strict=True):
        entry["p"] = round(p, 4)
        entry["sign"] = int(np.sign(entry["exact_match"])) if p < _LEVEL else 0


def group_by_type(pairs: Sequence[Pair]) -> dict[str, NDArray[np.bool_]]:
    """Question type → which pairs have it `[pairs]`."""
    types = np.array([pair.question_type for pair in pairs])
    return {str(kind): types == kind for kind in np.unique(types)}


def _mean(values: Floats) -> float:
    return round(float(values.mean()), 4)


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


def scores_of_file(
    path: Path,
    other: Path | None,
    named: Mapping[str, str],
    load_scorer: Callable[[], BertScorer],
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """The summary of the file's answers; with `other`, of the same rows, both and the difference.

    `named`: our column → what the files call it. The encoder is loaded once both files were read.

    Raises:
        InputError: a file has no answers, or the two answer different questions.
    """
    ours = read_predictions(path, named)
    theirs = align(ours, read_predictions(other, named)) if other else None
    scorer = load_scorer()
    scores = score_texts(ours.pairs, ours.texts, scorer)
    metrics = summary(ours.pairs, scores) | {"data": ours.counts()}
    if theirs is None:
        return metrics
    others = score_texts(theirs.pairs, theirs.texts, scorer)
    against = summary(theirs.pairs, others) | {"data": theirs.counts()}
    delta = differences(ours.pairs, scores, others, draws, seed)
    return {"predictions": metrics, "against": against, "delta": delta}

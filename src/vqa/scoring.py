"""Answers → scores: exact match, contains, BERTScore, per question type; intervals on differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa.bertscore import BertScorer
from vqa.intervals import Columns
from vqa.pairs import Pair, first_word, normal_form

Floats = NDArray[np.float64]
# What the adapter is compared with, by the key under which the difference stands.
AGAINST = {
    "delta": "baseline",
    "delta_to_blind": "blind",
    "delta_to_wrong_image": "wrong_image",
    "delta_to_text_only": "text_only",
}
_COMPARED = ("bert_score_f1", "exact_match", "contains")


@dataclass(frozen=True)
class Scores:
    """Per-pair scores of one system, each `[pairs]`, in the order of the pairs."""

    exact_match: Floats  # 0 or 1, on the normal form
    contains: Floats  # 0 or 1: the right word anywhere in the whole generated text
    bert_score_precision: Floats  # rescaled: 0 for unrelated words, 1 for equal ones
    bert_score_recall: Floats
    bert_score_f1: Floats


def scores_of_systems(
    pairs: Sequence[Pair], texts: Mapping[str, Sequence[str]], scorer: BertScorer
) -> dict[str, Scores]:
    """Each system's scores; the systems are scored together, so that no string is embedded twice."""
    repeated = [pair for _ in texts for pair in pairs]
    together = vars(scores_of(repeated, [text for said in texts.values() for text in said], scorer))
    count = len(pairs)
    return {
        system: Scores(**{name: values[i * count : (i + 1) * count] for name, values in together.items()})
        for i, system in enumerate(texts)
    }


def scores_of(pairs: Sequence[Pair], texts: Sequence[str], scorer: BertScorer) -> Scores:
    """Score generated texts against the pairs' answers; the answer is a text's first word.

    BERTScore too sees normal forms, so that an exact match scores 1 whatever its case.
    """
    references = [normal_form(pair.answer) for pair in pairs]
    answers = [normal_form(first_word(text)) for text in texts]
    words = [normal_form(text).split() for text in texts]
    bert = scorer.scores(answers, references)  # [pairs, 3]
    # An empty answer is a failure, also where nothing is left of the reference.
    exact = [a == r != "" for a, r in zip(answers, references, strict=True)]
    contains = [e or r in w for e, r, w in zip(exact, references, words, strict=True)]
    return Scores(
        np.array(exact, dtype=float), np.array(contains, dtype=float), bert[:, 0], bert[:, 1], bert[:, 2]
    )


def judgement(pairs: Sequence[Pair], scores: Mapping[str, Scores], draws: int, seed: int) -> dict[str, Any]:
    """Every system's summary, and what the adapter adds to each of AGAINST that is among the systems."""
    compared = {key: other for key, other in AGAINST.items() if other in scores}
    return {
        **{system: summary(pairs, of_system) for system, of_system in scores.items()},
        **{
            key: differences(pairs, scores["lora"], scores[other], draws, seed)
            for key, other in compared.items()
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
    for key, other in AGAINST.items():
        if other in scores:
            series["differences", key] = scores["lora"].exact_match - scores[other].exact_match
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

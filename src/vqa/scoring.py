"""Answers → scores: exact match, contains, BERTScore, per question type; intervals on differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa.bertscore import BertScorer
from vqa.pairs import Pair, first_word, normal_form

Floats = NDArray[np.float64]
_DRAWS_AT_ONCE = 1000  # bounds the bootstrap's memory at draws × images × 8 bytes


@dataclass(frozen=True)
class Scores:
    """Per-pair scores of one system, each `[pairs]`, in the order of the pairs."""

    exact_match: Floats  # 0 or 1, on the normal form
    contains: Floats  # 0 or 1: the right word anywhere in the whole generated text
    precision: Floats  # BERTScore, rescaled
    recall: Floats
    f1: Floats


def scores_of(pairs: Sequence[Pair], texts: Sequence[str], scorer: BertScorer) -> Scores:
    """Score generated texts against the pairs' answers; the answer is a text's first word.

    BERTScore too sees normal forms, so that an exact match scores 1 whatever its case.
    """
    references = [normal_form(pair.answer) for pair in pairs]
    answers = [normal_form(first_word(text)) for text in texts]
    words = [normal_form(text).split() for text in texts]
    bert = scorer.scores(answers, references)  # [pairs, 3]
    return Scores(
        exact_match=np.array([a == r for a, r in zip(answers, references, strict=True)], dtype=float),
        contains=np.array([r in w for w, r in zip(words, references, strict=True)], dtype=float),
        precision=bert[:, 0],
        recall=bert[:, 1],
        f1=bert[:, 2],
    )


def judgement(pairs: Sequence[Pair], scores: dict[str, Scores], draws: int, seed: int) -> dict[str, Any]:
    """Every system's summary, and what the adapter adds to the base, to itself blind and to text alone.

    `scores`: by system; `baseline`, `lora`, `blind` and `text_only` must be among them.
    """
    against = {"delta": "baseline", "delta_to_blind": "blind", "delta_to_text_only": "text_only"}
    return {
        **{system: summary(pairs, of_system) for system, of_system in scores.items()},
        **{
            key: differences(pairs, scores["lora"], scores[other], draws, seed)
            for key, other in against.items()
        },
        "data": {"test_pairs": len(pairs), "test_images": len({pair.image_name for pair in pairs})},
    }


def summary(pairs: Sequence[Pair], scores: Scores) -> dict[str, Any]:
    """Means over all pairs and per question type."""
    types = np.array([pair.question_type for pair in pairs])
    return {
        "bert_score_f1": _mean(scores.f1),
        "bert_score_precision": _mean(scores.precision),
        "bert_score_recall": _mean(scores.recall),
        "exact_match": _mean(scores.exact_match),
        "contains": _mean(scores.contains),
        "n": len(pairs),
        "by_type": {
            str(name): {
                "bert_score_f1": _mean(scores.f1[types == name]),
                "exact_match": _mean(scores.exact_match[types == name]),
                "n": int((types == name).sum()),
            }
            for name in np.unique(types)
        },
    }


def differences(
    pairs: Sequence[Pair], ours: Scores, theirs: Scores, draws: int, seed: int
) -> dict[str, dict[str, Any]]:
    """`ours - theirs` in each headline score, with 95 % intervals."""
    compared = {
        "bert_score_f1": (ours.f1, theirs.f1),
        "exact_match": (ours.exact_match, theirs.exact_match),
        "contains": (ours.contains, theirs.contains),
    }
    return {name: _difference(pairs, a, b, draws, seed) for name, (a, b) in compared.items()}


def _difference(pairs: Sequence[Pair], ours: Floats, theirs: Floats, draws: int, seed: int) -> dict[str, Any]:
    """Mean of `ours - theirs` with a 95 % paired bootstrap interval, clustered by picture.

    Pictures are drawn, not pairs: questions about one picture share its luck.
    """
    images, cluster = np.unique([pair.image_name for pair in pairs], return_inverse=True)
    sums = np.bincount(cluster, weights=ours - theirs)  # [images]
    sizes = np.bincount(cluster)
    rng = np.random.default_rng(seed)
    means = []
    for start in range(0, draws, _DRAWS_AT_ONCE):
        count = min(_DRAWS_AT_ONCE, draws - start)
        weights = rng.multinomial(len(images), np.full(len(images), 1 / len(images)), size=count)
        means.append((weights @ sums) / (weights @ sizes))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    base = float(theirs.mean())
    value = float((ours - theirs).mean())
    return {
        "value": round(value, 4),
        "relative": round(value / base, 4) if base else None,
        "ci95": [round(float(low), 4), round(float(high), 4)],
    }


def _mean(values: Floats) -> float:
    return round(float(values.mean()), 4)

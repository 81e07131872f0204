"""Metrics of every system on four pairs, as evaluate writes them, from answers that are written by hand."""

from typing import Any

import numpy as np

from vqa.evaluation.comparison import compare_on_subsets, compare_systems
from vqa.pairs.answer_normalization import first_word, normalize_answer
from vqa.pairs.pair import Pair, Support
from vqa.scoring.scores import Scores

PAIRS = [
    Pair("a.jpg", "What color?", "red", "color"),
    Pair("a.jpg", "How many <b>?", "2", "count"),
    Pair("b.jpg", "What color?", "blue", "color"),
    Pair("b.jpg", "Which color?", "</script>", "color"),
]
TEXTS = {
    "baseline": ["it is red", "3", "blue", ""],
    "lora": ["red", "2", "teal", ""],
    "zero_image": ["red", "3", "red", ""],
    "shuffled_image": ["blue", "3", "red", ""],
    "image_only": ["red", "red", "blue", "blue"],
    "question_only": ["red", "2", "red", ""],
    "majority": ["red", "2", "red", ""],
}


def scores(texts: list[str]) -> Scores:
    """Exact match and contains as everywhere; BERTScore says what exact match says."""
    right = [normalize_answer(pair.answer) for pair in PAIRS]
    exact = np.array(
        [normalize_answer(first_word(text)) == r for text, r in zip(texts, right, strict=True)], float
    )
    contains = np.array(
        [r in normalize_answer(text).split() for text, r in zip(texts, right, strict=True)], float
    )
    official = exact * np.array([1, 0, 1, 1])  # they say no to the second pair, whoever answers it
    return Scores(exact, official, contains, exact, exact, exact)


SCORES = {system: scores(texts) for system, texts in TEXTS.items()}
SUPPORT_LEVELS = [
    Support("supported", needs_image=False),
    Support("unchecked", needs_image=True),
    Support("supported", needs_image=True),
    Support("conflicting", needs_image=True),
]
_METRICS, DETAILS = compare_systems(PAIRS, SCORES, 200, 0)
DETAILS["subsets"] = compare_on_subsets(PAIRS, SCORES, SUPPORT_LEVELS, 200, 0)
METRICS: dict[str, Any] = _METRICS | {"others": {}}

"""Metrics of every system on four pairs, as evaluate writes them, from answers that are written by hand."""

from typing import Any

import numpy as np

from vqa.evaluation.comparison import judgement
from vqa.evaluation.subsets import judged_subsets
from vqa.pairs.normal_form import first_word, normal_form
from vqa.pairs.pair import Pair
from vqa.pairs.verdicts import Verdict
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
    "blind": ["red", "3", "red", ""],
    "wrong_image": ["blue", "3", "red", ""],
    "picture_alone": ["red", "red", "blue", "blue"],
    "text_only": ["red", "2", "red", ""],
    "majority": ["red", "2", "red", ""],
}


def scores(texts: list[str]) -> Scores:
    """Exact match and contains as everywhere; BERTScore says what exact match says."""
    right = [normal_form(pair.answer) for pair in PAIRS]
    exact = np.array(
        [normal_form(first_word(text)) == r for text, r in zip(texts, right, strict=True)], float
    )
    contains = np.array([r in normal_form(text).split() for text, r in zip(texts, right, strict=True)], float)
    official = exact * np.array([1, 0, 1, 1])  # they say no to the second pair, whoever answers it
    return Scores(exact, official, contains, exact, exact, exact)


SCORES = {system: scores(texts) for system, texts in TEXTS.items()}
VERDICTS = [
    Verdict("confirmed", needs_picture=False),
    Verdict("unknown", needs_picture=True),
    Verdict("confirmed", needs_picture=True),
    Verdict("disputed", needs_picture=True),
]
_METRICS, DETAILS = judgement(PAIRS, SCORES, 200, 0)
DETAILS["subsets"] = judged_subsets(PAIRS, SCORES, VERDICTS, 200, 0)
METRICS: dict[str, Any] = _METRICS | {"others": {}}

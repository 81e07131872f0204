"""Answers → scores, one a pair: exact match, also under the official rules, contains, BERTScore."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa.pairs.normal_form import exact_match, first_word, normal_form
from vqa.pairs.pair import Pair
from vqa.scoring.bertscore import BertScorer
from vqa.scoring.vqa_rules import is_right_by_vqa_rules

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Per-pair scores of one system, each `[pairs]`, in the order of the pairs."""

    exact_match: Floats  # 0 or 1, on the normal form
    vqa_rules: Floats  # 0 or 1: exact match under the official VQA rules
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
    firsts = [first_word(text) for text in texts]
    answers = [normal_form(first) for first in firsts]
    words = [normal_form(text).split() for text in texts]
    bert = scorer.scores(answers, references)  # [pairs, 3]
    exact = [exact_match(a, r) for a, r in zip(answers, references, strict=True)]
    official = [is_right_by_vqa_rules(f, pair.answer) for f, pair in zip(firsts, pairs, strict=True)]
    contains = [e or r in w for e, r, w in zip(exact, references, words, strict=True)]
    is_right = np.array([exact, official, contains], dtype=float)
    return Scores(is_right[0], is_right[1], is_right[2], bert[:, 0], bert[:, 1], bert[:, 2])

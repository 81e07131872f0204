"""Answers → scores, one a pair: exact match, also under the official rules, contains, BERTScore.

The forms of the official VQA rules, to score under them beside our own.

Source: VQA v2.0 evaluation, https://github.com/GT-Vision-Lab/VQA (PythonEvaluationTools, vqaEval.py). There
an answer counts in thirds of ten people's, and theirs are put into this form unless they all agree; here
there mostly is one label, so an answer is right or wrong, and labels are always put into the form.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa.pairs.answer_normalization import compared_part, exact_match, listed_answers, normalize_answer
from vqa.pairs.pair import Pair
from vqa.scoring.bertscore import BertScorer

PEOPLE = 10  # who answered each question of VQAv2
_ENOUGH = 3  # of them make an answer wholly right

_NUMBERS = {"none": "0"} | {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
}
_ARTICLES = {"a", "an", "the"}
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_POINT = re.compile(r"\.(?!\d)")
# Words that are the same with and without their apostrophes; all others (women's, womens) differ.
_CONTRACTIONS = {
    word.replace("'", ""): word
    for word in """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't
    he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've
    mustn't must've needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've
    somebody'd've somebody'll somebody's somebody'd someone'd someone'd've someone'll someone's
    something'd something'd've something'll that's there'd there'd've there're there's they'd they'd've
    they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's
    where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
    """.split()
}


def vqa_form(answer: str) -> str:
    """The form in which the official evaluation compares answers.

    Unlike `normalize_answer`: a hyphen parts words, eleven and above stay words, possessives keep their
    apostrophe, and an article alone is nothing.
    """
    answer = answer.strip()
    text = answer
    for mark in _PUNCTUATION:
        stands_apart = f"{mark} " in answer or f" {mark}" in answer
        is_dropped = stands_apart or _COMMA_IN_NUMBER.search(answer)
        text = text.replace(mark, "" if is_dropped else " ")
    words = [_NUMBERS.get(word, word) for word in _POINT.sub("", text).lower().split()]
    words = [word for word in words if word not in _ARTICLES]
    return " ".join(_CONTRACTIONS.get(word.replace("'", ""), word) for word in words)


def is_right_by_vqa_rules(answer: str, reference: str) -> bool:
    """Whether an answer equals the reference under the official rules; an empty one never does."""
    return answer.strip() != "" and vqa_form(answer) == vqa_form(reference)


def share_of_people(agree: Sequence[bool]) -> float:
    """How right an answer is by those of the people who gave it: min(n / 3, 1), averaged over all choices of
    nine of ten.
    """
    counts = [sum(agree) - one for one in agree]
    return sum(min(count / _ENOUGH, 1.0) for count in counts) / len(counts)


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Per-pair scores of one system, each `[pairs]`, in the order of the pairs."""

    exact_match: Floats  # 0 or 1, on the normal form; a share where ten people answered
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
    together = vars(score_texts(repeated, [text for said in texts.values() for text in said], scorer))
    count = len(pairs)
    return {
        system: Scores(**{name: values[i * count : (i + 1) * count] for name, values in together.items()})
        for i, system in enumerate(texts)
    }


def score_texts(pairs: Sequence[Pair], texts: Sequence[str], scorer: BertScorer) -> Scores:
    """Score generated texts against the pairs' right answers; of several the best counts.

    What is compared is a text's first word, or all of it where the right answer has several words. An answer
    that is a list of ten people's is scored as in VQAv2 (`share_of_people`): by how many of them
    say the same; BERTScore takes the commonest. BERTScore too compares normal forms, so that an exact match
    scores 1 whatever its case.
    """
    compared = [_references(pair) for pair in pairs]
    rows = [(text, reference) for text, of in zip(texts, compared, strict=True) for reference in of.right]
    parts = [compared_part(text, reference) for text, reference in rows]
    answers, references = (list(map(normalize_answer, column)) for column in (parts, [r for _, r in rows]))
    bert = scorer.scores(answers, references)  # [rows, 3]
    words = {text: normalize_answer(text).split() for text in set(texts)}
    exact = [exact_match(a, r) for a, r in zip(answers, references, strict=True)]
    official = [is_right_by_vqa_rules(p, r) for p, (_, r) in zip(parts, rows, strict=True)]
    contains = [
        e or holds_words(words[text], reference.split())
        for e, (text, _), reference in zip(exact, rows, references, strict=True)
    ]
    ends = np.cumsum([len(of.right) for of in compared])
    starts = ends - [len(of.right) for of in compared]
    is_right = np.array([exact, official, contains], dtype=float).reshape(3, -1)
    best = np.array(
        [start + bert[start:end, 2].argmax() for start, end in zip(starts, ends, strict=True)], int
    )
    best_scores = np.maximum.reduceat(is_right, starts, axis=1) if len(starts) else is_right
    for number, of in enumerate(compared):
        if of.people:
            best_scores[:, number] = _shares_of_people(texts[number], of.people)
    return Scores(best_scores[0], best_scores[1], best_scores[2], bert[best, 0], bert[best, 1], bert[best, 2])


@dataclass(frozen=True)
class _References:
    """What an answer is compared with."""

    right: tuple[str, ...]  # each of which is right
    people: tuple[str, ...] = ()  # ten people's answers, which count by how many say the same


def _references(pair: Pair) -> _References:
    answers = tuple(listed_answers(pair.answer))
    if len(answers) == PEOPLE:
        return _References((Counter(answers).most_common(1)[0][0],), answers)
    return _References((*(answers or (pair.answer,)), *pair.also_right))


def _shares_of_people(text: str, people: Sequence[str]) -> list[float]:
    """Exact match, the same by the official forms, and contains, each as VQAv2 counts ten answers."""
    words = normalize_answer(text).split()
    parts = [compared_part(text, said) for said in people]
    exact = [exact_match(part, said) for part, said in zip(parts, people, strict=True)]
    official = [is_right_by_vqa_rules(part, said) for part, said in zip(parts, people, strict=True)]
    contains = [
        e or holds_words(words, normalize_answer(said).split()) for e, said in zip(exact, people, strict=True)
    ]
    return [share_of_people(agree) for agree in (exact, official, contains)]


def holds_words(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether `wanted` stand in `words` one after another."""
    width = len(wanted)
    return width > 0 and any(words[at : at + width] == wanted for at in range(len(words) - width + 1))

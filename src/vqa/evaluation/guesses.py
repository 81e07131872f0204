"""Answers without the image: what an adapter must beat to show that it uses the image."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from scipy.sparse import csr_matrix

from vqa.evaluation.systems import MAJORITY, QUESTION_ONLY
from vqa.label_checks.question_only import neighbour_votes
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair


def question_only_guesses(train: Sequence[Pair], test: Sequence[Pair]) -> list[str]:
    """The answer most voted for by the nearest training questions (TF-IDF of words and word pairs).

    Each training pair behind a near question votes. "" for a question that shares no word with any.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in train:
        counts[normalize_answer(pair.question)][normalize_answer(pair.answer)] += 1
    answers = sorted({answer for of_question in counts.values() for answer in of_question})
    asked = sorted({normalize_answer(pair.question) for pair in test})
    votes = neighbour_votes(list(counts), asked) @ _matrix(list(counts.values()), answers)  # [asked, answers]
    guesses = dict.fromkeys(asked, "")
    for question, start, end in zip(asked, votes.indptr, votes.indptr[1:], strict=False):
        if start < end:
            of_question = votes.data[start:end]
            best = votes.indices[start:end][of_question == of_question.max()]
            guesses[question] = answers[best.min()]  # of equals the first by name
    return [guesses[normalize_answer(pair.question)] for pair in test]


def _matrix(counts: Sequence[Counter[str]], answers: Sequence[str]) -> csr_matrix:
    """How often each answer was given to each question `[questions, answers]`."""
    number = {answer: i for i, answer in enumerate(answers)}
    times = [times for of_question in counts for times in of_question.values()]
    columns = [number[answer] for of_question in counts for answer in of_question]
    starts = [0, *itertools.accumulate(len(of_question) for of_question in counts)]
    return csr_matrix((times, columns, starts), shape=(len(counts), len(answers)))


def majority_guesses(train: Sequence[Pair], test: Sequence[Pair]) -> list[str]:
    """The commonest training answer to the question's type; over all types where the type is new."""
    overall = Counter(normalize_answer(pair.answer) for pair in train)
    by_type: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in train:
        by_type[pair.question_type][normalize_answer(pair.answer)] += 1
    return [_commonest(by_type.get(pair.question_type) or overall) for pair in test]


def _commonest(counts: Counter[str]) -> str:
    return min(counts, key=lambda answer: (-counts[answer], answer))


# Of the systems that have no predictions: key → a function of training and test pairs to answers.
GUESSES: dict[str, Callable[[Sequence[Pair], Sequence[Pair]], list[str]]] = {
    QUESTION_ONLY.key: question_only_guesses,
    MAJORITY.key: majority_guesses,
}

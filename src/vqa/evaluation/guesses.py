"""Answers without the image: what an adapter must beat to show that it uses the image."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from vqa.evaluation.systems import MAJORITY, QUESTION_ONLY
from vqa.label_checks.question_only import KnownQuestions
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair

_NEIGHBOURS = 20  # distinct training questions that vote
_SHARPNESS = 8  # a vote counts similarity ** 8: near-equal wordings decide, distant ones break ties


def question_only_guesses(train: Sequence[Pair], test: Sequence[Pair]) -> list[str]:
    """The answer most voted for by the nearest training questions (TF-IDF of words and word pairs).

    Each training pair behind a near question votes. "" for a question that shares no word with any.
    """
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in train:
        answers[normalize_answer(pair.question)][normalize_answer(pair.answer)] += 1
    questions = list(answers)
    asked = sorted({normalize_answer(pair.question) for pair in test})
    guesses = {}
    nearest = KnownQuestions(questions).nearest(asked, _NEIGHBOURS)
    for question, (numbers, similarities) in zip(asked, nearest, strict=True):
        votes: dict[str, float] = defaultdict(float)
        for number, similarity in zip(numbers, similarities, strict=True):
            for answer, count in answers[questions[number]].items():
                votes[answer] += count * similarity**_SHARPNESS
        guesses[question] = max(sorted(votes), key=lambda answer: votes[answer], default="")
    return [guesses[normalize_answer(pair.question)] for pair in test]


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

"""The question-only prior: the likeliest answer without the image, and its probability, from other pairs.

Nearest neighbours and a linear model share the same TF-IDF of the questions (words and word pairs). The guess
for a pair is fitted on the other folds, which hold neither its answer nor another pair of its group. Held-out
pairs are treated like all others: the test-set stress test, https://arxiv.org/abs/2511.04655.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from vqa.core.seeding import seeded_rank
from vqa.label_checks.nearest_questions import KnownQuestions
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_NEIGHBOURS = 20  # distinct questions that count, the asked one among them
_SHARPNESS = 8  # as in `evaluation.guesses`: near-equal questions decide, distant ones break ties
_LINEAR_VOTES = (
    0.5  # the linear model's weight beside the neighbours'; of 0.5, 1 and 2 the best on 30,000 real pairs
)
_MOST_VOTERS = 20_000  # distinct questions, the most frequent ones: the cost of a guess grows with them
_MOST_ANSWERS = 1000  # the commonest ones, which alone are guessed
_DIMENSIONS = 200  # of the latent space in which the linear model works
_PENALTY = 0.1  # of its ridge
_ROWS_AT_ONCE = 2000  # times answers, 8 bytes each


@dataclass(frozen=True, slots=True)
class Guess:
    """The likeliest answer to a question by its words, its probability, and that of the pair's own answer."""

    answer: str  # in normal form; "" where no answer was given twice
    probability: float
    of_label: float


def seeded_fold(pair: Pair, folds: int) -> int:
    """The fold that a pair's split group is dealt to, whatever the others are."""
    return int(seeded_rank(0, pair.split_group or pair.image_name), 16) % folds


def guesses(known: Sequence[Pair], asked: Sequence[Pair], folds: int) -> list[Guess]:
    """A guess for each of `asked`, from those of `known` in other folds; the order of rows does not matter.

    `asked` may be `known` itself. Memory is that of the distinct questions' vectors.
    """
    given = {text for pair in [*known, *asked] for text in (pair.question, pair.answer)}
    form_of = {text: normalize_answer(text) for text in given}
    answers = _given_twice([form_of[pair.answer] for pair in known])
    if not answers:
        return [Guess("", 0.0, 0.0)] * len(asked)
    texts = sorted({form_of[pair.question] for pair in [*known, *asked]})
    model = _Model(texts, answers, _Rows.of(known, form_of, texts, answers, folds), folds)
    rows = _Rows.of(asked, form_of, texts, answers, folds)
    guesses_of_asked = [Guess("", 0.0, 0.0)] * len(asked)
    for fold in range(folds):
        of_fold = np.flatnonzero(rows.fold == fold)
        of_fold = of_fold[np.argsort(rows.text[of_fold], kind="stable")]
        blocks = [of_fold[i : i + _ROWS_AT_ONCE] for i in range(0, len(of_fold), _ROWS_AT_ONCE)]
        for block, shares in zip(blocks, model.shares(fold, [rows.text[b] for b in blocks]), strict=True):
            best, label = shares.argmax(axis=1), rows.answer[block]
            probability = shares[np.arange(len(block)), best]
            of_label = np.where(label >= 0, shares[np.arange(len(block)), label], 0.0)
            for row, *guess in zip(block, best, probability, of_label, strict=True):
                guesses_of_asked[row] = Guess(
                    answers[guess[0]], round(float(guess[1]), 4), round(float(guess[2]), 4)
                )
    return guesses_of_asked


@dataclass(frozen=True)
class _Rows:
    """Pairs as numbers `[pairs]`: of their text, of their answer (-1: it is never guessed), of their fold."""

    text: Integers
    answer: Integers
    fold: Integers

    @classmethod
    def of(
        cls,
        pairs: Sequence[Pair],
        form_of: Mapping[str, str],
        texts: Sequence[str],
        answers: Sequence[str],
        folds: int,
    ) -> "_Rows":
        """`form_of`: each question's and answer's normal form."""
        text_of = {text: number for number, text in enumerate(texts)}
        answer_of = {answer: number for number, answer in enumerate(answers)}
        return cls(
            np.array([text_of[form_of[pair.question]] for pair in pairs], dtype=np.int64),
            np.array([answer_of.get(form_of[pair.answer], -1) for pair in pairs], dtype=np.int64),
            np.array([seeded_fold(pair, folds) for pair in pairs], dtype=np.int64),
        )


class _Model:
    """Both models; to leave one fold out of the fit costs one subtraction."""

    def __init__(self, texts: Sequence[str], answers: Sequence[str], known: _Rows, folds: int) -> None:
        shape = len(texts), len(answers)
        self._counts = [_counts(known, fold, shape) for fold in range(folds)]  # [texts, answers] by fold
        self._all = sum(self._counts[1:], start=self._counts[0])
        self._votes = _votes(texts, np.asarray(self._all.sum(axis=1))[:, 0])
        self._places = _latent(texts)

    def shares(self, fold: int, blocks: Sequence[Integers]) -> Iterator[Floats]:
        """The probability of each answer `[texts of a block, answers]`, as the other folds have it."""
        others = self._all - self._counts[fold]
        asked = np.asarray(others.sum(axis=1))[:, 0]  # [texts] times
        places = self._places
        gram = places.T @ (places * asked[:, None]) + _PENALTY * np.eye(places.shape[1])
        weights = np.linalg.solve(gram, (others.T @ places).T)  # [dimensions, answers]
        for block in blocks:
            linear = np.clip(places[block] @ weights, 1e-9, None)
            linear /= linear.sum(axis=1, keepdims=True)
            shares = (self._votes[block] @ others).toarray() + _LINEAR_VOTES * linear
            yield shares / shares.sum(axis=1, keepdims=True)


def _given_twice(labels: Sequence[str]) -> list[str]:
    """The commonest answers, sorted; one that was given once cannot be guessed from other pairs."""
    counts = Counter(labels)
    most = sorted((a for a in counts if counts[a] > 1), key=lambda answer: (-counts[answer], answer))
    return sorted(most[:_MOST_ANSWERS])


def _counts(known: _Rows, fold: int, shape: tuple[int, int]) -> csr_matrix:
    chosen = (known.fold == fold) & (known.answer >= 0)
    entries = np.ones(int(chosen.sum())), (known.text[chosen], known.answer[chosen])
    return csr_matrix(entries, shape=shape)


def _votes(texts: Sequence[str], times: Floats) -> csr_matrix:
    """The weight of each text's answers for each other text `[texts, texts]`."""
    voters = np.sort(np.lexsort((np.arange(len(texts)), -times))[: min(_MOST_VOTERS, int((times > 0).sum()))])
    nearest = KnownQuestions([texts[number] for number in voters]).nearest(texts, _NEIGHBOURS)
    numbers, similarities = zip(*nearest, strict=True)
    starts = np.concatenate([[0], np.cumsum([len(of_text) for of_text in numbers])])
    weights = np.concatenate(similarities) ** _SHARPNESS
    return csr_matrix((weights, voters[np.concatenate(numbers)], starts), shape=(len(texts), len(texts)))


def _latent(texts: Sequence[str]) -> Floats:
    """Each text's place in the latent semantic space `[texts, dimensions]`, and a constant."""
    vectors = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+").fit_transform(texts)
    dimensions = min(_DIMENSIONS, *(size - 1 for size in vectors.shape))
    if dimensions < 1:
        return np.ones((len(texts), 1))
    places = TruncatedSVD(dimensions, n_iter=2, random_state=0).fit_transform(vectors)
    return np.hstack([places, np.ones((len(texts), 1))])

"""The question-only prior: the likeliest answer without the image, and its probability, from other pairs.

Nearest neighbours and a linear model share the same TF-IDF of the questions (words and word pairs). The guess
for a pair is fitted on the other folds, which hold neither its answer nor another pair of its group. Held-out
pairs are treated like all others: the test-set stress test, https://arxiv.org/abs/2511.04655.

The training questions most like an asked one, found exactly without comparing it with all of them.
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
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_NEIGHBOURS = 20  # distinct known questions that vote, the asked one among them if it is known
_SHARPNESS = 8  # a vote counts similarity ** 8: near-equal questions decide, distant ones break ties
_LINEAR_VOTES = (
    0.5  # the linear model's weight beside the neighbours'; of 0.5, 1 and 2 the best on 30,000 real pairs
)
_MOST_VOTERS = 20_000  # distinct questions, the most frequent ones: the cost of a guess grows with them
_MOST_ANSWERS = 1000  # the commonest ones, which alone are guessed
_DIMENSIONS = 200  # of the latent space in which the linear model works
_PENALTY = 0.1  # of its ridge
_ROWS_AT_ONCE = 2000  # times answers, 8 bytes each
_ROUNDING = 1e-9  # far above that of sums of some ten products below 1
_TRIED = 10  # times `count`: so many are compared first, which sets a high bar for the others


class KnownQuestions:
    """Finds the nearest of `known` questions by cosine similarity of TF-IDF (words and word pairs).

    An asked question's rare words are looked up first. This stops once the other words alone cannot bring a
    question among the nearest. Only the questions found until then are compared: some thousand of a million.
    Memory is that of the questions' vectors.

    No library does this: sklearn's NearestNeighbors rounds similarities, and scipy's product of both sides'
    vectors, which gives the same bits, takes half the time for 20,000 known questions, but twelve times as
    long for a million.
    """

    def __init__(self, known: Sequence[str]) -> None:
        self._vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+")
        self._vectors = self._vectorizer.fit_transform(known)  # [known, words]
        self._vectors.sort_indices()  # words ascending in each row
        self._having = self._vectors.tocsc()  # by word: the questions that have it
        self._most = self._having.max(axis=0).toarray()[0]  # [words] the largest weight of each
        self._partial = np.zeros(len(known))
        self._asked = np.zeros(self._vectors.shape[1])

    def nearest(self, asked: Sequence[str], count: int) -> Iterator[tuple[Integers, Floats]]:
        """For each asked question the numbers of the `count` nearest, and their similarities, nearest first.

        Fewer where fewer share a word with it. Of equals that one comes first whose first shared word is
        later, then the later one: the order in which scipy multiplies both sides' vectors.
        """
        vectors = self._vectorizer.transform(asked)
        for start, end in zip(vectors.indptr, vectors.indptr[1:], strict=False):
            words, weights = vectors.indices[start:end], vectors.data[start:end]
            self._asked[words] = weights
            numbers = self._candidates(words, weights, count)
            similarities, first_words = self._compared(numbers)
            order = np.lexsort((-numbers, -first_words, -similarities))[:count]
            self._asked[words] = 0
            yield numbers[order], similarities[order]

    def _candidates(self, words: Integers, weights: Floats, count: int) -> Integers:
        """Numbers of questions among which the `count` nearest are."""
        starts, ends = self._having.indptr[words], self._having.indptr[words + 1]
        order = np.argsort(ends - starts, kind="stable")  # rare words first
        weights, most = weights[order], (weights * self._most[words])[order]
        by_word, size, rest = [np.empty(0, dtype=np.int64)], 0, 0.0
        for i, (start, end) in enumerate(zip(starts[order], ends[order], strict=True)):
            having = self._having.indices[start:end]
            by_word.append(having[self._partial[having] == 0])
            self._partial[having] += weights[i] * self._having.data[start:end]
            size += len(by_word[-1])
            # What the other words can add: their largest counts or, by Cauchy and Schwarz, their length.
            rest = min(most[i + 1 :].sum(), np.linalg.norm(weights[i + 1 :]))
            if size >= count and _bar(self._partial[np.concatenate(by_word)], count) > rest:
                break
        touched = np.concatenate(by_word)
        partial = self._partial[touched]
        self._partial[touched] = 0
        if size > _TRIED * count:
            tried = touched[np.argpartition(partial, -_TRIED * count)[-_TRIED * count :]]
            return touched[partial + rest >= _bar(self._compared(tried)[0], count)]
        return touched

    def _compared(self, numbers: Integers) -> tuple[Floats, Integers]:
        """Similarities `[numbers]` with the asked question, and the first word that each shares with it."""
        starts = self._vectors.indptr[numbers]
        sizes = self._vectors.indptr[numbers + 1] - starts
        ends = np.cumsum(sizes)
        row = np.repeat(np.arange(len(numbers)), sizes)
        entries = np.arange(len(row)) + (starts - (ends - sizes))[row]
        words = self._vectors.indices[entries]
        shared = self._asked[words]
        # bincount adds one after another, as scipy does: rounded alike, equals stay equal.
        products = self._vectors.data[entries] * shared
        similarities = np.bincount(row, products, minlength=len(numbers)).astype(float)
        rows, where = np.unique(row[shared > 0], return_index=True)
        first_words = np.zeros(len(numbers), dtype=np.int64)
        first_words[rows] = words[shared > 0][where]
        return similarities, first_words


def _bar(similarities: Floats, count: int) -> float:
    """The similarity of the `count`-th nearest, minus a little for rounding."""
    return float(np.partition(similarities, -count)[-count]) - _ROUNDING


def neighbour_votes(known: Sequence[str], asked: Sequence[str]) -> csr_matrix:
    """What the answers to each known question count for each asked one `[asked, known]`, nearest first.

    A row is empty where an asked question shares no word with any.
    """
    numbers, similarities = zip(*KnownQuestions(known).nearest(asked, _NEIGHBOURS), strict=True)
    starts = np.concatenate([[0], np.cumsum([len(of_question) for of_question in numbers])])
    votes = np.concatenate(similarities) ** _SHARPNESS
    return csr_matrix((votes, np.concatenate(numbers), starts), shape=(len(asked), len(known)))


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
    votes = neighbour_votes([texts[number] for number in voters], texts)
    return csr_matrix((votes.data, voters[votes.indices], votes.indptr), shape=(len(texts), len(texts)))


def _latent(texts: Sequence[str]) -> Floats:
    """Each text's place in the latent semantic space `[texts, dimensions]`, and a constant."""
    vectors = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+").fit_transform(texts)
    dimensions = min(_DIMENSIONS, *(size - 1 for size in vectors.shape))
    if dimensions < 1:
        return np.ones((len(texts), 1))
    places = TruncatedSVD(dimensions, n_iter=2, random_state=0).fit_transform(vectors)
    return np.hstack([places, np.ones((len(texts), 1))])

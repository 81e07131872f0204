"""The training questions most like an asked one, found exactly without comparing it with all of them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_ROUNDING = 1e-9  # far above that of sums of some ten products below 1
_TRIED = 10  # times `count`: so many are compared first, which sets a high bar for the others


class KnownQuestions:
    """Finds the nearest of `known` questions by cosine similarity of TF-IDF (words and word pairs).

    An asked question's rare words are looked up first. This stops once the other words alone cannot bring a
    question among the nearest. Only the questions found until then are compared: some thousand of a million.
    Memory is that of the questions' vectors.
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

import random
import tracemalloc

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from vqa.label_checks.question_only import KnownQuestions


def questions(count: int, seed: int, nouns: int = 30) -> list[str]:
    """Distinct ones, many of them equally like many others."""
    rng = random.Random(seed)
    forms = ["what is {a} of {n}", "what is {a} of {b} {n}", "is {n} {b}", "how many {n} are there on {m}"]
    found: dict[str, None] = {}
    while len(found) < count:
        limits = {"n": nouns, "m": nouns, "a": 9, "b": 9}
        parts = {letter: rng.randrange(most) for letter, most in limits.items()}
        found[rng.choice(forms).format(**{key: f"{key}{number}" for key, number in parts.items()})] = None
    return list(found)


@pytest.mark.parametrize(("known", "nouns"), [(5, 30), (400, 30), (3000, 300)])
def test_the_nearest_are_those_of_comparing_with_every_question(known: int, nouns: int) -> None:
    there = questions(known, 0, nouns)
    asked = [*questions(100, 1, nouns), "zebra", "what", there[0]]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+")
    vectors = vectorizer.fit_transform(there)
    whole = (vectorizer.transform(asked) @ vectors.T).tocsr()
    for row, (numbers, similarities) in enumerate(KnownQuestions(there).nearest(asked, 20)):
        order = np.argsort(-whole[row].data, kind="stable")[:20]
        assert numbers.tolist() == whole[row].indices[order].tolist()
        assert similarities.tolist() == whole[row].data[order].tolist()  # to the last bit


def test_memory_grows_with_the_questions_not_with_their_pairs() -> None:
    peaks = []
    for count in (1000, 8000):
        known, asked = questions(count, 0, 300), questions(count // 10, 1, 300)
        tracemalloc.start()
        assert sum(len(numbers) for numbers, _ in KnownQuestions(known).nearest(asked, 20)) == 2 * count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 10 * peaks[0]  # eight times the questions; their pairs are 64 times as many

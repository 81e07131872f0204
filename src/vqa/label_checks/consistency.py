"""The label check for duplicate questions: does another row of the CSV answer the same question otherwise?

Two questions about one image are the same if their words are, except those that only frame them: "What color
is the mug?" and "Which color does the mug have?".
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from vqa.label_checks.meanings import singular, words_of
from vqa.label_checks.vote import AGREES, CONTRADICTS, SILENT, Vote
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair

_FRAMING = frozenset(
    """
    a an and any appear appears are be can come comes do does for from has have in is it of on see seen shown
    the there this to used visible what which with you
    """.split()
)


def votes(pairs: Sequence[Pair], rows: Sequence[Pair]) -> list[Vote]:
    """Compare each pair with the answers to the same question in other `rows` of the CSV.

    `pairs` were made from `rows`. A pair's own row does not count, even where a person corrected its answer.
    """
    asked = {question: _asked(question) for question in {row.question for row in [*pairs, *rows]}}
    times = Counter((row.image_name, asked[row.question]) for row in rows)
    answers: dict[tuple[str, frozenset[str]], Counter[tuple[str, str]]] = defaultdict(Counter)
    for row in rows:
        key = row.image_name, asked[row.question]
        if times[key] > 1 and (answer := normalize_answer(row.answer)):
            answers[key][normalize_answer(row.question), answer] += 1
    votes_on_pairs = []
    for pair in pairs:
        others = answers.get((pair.image_name, asked[pair.question]))
        votes_on_pairs.append(_vote(pair, others) if others else SILENT)
    return votes_on_pairs


def _vote(pair: Pair, answers: Counter[tuple[str, str]]) -> Vote:
    question, answer = normalize_answer(pair.question), normalize_answer(pair.answer)
    others = answers.copy()
    own = (question, answer) if others[question, answer] else None
    own = own or next((row for row in sorted(others) if row[0] == question), None)
    if own:
        others[own] -= 1
    given_answers = {given for (_, given), times in others.items() if times > 0}
    if not given_answers:
        return SILENT
    return Vote(AGREES if given_answers == {answer} else CONTRADICTS, " / ".join(sorted(given_answers)))


def _asked(question: str) -> frozenset[str]:
    return frozenset(singular(word) for word in words_of(question) if word not in _FRAMING)

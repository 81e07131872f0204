"""The same question about the same picture asked elsewhere in the CSV, as a witness: was the answer the same?

Two questions are the same where their words are, but for those that only frame them: "What color is the mug?"
and "Which color does the mug have?".
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair
from vqa.verification.meanings import singular, words_of
from vqa.verification.statement import AGREES, CONTRADICTS, SILENT, Statement

_FRAMING = frozenset(
    """
    a an and any appear appears are be can come comes do does for from has have in is it of on see seen shown
    the there this to used visible what which with you
    """.split()
)


def statements(pairs: Sequence[Pair], rows: Sequence[Pair]) -> list[Statement]:
    """What the other `rows` of the CSV that `pairs` were made from answer to each pair's question.

    A pair's own row says nothing of it; where a person corrected it, that row has another answer.
    """
    asked = {question: _asked(question) for question in {row.question for row in [*pairs, *rows]}}
    times = Counter((row.image_name, asked[row.question]) for row in rows)
    answers: dict[tuple[str, frozenset[str]], Counter[tuple[str, str]]] = defaultdict(Counter)
    for row in rows:
        key = row.image_name, asked[row.question]
        if times[key] > 1 and (answer := normal_form(row.answer)):
            answers[key][normal_form(row.question), answer] += 1
    found = []
    for pair in pairs:
        others = answers.get((pair.image_name, asked[pair.question]))
        found.append(_statement(pair, others) if others else SILENT)
    return found


def _statement(pair: Pair, answers: Counter[tuple[str, str]]) -> Statement:
    question, answer = normal_form(pair.question), normal_form(pair.answer)
    others = answers.copy()
    own = (question, answer) if others[question, answer] else None
    own = own or next((row for row in sorted(others) if row[0] == question), None)
    if own:
        others[own] -= 1
    said = {given for (_, given), times in others.items() if times > 0}
    if not said:
        return SILENT
    return Statement(AGREES if said == {answer} else CONTRADICTS, " / ".join(sorted(said)))


def _asked(question: str) -> frozenset[str]:
    return frozenset(singular(word) for word in words_of(question) if word not in _FRAMING)

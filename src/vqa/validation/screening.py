"""Pairs → kept or rejected. A row carries the first of `rules.RULES` that it breaks.

A decision made by a person in the review page beats every rule but the hard ones, without which a pair
cannot be learnt from at all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vqa.catalogue.pictures import problem_of_name
from vqa.foundation.csv_tables import read_rows, write_rows
from vqa.pairs.normal_form import normal_form, taught_form
from vqa.pairs.pair import Pair, columns_of, row_of
from vqa.pairs.question_types import question_type_of
from vqa.validation.review import Decision, Key, decision_on
from vqa.validation.rules import Candidate, Context, Rule


@dataclass(frozen=True)
class Rejected:
    """A pair as it came, and why it is not used."""

    pair: Pair
    reason: str
    detail: str


def candidates_of(
    pairs: Sequence[Pair], decisions: Mapping[Key, Decision]
) -> tuple[list[Candidate], list[Rejected]]:
    """Pairs with what a person said of them (`decisions`, by `key_of`), and those that a person rejected."""
    candidates: list[Candidate] = []
    rejected: list[Rejected] = []
    for row, pair in enumerate(pairs):
        decision = decision_on(pair, decisions)
        if decision and decision.verdict == "reject":
            rejected.append(Rejected(pair, "rejected_by_review", "a person rejected it"))
            continue
        answer = decision.answer if decision else pair.answer
        question_key, answer_key = normal_form(pair.question), normal_form(answer)
        also_right = (*pair.also_right, *(decision.also_right if decision else ()))
        is_reviewed = decision is not None
        candidates.append(Candidate(row, pair, question_key, answer_key, answer, is_reviewed, also_right))
    return candidates, rejected


def screen(
    candidates: Sequence[Candidate], rules: Sequence[Rule], context: Context
) -> tuple[list[Candidate], list[Rejected]]:
    """Those that break none of `rules`, in order, and the others as they came, rule by rule."""
    standing, rejected = list(candidates), list[Rejected]()
    for rule in rules:
        broken = dict(rule.check(standing, context))
        left = []
        for candidate in standing:
            is_spared = candidate.is_reviewed and not rule.is_hard
            if candidate.row in broken and not is_spared:
                rejected.append(Rejected(candidate.pair, rule.reason, broken[candidate.row]))
            else:
                left.append(candidate)
        standing = left
    return standing, rejected


def trusted(candidates: Iterable[Candidate]) -> list[Pair]:
    """Pairs to learn from: answers as they are taught, and a question type that was absent inferred."""
    return [
        replace(
            candidate.pair,
            answer=taught_form(candidate.said),
            also_right=_further(candidate),
            question_type=candidate.pair.question_type or question_type_of(candidate.pair.question),
        )
        for candidate in candidates
    ]


def _further(candidate: Candidate) -> tuple[str, ...]:
    """The right answers but the first, each once, in the form of the first."""
    forms = {normal_form(text): taught_form(text) for text in candidate.also_right if normal_form(text)}
    return tuple(form for key, form in forms.items() if key != candidate.answer)


def images_of(candidates: Iterable[Candidate]) -> list[str]:
    """The pictures that candidates are about, each once, in order."""
    return list(dict.fromkeys(candidate.pair.image_name for candidate in candidates))


def images_to_inspect(candidates: Iterable[Candidate], reviewed: Iterable[Rejected]) -> list[str]:
    """As `images_of`, and those of pairs that a person rejected: it is told when one of these has changed."""
    names = (reject.pair.image_name for reject in reviewed)
    known = [name for name in names if not problem_of_name(name)]
    return list(dict.fromkeys([*images_of(candidates), *known]))


def leave_out(pairs: Sequence[Pair], pictures: Mapping[str, str]) -> tuple[list[Pair], list[Rejected]]:
    """Pairs of other pictures, and those of `pictures` (name → why it can be in no split)."""
    kept = [pair for pair in pairs if pair.image_name not in pictures]
    left = [pair for pair in pairs if pair.image_name in pictures]
    return kept, [Rejected(pair, "links_two_splits", pictures[pair.image_name]) for pair in left]


def leave_out_rows(
    pairs: Sequence[Pair], rows: Mapping[tuple[str, str], str]
) -> tuple[list[Pair], list[Rejected]]:
    """As `leave_out`, of single rows by their keys."""
    kept = [pair for pair in pairs if pair.key not in rows]
    left = [pair for pair in pairs if pair.key in rows]
    return kept, [Rejected(pair, "links_two_splits", rows[pair.key]) for pair in left]


def write_rejected(path: Path, rejected: Sequence[Rejected]) -> None:
    """By reason, then picture and question, so that rows in conflict stand together."""

    def row(reject: Rejected) -> dict[str, str]:
        return row_of(reject.pair) | {"reason": reject.reason, "detail": reject.detail}

    ordered = sorted(rejected, key=lambda r: (r.reason, r.pair.image_name, r.pair.question.lower()))
    columns = [*columns_of([reject.pair for reject in rejected]), "reason", "detail"]
    write_rows(path, list(dict.fromkeys(columns)), map(row, ordered))


def read_rejected(path: Path) -> list[Rejected]:
    """What `write_rejected` wrote, without columns of the file that the pairs came from."""
    return [
        Rejected(
            Pair(row["image_name"], row["question"], row["answer"], row["question_type"]),
            row["reason"],
            row["detail"],
        )
        for row in read_rows(path, ("image_name", "question", "answer", "question_type", "reason", "detail"))
    ]


def counts_by_reason(rejected: Iterable[Rejected]) -> dict[str, int]:
    """Reason → rejected pairs, the commonest first."""
    return dict(Counter(reject.reason for reject in rejected).most_common())

"""Pairs → kept or rejected. A row carries the first of `rules.RULES` that it breaks.

A decision made by a person in the review page beats every rule but the hard ones, without which a pair
cannot be trained on at all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vqa.catalogue.images import problem_of_name
from vqa.core.csv_tables import read_rows, write_rows
from vqa.pairs.answer_normalization import normalize_answer, training_form
from vqa.pairs.pair import Pair, csv_columns, row_of
from vqa.pairs.question_types import infer_question_type
from vqa.validation.review import Decision, Key, find_decision
from vqa.validation.rules import Candidate, Context, Rule


@dataclass(frozen=True)
class Rejected:
    """A pair as it came, and why it is not used."""

    pair: Pair
    reason: str
    detail: str


def build_candidates(
    pairs: Sequence[Pair], decisions: Mapping[Key, Decision]
) -> tuple[list[Candidate], list[Rejected]]:
    """Pairs with people's decisions on them (`decisions`, by `key_of`), and those that people rejected."""
    candidates: list[Candidate] = []
    rejected: list[Rejected] = []
    for row, pair in enumerate(pairs):
        decision = find_decision(pair, decisions)
        if decision and decision.kind == "reject":
            rejected.append(Rejected(pair, "rejected_by_review", "a person rejected it"))
            continue
        answer = decision.answer if decision else pair.answer
        question_key, answer_key = normalize_answer(pair.question), normalize_answer(answer)
        also_right = (*pair.also_right, *(decision.also_right if decision else ()))
        is_reviewed = decision is not None
        candidates.append(Candidate(row, pair, question_key, answer_key, answer, is_reviewed, also_right))
    return candidates, rejected


def filter_pairs(
    candidates: Sequence[Candidate], rules: Sequence[Rule], context: Context
) -> tuple[list[Candidate], list[Rejected]]:
    """Split candidates into those that break none of `rules`, and the rejected pairs as they came."""
    standing, rejected = list(candidates), list[Rejected]()
    for rule in rules:
        broken = dict(rule.check(standing, context))
        if not broken:
            continue
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
    """Pairs to train on: answers in the form for training, and missing question types inferred."""
    return [
        replace(
            candidate.pair,
            answer=training_form(candidate.said),
            also_right=_further(candidate),
            question_type=candidate.pair.question_type or infer_question_type(candidate.pair.question),
        )
        for candidate in candidates
    ]


def _further(candidate: Candidate) -> tuple[str, ...]:
    """The further right answers, each once, in the form for training."""
    forms = {
        normalize_answer(text): training_form(text) for text in candidate.also_right if normalize_answer(text)
    }
    return tuple(form for key, form in forms.items() if key != candidate.answer)


def image_names(candidates: Iterable[Candidate]) -> list[str]:
    """The images that candidates are about, each once, in order."""
    return list(dict.fromkeys(candidate.pair.image_name for candidate in candidates))


def images_to_inspect(candidates: Iterable[Candidate], reviewed: Iterable[Rejected]) -> list[str]:
    """As `image_names`, with the images of pairs that a person rejected, since their changes are reported."""
    names = (reject.pair.image_name for reject in reviewed)
    usable = [name for name in names if not problem_of_name(name)]
    return list(dict.fromkeys([*image_names(candidates), *usable]))


def leave_out(pairs: Sequence[Pair], images: Mapping[str, str]) -> tuple[list[Pair], list[Rejected]]:
    """Pairs of other images, and those of `images` (name → why it can be in no split)."""
    others = [pair for pair in pairs if pair.image_name not in images]
    left = [pair for pair in pairs if pair.image_name in images]
    return others, [Rejected(pair, "links_two_splits", images[pair.image_name]) for pair in left]


def leave_out_rows(
    pairs: Sequence[Pair], rows: Mapping[tuple[str, str], str]
) -> tuple[list[Pair], list[Rejected]]:
    """As `leave_out`, of single rows by their keys."""
    others = [pair for pair in pairs if pair.key not in rows]
    left = [pair for pair in pairs if pair.key in rows]
    return others, [Rejected(pair, "links_two_splits", rows[pair.key]) for pair in left]


def write_rejected(path: Path, rejected: Sequence[Rejected]) -> None:
    """Write rejected pairs by reason, image and question, so that rows in conflict stand together."""

    def row(reject: Rejected) -> dict[str, str]:
        return row_of(reject.pair) | {"reason": reject.reason, "detail": reject.detail}

    ordered = sorted(rejected, key=lambda r: (r.reason, r.pair.image_name, r.pair.question.lower()))
    columns = [*csv_columns([reject.pair for reject in rejected]), "reason", "detail"]
    write_rows(path, list(dict.fromkeys(columns)), map(row, ordered))


def read_rejected(path: Path) -> list[Rejected]:
    """Read the file of `write_rejected`, without the extra columns of pairs."""
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

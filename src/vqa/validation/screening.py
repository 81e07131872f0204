"""Pairs → kept or rejected. A row carries the first of `rules.RULES` that it breaks.

A decision made by a person in the review page beats every rule but the hard ones, without which a pair
cannot be learnt from at all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vqa.catalogue.pictures import Picture
from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair
from vqa.pairs.question_types import question_type_of
from vqa.settings import Validate
from vqa.validation.review import Decision, Key, decision_on
from vqa.validation.rules import RULES, Candidate, Context


@dataclass(frozen=True)
class Rejected:
    """A pair as it came, and why it is not used."""

    pair: Pair
    reason: str
    detail: str


def screen(
    pairs: Sequence[Pair],
    decisions: Mapping[Key, Decision],
    inspect: Callable[[Sequence[str]], Mapping[str, Picture]],
    limits: Validate,
    too_long: Callable[[str, str], str] = lambda *_: "",
) -> tuple[list[Pair], list[Rejected]]:
    """Kept pairs in input order and the rejected as they came.

    A kept answer is in normal form, and a question type that was absent is inferred.

    Args:
        decisions: a person's word on pairs, by `key_of`.
        inspect: picture names → what was found in each file; called once.
        too_long: question, answer → why the model has no room for them; "" when it has.
    """
    standing: list[Candidate] = []
    rejected: list[Rejected] = []
    for row, pair in enumerate(pairs):
        decision = decision_on(pair, decisions)
        if decision and decision.verdict == "reject":
            rejected.append(Rejected(pair, "rejected_by_review", "a person rejected it"))
            continue
        answer = decision.answer if decision else pair.answer
        question_key, answer_key = normal_form(pair.question), normal_form(answer)
        standing.append(Candidate(row, pair, question_key, answer_key, decision is not None))
    context = Context(limits, inspect, too_long)
    for rule in RULES:
        broken = dict(rule.check(standing, context))
        left = []
        for candidate in standing:
            is_spared = candidate.is_reviewed and not rule.is_hard
            if candidate.row in broken and not is_spared:
                rejected.append(Rejected(candidate.pair, rule.reason, broken[candidate.row]))
            else:
                left.append(candidate)
        standing = left
    return [_trusted(candidate) for candidate in standing], rejected


def _trusted(candidate: Candidate) -> Pair:
    kind = candidate.pair.question_type or question_type_of(candidate.pair.question)
    return replace(candidate.pair, answer=candidate.answer, question_type=kind)


def counts_by_reason(rejected: Iterable[Rejected]) -> dict[str, int]:
    """Reason → rejected pairs, the commonest first."""
    return dict(Counter(reject.reason for reject in rejected).most_common())

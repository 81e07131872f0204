"""People's decisions on pairs: the decision that holds for a pair, and how many pairs were accepted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scipy.stats import binomtest

from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair
from vqa.pairs.question_types import infer_question_type

ACCEPT, REJECT, CORRECT, ALSO_RIGHT = KINDS = ("accept", "reject", "correct", "also right")


@dataclass(frozen=True)
class Decision:
    """The decision on one pair."""

    kind: str  # one of KINDS
    answer: str  # the right one: the corrected answer, or the pair's own
    was_kept: bool  # it was in the sample of kept pairs, not among the rejects
    also_right: tuple[str, ...] = ()  # other right answers, each one word

    @property
    def is_accepted(self) -> bool:
        """The pair's own answer is right."""
        return self.kind in (ACCEPT, ALSO_RIGHT)


Key = tuple[str, str, str]


def key_of(image_name: str, question: str, answer: str) -> Key:
    """The key of a decision; it includes the answer, since conflicting rows share image and question."""
    return image_name, question, normalize_answer(answer)


def find_decision(pair: Pair, decisions: Mapping[Key, Decision]) -> Decision | None:
    """The decision that holds for a pair: a corrected answer may have been reviewed again."""
    decision = decisions.get(key_of(pair.image_name, pair.question, pair.answer))
    met = {normalize_answer(pair.answer)}
    while decision and decision.kind == CORRECT and normalize_answer(decision.answer) not in met:
        met.add(normalize_answer(decision.answer))
        again = decisions.get(key_of(pair.image_name, pair.question, decision.answer))
        if again is None:
            break
        decision = replace(again, was_kept=decision.was_kept)
    return decision


def reviewed_pairs(
    kept: Iterable[Pair], rows: Iterable[Pair], decisions: Mapping[Key, Decision]
) -> list[tuple[Pair, bool]]:
    """The sampled pairs that people decided on, as they stood then, and whether people found each one wrong.

    `kept`: pairs with their split groups; `rows`: of generated.csv; decisions on other rows are ignored.
    """
    group_of = {pair.image_name: pair.split_group for pair in kept}
    pairs_by_key = {}
    for row in rows:
        key = key_of(row.image_name, row.question, row.answer)
        decision = decisions.get(key)
        if decision and decision.was_kept:
            pair = replace(
                row,
                answer=normalize_answer(row.answer),
                question_type=row.question_type or infer_question_type(row.question),
                split_group=group_of.get(row.image_name, ""),
            )
            pairs_by_key[key] = pair, not decision.is_accepted
    return list(pairs_by_key.values())


def acceptance(decisions: Mapping[Key, Decision], pairs: Iterable[Pair]) -> dict[str, Any]:
    """How many sampled pairs a person accepted as they stood, with a 95 % Wilson interval.

    Source: E. B. Wilson 1927; the sample is proportional to the question types, so it needs no weights.
    """
    present = {key_of(pair.image_name, pair.question, pair.answer) for pair in pairs}
    present |= {
        key_of(image, question, decision.answer)
        for (image, question, _), decision in decisions.items()
        if decision.kind == CORRECT
    }
    sampled = [decision for decision in decisions.values() if decision.was_kept]
    accepted = sum(decision.is_accepted for decision in sampled)
    result: dict[str, Any] = {
        "decisions": {
            kind.replace(" ", "_"): count
            for kind, count in sorted(Counter(d.kind for d in decisions.values()).items())
        },
        "decisions_on_absent_pairs": sum(key not in present for key in decisions),
    }
    if sampled:
        interval = binomtest(accepted, len(sampled)).proportion_ci(method="wilson")
        result["acceptance"] = round(accepted / len(sampled), 4)
        result["acceptance_low"] = round(float(interval.low), 4)
        result["acceptance_high"] = round(float(interval.high), 4)
        result["reviewed"] = len(sampled)
    return result

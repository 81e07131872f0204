"""What people decided on pairs: the last word on a pair, and how many they accepted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scipy.stats import binomtest

from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair
from vqa.pairs.question_types import question_type_of

ACCEPT, REJECT, CORRECT, ALSO_RIGHT = VERDICTS = ("accept", "reject", "correct", "also right")


@dataclass(frozen=True)
class Decision:
    """People's word on one pair."""

    verdict: str  # one of VERDICTS
    answer: str  # the right one; unless it is corrected the pair's own
    was_kept: bool  # it was in the sample of kept pairs, not among the rejects
    also_right: tuple[str, ...] = ()  # other right answers, each one word

    @property
    def is_accepted(self) -> bool:
        """The pair's own answer is right."""
        return self.verdict in (ACCEPT, ALSO_RIGHT)


Key = tuple[str, str, str]


def key_of(image_name: str, question: str, answer: str) -> Key:
    """What a decision is remembered by; the answer counts, since conflicting rows share the rest."""
    return image_name, question, normal_form(answer)


def decision_on(pair: Pair, decisions: Mapping[Key, Decision]) -> Decision | None:
    """The last word on a pair: a corrected answer may have been reviewed again."""
    decision = decisions.get(key_of(pair.image_name, pair.question, pair.answer))
    met = {normal_form(pair.answer)}
    while decision and decision.verdict == CORRECT and normal_form(decision.answer) not in met:
        met.add(normal_form(decision.answer))
        again = decisions.get(key_of(pair.image_name, pair.question, decision.answer))
        if again is None:
            break
        decision = replace(again, was_kept=decision.was_kept)
    return decision


def reviewed_pairs(
    kept: Iterable[Pair], rows: Iterable[Pair], decisions: Mapping[Key, Decision]
) -> list[tuple[Pair, bool]]:
    """The sampled pairs that people decided on, as they stood then, and whether they found each one wrong.

    `kept`: tells the split groups; `rows`: those of generated.csv, without which a decision is on nothing.
    """
    group_of = {pair.image_name: pair.split_group for pair in kept}
    found = {}
    for row in rows:
        key = key_of(row.image_name, row.question, row.answer)
        decision = decisions.get(key)
        if decision and decision.was_kept:
            pair = replace(
                row,
                answer=normal_form(row.answer),
                question_type=row.question_type or question_type_of(row.question),
                split_group=group_of.get(row.image_name, ""),
            )
            found[key] = pair, not decision.is_accepted
    return list(found.values())


def acceptance(decisions: Mapping[Key, Decision], pairs: Iterable[Pair]) -> dict[str, Any]:
    """How many sampled pairs a person accepted as they stood, with a 95 % Wilson interval.

    Source: E. B. Wilson 1927; the sample is proportional to the question types, so it needs no weights.
    """
    present = {key_of(pair.image_name, pair.question, pair.answer) for pair in pairs}
    present |= {
        key_of(image, question, decision.answer)
        for (image, question, _), decision in decisions.items()
        if decision.verdict == CORRECT
    }
    sampled = [decision for decision in decisions.values() if decision.was_kept]
    accepted = sum(decision.is_accepted for decision in sampled)
    result: dict[str, Any] = {
        "decisions": {
            verdict.replace(" ", "_"): count
            for verdict, count in sorted(Counter(d.verdict for d in decisions.values()).items())
        },
        "decisions_on_absent_pairs": sum(key not in present for key in decisions),
    }
    if sampled:
        interval = binomtest(accepted, len(sampled)).proportion_ci(method="wilson")
        result["acceptance"] = round(accepted / len(sampled), 4)
        result["acceptance_ci95"] = [round(float(interval.low), 4), round(float(interval.high), 4)]
        result["reviewed"] = len(sampled)
    return result

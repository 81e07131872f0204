"""The vote of a label check on a pair's answer: the same shape for each check.

Votes of label checks → a support level: the one rule.

Each vote has a weight, and the support level is the sign of their sum. The question-only prior has weight 0:
without the image an answer cannot be called wrong, and an answer that the question alone suggests may be a
guess. A duplicate question that agrees has weight 0, too, since one annotator repeats its errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from vqa.pairs.pair import CONFLICTING, SUPPORTED, UNCHECKED

AGREES, CONTRADICTS = "agrees", "contradicts"


@dataclass(frozen=True, slots=True)
class Vote:
    """For the answer, against it, or an abstention; with the evidence."""

    says: str = ""  # AGREES, CONTRADICTS, "" where it abstains
    evidence: str = ""


SILENT = Vote()


# Label check → the weight of its vote where it agrees, and where it contradicts.
VOTES: dict[str, dict[str, int]] = {
    "catalogue": {AGREES: 1, CONTRADICTS: -1},
    "second_opinion": {AGREES: 1, CONTRADICTS: -1},
    "duplicate_question": {AGREES: 0, CONTRADICTS: -1},
    "opinion_without_image": {AGREES: 0, CONTRADICTS: 0},
    "question_only": {AGREES: 0, CONTRADICTS: 0},
}


def decide_support(votes: Mapping[str, Vote]) -> str:
    """One of SUPPORT_LEVELS, from the votes of all label checks on a pair."""
    total = sum(VOTES[check].get(vote.says, 0) for check, vote in votes.items())
    return SUPPORTED if total > 0 else CONFLICTING if total < 0 else UNCHECKED


def needs_image(votes: Mapping[str, Vote]) -> bool:
    """Whether no label check gives the answer without the image."""
    without_image = (votes[check] for check in ("question_only", "opinion_without_image") if check in votes)
    return all(vote.says != AGREES for vote in without_image)

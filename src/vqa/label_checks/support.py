"""Statements of label checks → a support level: the one rule.

Each label check has a vote for what it says; the support level is the sign of their sum. Wording has none:
nobody who has not seen an image can say that an answer is wrong for it, and an answer that words alone give
may be a guess. A twin that agrees was asked of the same annotator, which repeats its errors.
"""

from collections.abc import Mapping

from vqa.label_checks.vote import AGREES, CONTRADICTS, Vote
from vqa.pairs.support import CONFLICTING, SUPPORTED, UNCHECKED

# Label check → its vote where it agrees, and where it contradicts.
VOTES: dict[str, dict[str, int]] = {
    "catalogue": {AGREES: 1, CONTRADICTS: -1},
    "second_opinion": {AGREES: 1, CONTRADICTS: -1},
    "duplicate_question": {AGREES: 0, CONTRADICTS: -1},
    "opinion_without_image": {AGREES: 0, CONTRADICTS: 0},
    "question_only": {AGREES: 0, CONTRADICTS: 0},
}


def decide_support(votes: Mapping[str, Vote]) -> str:
    """One of VERDICTS, from what each label check says of a pair."""
    total = sum(VOTES[check].get(said.says, 0) for check, said in votes.items())
    return SUPPORTED if total > 0 else CONFLICTING if total < 0 else UNCHECKED


def needs_image(votes: Mapping[str, Vote]) -> bool:
    """Whether none of those who never saw the image gives the answer."""
    zero_image = (votes[check] for check in ("question_only", "opinion_without_image") if check in votes)
    return all(said.says != AGREES for said in zero_image)

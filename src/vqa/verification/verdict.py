"""Statements of witnesses → a verdict: the one rule.

Each witness has a vote for what it says; the verdict is the sign of their sum. Wording has none: nobody who
has not seen a picture can say that an answer is wrong for it, and an answer that words alone give may be a
guess. A twin that agrees was asked of the same annotator, which repeats its errors.
"""

from collections.abc import Mapping

from vqa.pairs.verdicts import CONFIRMED, DISPUTED, UNKNOWN
from vqa.verification.statement import AGREES, CONTRADICTS, Statement

# Witness → its vote where it agrees, and where it contradicts.
VOTES: dict[str, dict[str, int]] = {
    "catalogue": {AGREES: 1, CONTRADICTS: -1},
    "second_opinion": {AGREES: 1, CONTRADICTS: -1},
    "twin": {AGREES: 0, CONTRADICTS: -1},
    "blind_opinion": {AGREES: 0, CONTRADICTS: 0},
    "wording": {AGREES: 0, CONTRADICTS: 0},
}


def verdict_on(statements: Mapping[str, Statement]) -> str:
    """One of VERDICTS, from what each witness says of a pair."""
    votes = sum(VOTES[witness].get(said.says, 0) for witness, said in statements.items())
    return CONFIRMED if votes > 0 else DISPUTED if votes < 0 else UNKNOWN


def needs_picture(statements: Mapping[str, Statement]) -> bool:
    """Whether none of those who never saw the picture gives the answer."""
    blind = (statements[witness] for witness in ("wording", "blind_opinion") if witness in statements)
    return all(said.says != AGREES for said in blind)

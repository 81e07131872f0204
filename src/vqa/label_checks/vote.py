"""The vote of a label check on a pair's answer: the same shape for each check."""

from dataclasses import dataclass

AGREES, CONTRADICTS = "agrees", "contradicts"


@dataclass(frozen=True, slots=True)
class Vote:
    """For the answer, against it, or an abstention; with the evidence."""

    says: str = ""  # AGREES, CONTRADICTS, "" where it abstains
    evidence: str = ""


SILENT = Vote()

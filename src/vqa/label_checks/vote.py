"""What a label check says of a pair's answer: the same shape for each."""

from dataclasses import dataclass

AGREES, CONTRADICTS = "agrees", "contradicts"


@dataclass(frozen=True, slots=True)
class Vote:
    """For the answer, against it, or nothing; and what the label check saw."""

    says: str = ""  # AGREES, CONTRADICTS, "" where it is silent
    evidence: str = ""


SILENT = Vote()

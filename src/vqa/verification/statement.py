"""What a witness says of a pair's answer: the same shape for each."""

from dataclasses import dataclass

AGREES, CONTRADICTS = "agrees", "contradicts"


@dataclass(frozen=True, slots=True)
class Statement:
    """For the answer, against it, or nothing; and what the witness saw."""

    says: str = ""  # AGREES, CONTRADICTS, "" where it is silent
    evidence: str = ""


SILENT = Statement()

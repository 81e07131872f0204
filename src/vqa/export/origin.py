"""The ledger → who wrote the answers, and when."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from vqa.annotators.ledger import Entry
from vqa.core.jsonl import row_of, whole_lines


@dataclass(frozen=True)
class Answerer:
    """A model, by the name that was asked for and the one that the service says answered."""

    asked: str
    answered: str
    requests: int  # that it answered
    first: str  # day of its first answer, ISO 8601, UTC
    last: str


def answerers(ledger: Path) -> list[Answerer]:
    """The models that answered in the ledger, most requests first; none if there is no file.

    Raises:
        InputError: a line of it is no ledger entry.
    """
    days: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line in whole_lines(ledger, Entry):
        entry = row_of(Entry, line.values)
        if entry.outcome == "answered":
            days[entry.model_asked, entry.model_answered].append(entry.time[: len("2026-01-31")])
    of_models = [Answerer(*models, len(of), min(of), max(of)) for models, of in days.items()]
    return sorted(of_models, key=lambda answerer: (-answerer.requests, answerer.asked, answerer.answered))

"""Metrics, settings and counts of what was written → the card of the exported data set.

The ledger → who wrote the answers, and when.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCardData

from vqa.annotators.ledger import Entry
from vqa.annotators.prompt import TEMPLATE
from vqa.core.jsonl import row_of, whole_lines
from vqa.export.dataset import Census
from vqa.pages.page import page
from vqa.settings import Settings


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


_SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M"}  # the hub's words
_MORE = "1M<n<10M"
FILES = {"parquet": "data/{}.parquet", "messages": "{}.jsonl"}  # of a split


@dataclass(frozen=True)
class Rights:
    """The rights in the images: the licence in the hub's spelling, such as "cc-by-4.0", and their source."""

    licence: str
    is_drawn: bool = False
    is_abo: bool = False


def dataset_card(
    settings: Settings,
    metrics: Mapping[str, Any],
    census: Mapping[str, Census],
    answerers: Sequence[Answerer],
    rights: Rights,
    commit: str,
    with_images: bool,
    form: str = "parquet",
) -> str:
    """Markdown with the hub's metadata block.

    Args:
        metrics: of the stage validate (metrics/data.json).
        census: what was written, by split.
        answerers: who wrote the answers, where a ledger has them.
        form: of the files: "parquet", or "messages" for JSON lines.
    """
    pairs = sum(split.pairs for split in census.values())
    values = {
        "metadata": _metadata(census, pairs, rights.licence, FILES[form]).to_yaml(),
        "pairs": pairs,
        "census": census,
        "support_levels": [
            support for support in ("supported", "unchecked", "conflicting") if _has(census, support)
        ],
        "annotator": settings.generate.annotator,
        "csv": settings.generate.csv.name,
        "answerers": answerers,
        "prompt": TEMPLATE.read_text(encoding="utf-8").strip(),
        "rejected": metrics["rejected"],
        "screened": metrics["pairs"],
        "labels": metrics["labels"],
        "review": metrics.get("review"),
        "splits": settings.validate,
        "licence": rights.licence,
        "is_drawn": rights.is_drawn,
        "is_abo": rights.is_abo,
        "commit": commit,
        "with_images": with_images,
        "form": form,
    }
    return page("dataset.md", values)


def _has(census: Mapping[str, Census], support: str) -> bool:
    return any(support in split.support_levels for split in census.values())


def _metadata(census: Mapping[str, Census], pairs: int, licence: str, file: str) -> DatasetCardData:
    files = [{"split": split, "path": file.format(split)} for split in census]
    return DatasetCardData(
        license=licence,
        language="en",
        task_categories=["visual-question-answering"],
        size_categories=next((words for most, words in _SIZES.items() if pairs < most), _MORE),
        tags=["product-images", "one-word-answers"],
        pretty_name="Questions and one-word answers about product images",
        configs=[{"config_name": "default", "data_files": files}],
    )

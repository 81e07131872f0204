"""Metrics, settings and what was written → the card of the exported data set."""

from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import DatasetCardData

from vqa.annotators.prompt import TEMPLATE
from vqa.pages.page import page
from vqa.publication.dataset import Census
from vqa.publication.origin import Answerer
from vqa.settings import Settings

_SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M"}  # the hub's words
_MORE = "1M<n<10M"
FILES = {"parquet": "data/{}.parquet", "messages": "{}.jsonl"}  # of a split


def dataset_card(
    settings: Settings,
    metrics: Mapping[str, Any],
    census: Mapping[str, Census],
    answerers: Sequence[Answerer],
    licence: str,
    is_drawn: bool,
    commit: str,
    with_pictures: bool,
    form: str = "parquet",
) -> str:
    """Markdown with the hub's metadata block.

    Args:
        metrics: of the stage validate (metrics/data.json).
        census: what was written, by split.
        answerers: who wrote the answers, where a ledger has them.
        licence: in the hub's spelling, such as "cc-by-4.0".
        form: of the files: "parquet", or "messages" for JSON lines.
    """
    pairs = sum(split.pairs for split in census.values())
    values = {
        "metadata": _metadata(census, pairs, licence, FILES[form]).to_yaml(),
        "pairs": pairs,
        "census": census,
        "verdicts": [verdict for verdict in ("confirmed", "unknown", "disputed") if _has(census, verdict)],
        "annotator": settings.generate.annotator,
        "csv": settings.generate.csv.name,
        "answerers": answerers,
        "prompt": TEMPLATE.read_text(encoding="utf-8").strip(),
        "rejected": metrics["rejected"],
        "screened": metrics["pairs"],
        "labels": metrics["labels"],
        "review": metrics.get("review"),
        "splits": settings.validate,
        "licence": licence,
        "is_drawn": is_drawn,
        "commit": commit,
        "with_pictures": with_pictures,
        "form": form,
    }
    return page("dataset.md", values)


def _has(census: Mapping[str, Census], verdict: str) -> bool:
    return any(verdict in split.verdicts for split in census.values())


def _metadata(census: Mapping[str, Census], pairs: int, licence: str, file: str) -> DatasetCardData:
    files = [{"split": split, "path": file.format(split)} for split in census]
    return DatasetCardData(
        license=licence,
        language="en",
        task_categories=["visual-question-answering"],
        size_categories=next((words for most, words in _SIZES.items() if pairs < most), _MORE),
        tags=["product-images", "one-word-answers"],
        pretty_name="Questions and one-word answers about product pictures",
        configs=[{"config_name": "default", "data_files": files}],
    )

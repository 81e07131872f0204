"""Write the pairs as a data set for the hub or for trainers.

    python src dataset
    python src dataset --images embed --license cc-by-4.0
    python src dataset --format messages               # for TRL and others: docs/other_tools.md
    hf upload --repo-type dataset ME/MY-PAIRS data/export   # the hub's command, to publish it

In: params.yaml, data/vqa/{train,val,test}.csv, support.csv where there is one, data/ledger,
metrics/data.json, the images if they are embedded or the format is messages. Out: a folder that `datasets`
and pandas read (Parquet), or that trainers of chat models read (JSON lines of messages and images), with a
card that says who wrote the answers and what is known to be wrong with them.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.catalogue.manifest import images_licence, is_abo, is_drawn, read_tree
from vqa.core.cli import command_line
from vqa.core.errors import InputError
from vqa.core.files import check_replaceable, commit_at_hand, whole
from vqa.evaluation.markdown import read_metrics
from vqa.export.dataset import Census, write_dataset, write_messages
from vqa.export.dataset_card import Rights, answerers, dataset_card
from vqa.pairs.pair import SPLITS
from vqa.settings import Data, load_settings

FOLDER = Path("data/vqa")
LEDGER = Path("data/ledger/ledger.jsonl")
METRICS = Path("metrics/data.json")


class Format(StrEnum):
    PARQUET = "parquet"
    MESSAGES = "messages"


FOLDERS = {Format.PARQUET: Path("data/export"), Format.MESSAGES: Path("data/export-messages")}
_WRITTEN = {  # in the folder, at its top
    Format.PARQUET: {"README.md", "data"},
    Format.MESSAGES: {"README.md", "dataset_info.json", "images", *(f"{split}.jsonl" for split in SPLITS)},
}
_WRITERS = {Format.PARQUET: write_dataset, Format.MESSAGES: write_messages}


class Images(StrEnum):
    LINK = "link"
    EMBED = "embed"


def run(
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="data/export, or data/export-messages")
    ] = None,
    format: Annotated[  # noqa: A002  # what a user calls it
        Format, typer.Option(help="parquet: all columns; messages: JSON lines of chat turns and images")
    ] = Format.PARQUET,
    images: Annotated[
        Images,
        typer.Option(
            help="link: their place in the catalogue; embed: their bytes too, or copies beside messages"
        ),
    ] = Images.LINK,
    license: Annotated[  # noqa: A002  # the hub's word
        str | None, typer.Option(metavar="NAME", help="of the images, where not as data.licence says")
    ] = None,
) -> None:
    settings = load_settings()
    embed = images is Images.EMBED
    licence = license or images_licence(settings.data) or _ask_for_licence(settings.data.root)
    splits = {split: FOLDER / f"{split}.csv" for split in SPLITS}
    out = out or FOLDERS[format]
    check_replaceable(out, _WRITTEN[format])
    with whole(out) as folder:
        write = _WRITERS[format]
        census = write(folder, splits, FOLDER / "support.csv", read_tree(settings.data.root), embed)
        metrics = _metrics_of(census)
        known_answerers = answerers(LEDGER) if settings.generate.annotator == "gemini" else []
        card = dataset_card(
            settings,
            metrics,
            census,
            known_answerers,
            _rights(settings.data, licence),
            commit_at_hand(),
            embed,
            str(format),
        )
        (folder / "README.md").write_text(card, encoding="utf-8")
    print(f"wrote {sum(split.pairs for split in census.values())} pairs and their card to {out}")


def _rights(data: Data, licence: str) -> Rights:
    return Rights(licence, is_drawn(data), is_abo(data))


def _ask_for_licence(root: Path) -> str:
    raise InputError(
        f"--license is missing: nobody but you knows what the images of {root} allow; set data.licence in "
        "params.yaml (abo for Amazon Berkeley Objects), or give --license cc-by-4.0"
    )


def _metrics_of(census: dict[str, Census]) -> dict[str, Any]:
    """What validate counted, if it was these pairs."""
    metrics: dict[str, Any] = read_metrics(METRICS)
    counted = {split: found["pairs"] for split, found in metrics["splits"].items()}
    if counted != {split: found.pairs for split, found in census.items()}:
        raise InputError(f"{METRICS} counts other pairs than {FOLDER} holds; run dvc repro validate")
    return metrics


app = command_line(__doc__, run)

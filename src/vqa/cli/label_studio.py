"""Review pairs in Label Studio: tasks out, decisions back.

    python src label_studio tasks                  # data/label_studio: tasks.json, interface.xml
    python src label_studio reviews export.json    # data/review/export.csv; then dvc repro

In: params.yaml, data/vqa/{train,val,test}.csv, support.csv where there is one, the images; or what Label
Studio exported as JSON. Out: a sample by support level and type (verify.review_pairs), to import into a
project whose labeling interface is interface.xml; or decisions, which beat the rules (docs/other_tools.md).
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import image_data_url, image_id_of_content
from vqa.catalogue.manifest import read_tree
from vqa.core.cli import command_line
from vqa.core.csv_tables import write_rows
from vqa.core.errors import InputError
from vqa.core.files import content_hash, whole, whole_file
from vqa.export.dataset import read_support
from vqa.export.label_studio import COLUMNS, labeling_interface, read_export, task_for_pair
from vqa.export.own_folder import check_replaceable
from vqa.pairs.pair import SPLITS, Pair, read_pairs
from vqa.settings import load_settings
from vqa.validation.review import KINDS
from vqa.validation.review_page import stratified

FOLDER = Path("data/vqa")
REVIEWS = Path("data/review")
TASKS, INTERFACE = "tasks.json", "interface.xml"


def tasks(
    out: Annotated[Path, typer.Option(metavar="FOLDER")] = Path("data/label_studio"),
    count: Annotated[
        int | None, typer.Option(min=1, help="pairs to review; verify.review_pairs where it is left out")
    ] = None,
) -> None:
    """Write a sample of the pairs as tasks, the pair's answer as prediction, and the labeling interface."""
    check_replaceable(out, (TASKS, INTERFACE))
    settings = load_settings()
    root = read_tree(settings.data.root)
    pairs = [pair for split in SPLITS for pair in read_pairs(FOLDER / f"{split}.csv")]
    support_by_pair = read_support(FOLDER / "support.csv")

    def decide_support(pair: Pair) -> str:
        return support_by_pair.get(pair.key, {}).get("support", "")

    sample = stratified(
        pairs,
        lambda pair: (decide_support(pair), pair.question_type),
        lambda pair: f"{pair.image_name}/{pair.question}/{pair.answer}",
        count or settings.verify.review_pairs,
        settings.validate.seed,
    )
    written = []
    for pair in sample:
        path = image_path(root, pair.image_name)
        url = image_data_url(path)
        if url is None:
            raise InputError(f"{path} cannot be read, but a pair asks about it; run dvc repro validate")
        annotator = pair.source or settings.generate.annotator
        image_id = image_id_of_content(content_hash(path))
        written.append(task_for_pair(pair, decide_support(pair), url, image_id, annotator))
    with whole(out) as folder:
        folder.mkdir()
        with whole_file(folder / TASKS) as file:
            json.dump(written, file)
        (folder / INTERFACE).write_text(labeling_interface(KINDS), encoding="utf-8")
    print(f"wrote {len(written)} tasks to {out / TASKS}; set a project up with {out / INTERFACE}")


def reviews(
    export: Annotated[Path, typer.Argument(metavar="JSON", help="exported from Label Studio as JSON")],
    out: Annotated[
        Path | None, typer.Option(metavar="CSV", help="data/review/NAME.csv where it is left out")
    ] = None,
) -> None:
    """Write what people decided in Label Studio as a file of data/review."""
    out = out or REVIEWS / f"{export.stem}.csv"
    if out.exists():
        raise InputError(f"{out} is there already; remove it, or name another: --out {REVIEWS}/NAME.csv")
    decisions = read_export(export, KINDS)
    if not decisions.rows:
        raise InputError(f"{export} holds no decision; submit some tasks in Label Studio and export again")
    write_rows(out, COLUMNS, decisions.rows)
    left = f"{decisions.skipped} were skipped there, {decisions.open} tasks are still open"
    print(f"wrote {len(decisions.rows)} decisions to {out} ({left}); run dvc repro")


app = command_line(__doc__, tasks, reviews)

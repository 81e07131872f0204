"""Review pairs in Label Studio: tasks out, decisions back.

    python src label_studio tasks                  # data/label_studio: tasks.json, interface.xml
    python src label_studio reviews export.json    # data/review/export.csv; then dvc repro

In: params.yaml, data/vqa/{train,val,test}.csv, support.csv where there is one, the images; or what Label
Studio exported as JSON. Out: a sample by support level and type (verify.review_pairs), to import into a
project whose labeling interface is interface.xml; or decisions, which beat the rules (docs/other_tools.md).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import image_data_url, image_id_of_content
from vqa.catalogue.manifest import read_tree
from vqa.core.cli import command_line
from vqa.core.csv_tables import write_rows
from vqa.core.errors import InputError
from vqa.core.files import check_replaceable, content_hash, whole, whole_file
from vqa.export.dataset import read_support
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import SPLITS, Pair, read_pairs
from vqa.settings import load_settings
from vqa.validation.review import KINDS
from vqa.validation.review_page import stratified

# Of a file in data/review, as data/vqa/review.html writes them.
COLUMNS = (
    "image_name",
    "image_sha256",
    "question",
    "answer",
    "question_type",
    "list",
    "decision",
    "corrected_answer",
    "reviewer",
    "decided_at",
)
_OF_TASK = ("image_name", "image_sha256", "question", "answer", "question_type", "list")
_WITHOUT_ANSWER = ("accept", "reject")  # decisions that change no answer
_WIDEST = "400px"  # of the image, so that question, decision and answer stand on the same screen
_IMAGE, _DECISION, _ANSWER = "image", "decision", "answer"  # names in the labeling interface


# Pairs → tasks for Label Studio, with predictions; its JSON export → decisions, as data/review holds them.
#
# Sources: https://labelstud.io/guide/task_format (fields of an export), https://labelstud.io/guide/predictions
# (fields of a task); tried with Label Studio 1.23.
class _Value(BaseModel):
    choices: list[str] = []
    text: list[str] | str = []


class _Result(BaseModel):
    from_name: str
    value: _Value


class _User(BaseModel):
    email: str


class _Annotation(BaseModel):
    result: list[_Result]
    completed_by: int | _User | None = None
    was_cancelled: bool = False
    updated_at: str = ""


class _Task(BaseModel):
    id: int
    data: dict[str, Any]
    annotations: list[_Annotation]


@dataclass(frozen=True)
class Export:
    """The results of people's work on the tasks."""

    rows: list[dict[str, str]]  # decisions, with `COLUMNS`
    skipped: int  # annotations that the reviewer skipped
    open: int  # tasks without an annotation


def labeling_interface(decisions: Sequence[str]) -> str:
    """The XML to set a project up with: the image, the question, a decision, the answer to edit."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name=_IMAGE, value="$image", maxWidth=_WIDEST)
    ElementTree.SubElement(view, "Header", value="$question")
    ElementTree.SubElement(view, "Header", value="$checks", size="5")
    names = {"toName": _IMAGE, "required": "true"}
    choices = ElementTree.SubElement(view, "Choices", {"name": _DECISION, "choice": "single"} | names)
    for number, decision in enumerate(decisions, start=1):
        ElementTree.SubElement(choices, "Choice", value=decision, hotkey=str(number))
    once = {"maxSubmissions": "1", "editable": "true"}
    ElementTree.SubElement(view, "TextArea", {"name": _ANSWER, "rows": "1"} | once | names)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def task_for_pair(pair: Pair, support: str, image_url: str, image_id: str, annotator: str) -> dict[str, Any]:
    """A task in which the pair's answer is the prediction; no decision is filled in, so as not to bias it.

    Args:
        support: the support level of the label; "" where there is none.
        image_id: first digits of the SHA-256 of the image's file.
        annotator: who wrote the answer.
    """
    cells = (pair.image_name, image_id, pair.question, pair.answer, pair.question_type, "kept")
    result = {
        "from_name": _ANSWER,
        "to_name": _IMAGE,
        "type": "textarea",
        "value": {"text": [pair.answer]},
    }
    return {
        "data": dict(zip(_OF_TASK, cells, strict=True))
        | {"image": image_url, "checks": support or "unchecked"},
        "predictions": [{"model_version": annotator, "result": [result]}],
    }


def read_export(path: Path, decisions: Sequence[str]) -> Export:
    """The decisions in a file that Label Studio exported as JSON, in its order.

    Raises:
        InputError: it is no such file, or an annotation has no valid decision.
    """
    try:
        tasks = TypeAdapter(list[_Task]).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give Label Studio's export") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{path} is no JSON export of Label Studio ({where}: {first['msg']}); choose JSON there, not "
            "JSON-MIN or CSV"
        ) from error
    rows = [row for task in tasks for row in _rows_of(path, task, decisions)]
    skipped = sum(annotation.was_cancelled for task in tasks for annotation in task.annotations)
    return Export(rows, skipped, sum(not task.annotations for task in tasks))


def _rows_of(path: Path, task: _Task, decisions: Sequence[str]) -> Iterator[dict[str, str]]:
    missing = [name for name in _OF_TASK if not isinstance(task.data.get(name), str)]
    if missing:
        raise InputError(
            f"{path}, task {task.id}: its data has no {missing[0]}; export the project whose tasks were "
            "written here"
        )
    for annotation in task.annotations:
        if annotation.was_cancelled:
            continue
        decision, answer, problem = _decision_and_answer(annotation, task.data["answer"], decisions)
        if problem:
            raise InputError(f"{path}, task {task.id}: {problem}; mend it in Label Studio and export again")
        by = annotation.completed_by
        yield {name: task.data[name] for name in _OF_TASK} | {
            "decision": decision,
            "corrected_answer": answer,
            "reviewer": by.email if isinstance(by, _User) else "" if by is None else f"user {by}",
            "decided_at": annotation.updated_at,
        }


def _decision_and_answer(
    annotation: _Annotation, label: str, decisions: Sequence[str]
) -> tuple[str, str, str]:
    """The decision, the corrected or further answer, and what is wrong with them ("" if nothing)."""
    values = {result.from_name: result.value for result in annotation.result}
    chosen = values.get(_DECISION, _Value()).choices
    if len(chosen) != 1 or chosen[0] not in decisions:
        return "", "", f"its decision is {', '.join(chosen) or 'missing'}, not one of {', '.join(decisions)}"
    text = values.get(_ANSWER, _Value()).text
    answer = (text if isinstance(text, str) else " ".join(text)).strip()
    is_changed = normalize_answer(answer) not in ("", normalize_answer(label))
    if chosen[0] in _WITHOUT_ANSWER:
        return chosen[0], "", f"{chosen[0]}, but the answer is {answer!r} now" if is_changed else ""
    if not is_changed:
        return chosen[0], "", f"{chosen[0]}, but the answer is still {label!r}"
    if len(normalize_answer(answer).split()) != 1:
        return chosen[0], "", f"{chosen[0]}, but the answer {answer!r} is not one word"
    return chosen[0], answer, ""


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

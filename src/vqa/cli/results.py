"""Print the last results, alone or beside others.

    python src results
    python src results --diff HEAD   # beside those of a commit, a tag or an experiment

In: metrics/evaluate.json and speed.json, dvc.lock. Out: the table on standard output below what it is of, and
how much of the gain is format.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.core.cli import command_line
from vqa.core.errors import InputError
from vqa.core.files import read_json
from vqa.evaluation.markdown import (
    diff_table,
    format_sentence,
    points,
    read_metrics,
    results_table,
    speed_sentence,
    split_intervals,
)
from vqa.evaluation.systems import BASELINE, LORA, TO_BASELINE
from vqa.pairs.pair import too_few
from vqa.settings import PARAMS, load_settings
from vqa.studies.grid import changes, other_files, settings_at_hand, settings_of_run
from vqa.studies.report import change_sentence
from vqa.studies.results import exact_matches, read_questions

LOCK = Path("dvc.lock")
TEST = Path("data/vqa/test.csv")
METRICS, SPEED = Path("metrics/evaluate.json"), Path("metrics/speed.json")
DETAILS = Path("metrics/details.json")


def run(
    diff: Annotated[str | None, typer.Option(metavar="REV", help="what changed since that commit")] = None,
) -> None:
    if diff:
        print_diff(diff)
    else:
        print_table()


def print_table() -> None:
    metrics = _evaluated()
    print(*_heading(metrics), results_table(metrics), format_sentence(metrics), sep="\n")
    if SPEED.is_file():
        print(speed_sentence(read_json(SPEED)))
    print("", *last_lines(metrics), sep="\n")


def last_lines(metrics: dict[str, Any]) -> list[str]:
    """What came out, what to open, how to ask, what is next."""
    base, adapted = (metrics[system.key]["exact_match"] for system in (BASELINE, LORA))
    gain = points(metrics[TO_BASELINE.key]["exact_match"])
    root = load_settings().data.root if PARAMS.is_file() else Path("data/demo")
    images = root.with_suffix("") / "images/small"
    return [
        f"came out: exact match {base:.1%} before, {adapted:.1%} with the adapter, {gain} points",
        "open this: metrics/report.html, every answer with its image",
        f'ask so:    python src ask --image {images} --question "What color is it?"',
        "next:      dvc exp run -S lora.r=8 && python src results --diff HEAD; then README.md, Run",
    ]


def print_diff(rev: str) -> None:
    """Exact match of `rev` and now with the paired interval of its change, and the settings that differ.

    Answers to other test questions are not put beside these.

    Raises:
        InputError: there is no such commit or experiment, or it has no metrics.
    """
    from vqa.studies.runs import committed, names  # noqa: PLC0415  # DVC takes a second to load

    metrics, commit = _evaluated(), names("HEAD").get(rev, rev)
    then = split_intervals(json.loads(committed(METRICS.as_posix(), commit)))
    settings = settings_of_run(committed(LOCK.as_posix(), commit))
    changed = changes(settings, settings_of_run(LOCK.read_text(encoding="utf-8")))
    print(*_heading(metrics), sep="\n")
    print(_compared(then, metrics, rev, commit))
    print(f"changed since {rev}: {', '.join(changed) or 'no setting'}")


def _compared(then: dict[str, Any], now: dict[str, Any], rev: str, commit: str) -> str:
    """The table of both, and how sure the adapter's change is; or why they do not stand side by side."""
    from dvc.exceptions import DvcException  # noqa: PLC0415

    from vqa.studies.runs import kept  # noqa: PLC0415

    answers = (LORA.answers or Path()).as_posix()
    try:
        test, theirs = kept(TEST.as_posix(), commit), kept(answers, commit)
    except (DvcException, FileNotFoundError):
        missing = f"no interval of the change: DVC's cache has no answers of {rev}; dvc fetch brings them"
        return f"{diff_table(then, now, rev)}\n{missing}"
    questions, others = (read_questions(text) for text in (TEST.read_text(encoding="utf-8"), test))
    if questions.keys != others.keys:
        counts = f"{len(others.keys):,} questions, here {len(questions.keys):,}"
        return f"{rev} was evaluated on other test pairs ({counts}), so its numbers do not stand beside these"
    ours = Path(answers).read_text(encoding="utf-8")
    before, after = (exact_matches(text, questions, rev) for text in (theirs, ours))
    return f"{diff_table(then, now, rev)}\n{change_sentence(before, after, list(questions.groups.values()))}"


def _evaluated() -> dict[str, Any]:
    if not METRICS.is_file():
        raise InputError(f"{METRICS} is missing; run dvc repro first")
    metrics: dict[str, Any] = read_metrics(METRICS)
    return metrics


def _heading(metrics: dict[str, Any]) -> list[str]:
    """What the table below is of, and whether that is what lies here."""
    ran = settings_of_run(LOCK.read_text(encoding="utf-8")) if LOCK.is_file() else {}
    data, model = ran.get("data.root", "data unknown"), ran.get("model.name", "model unknown")
    questions, images = metrics["data"]["test_pairs"], metrics["data"]["test_images"]
    heading = [f"{data}, {model}: {questions:,} held-out questions on {images:,} images"]
    stale = changes(ran, settings_at_hand(PARAMS.read_text(encoding="utf-8"))) if PARAMS.is_file() else []
    if DETAILS.is_file():
        stale += [f"another {name}" for name in other_files(read_json(DETAILS)["evaluated"])]
    if stale:
        heading.append(
            f"not of what lies here ({', '.join(stale)}): dvc repro, or git checkout . && dvc checkout"
        )
    return [*heading, *too_few(questions), ""]


app = command_line(__doc__, run)

"""Ask the model about any image, with the adapter or without.

    python src ask --image lamp.jpg --question "What color is the shade?"
    python src ask --image lamp.jpg photos --question "What is it?" "What is it made of?" --top 3
    python src ask --list           # the questions that it was trained on; others it misreads
    python src ask --adapter models/adapter-photos --image lamp.jpg --question "What color is it?"
    python src ask --csv questions.csv --images photos --out answers.csv --at-least 0.6
    torchrun --nproc-per-node 8 src ask --csv questions.csv --images photos --out answers.csv

In: params.yaml, models/adapter/best, or another adapter and the model that it was made for; images or
folders of them, or a CSV with image_name and question, its images below --images. Out: a line for each
question, or a CSV with generated_answer, probability, alternatives and problem; an answer below --at-least
is not given but counted as unsure. Killed, a run with --out goes on where it was.
"""

import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.core.cli import command_line
from vqa.core.devices import default_device, join_processes, leave_processes, rank_and_world
from vqa.core.errors import InputError
from vqa.core.partial_results import PartialResults, map_resumable
from vqa.inference.answerer import (
    Answer,
    Answerer,
    Reply,
    read_training_summary,
    with_adapter_model,
    withheld,
)
from vqa.inference.questions import Asked, questions_about, questions_of_csv, write_answers
from vqa.settings import Settings, load_settings
from vqa.vlm.base_model import model_version

ADAPTER = Path("models/adapter/best")
TRAIN = Path("data/vqa/train.csv")

Images = Annotated[list[Path] | None, typer.Option(metavar="PATH", help="images or folders of them")]
Questions = Annotated[list[str] | None, typer.Option(metavar="TEXT", help="asked about every image")]
Rows = Annotated[Path | None, typer.Option(metavar="FILE", help="image_name,question instead of the two")]
Below = Annotated[Path | None, typer.Option(metavar="FOLDER", help="where the CSV's images lie")]


def run(
    image: Images = None,
    question: Questions = None,
    csv: Rows = None,
    images: Below = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="write a CSV")] = None,
    top: Annotated[int, typer.Option(metavar="N", min=1, help="answers to show")] = 1,
    adapter: Annotated[Path, typer.Option(metavar="FOLDER", help="in PEFT format")] = ADAPTER,
    at_least: Annotated[
        float, typer.Option(metavar="P", min=0.0, max=1.0, help="less probable answers are not given")
    ] = 0.0,
    base: Annotated[bool, typer.Option("--base", help="the model without the adapter")] = False,
    wordings: Annotated[bool, typer.Option("--list", help="questions that it was trained on")] = False,
) -> None:
    if wordings:
        print_wordings(adapter)
        return
    if csv and not (image or question):
        asked, rows = questions_of_csv(csv, images or csv.parent)
    elif image and question and not csv:
        asked, rows = questions_about(image, question)
    else:
        raise typer.BadParameter("give --image and --question, or --csv")
    ask(asked, rows, out, top, None if base else adapter, at_least)


def print_wordings(adapter: Path) -> None:
    """Print what the adapter was trained on, and its commonest questions, a line each.

    Raises:
        InputError: nothing says it.
    """
    settings = load_settings()
    with_adapter_model(adapter, settings)
    summary = read_training_summary(adapter, TRAIN, settings.data.root)
    if summary is None:
        raise InputError(
            f"{TRAIN} is missing and nothing beside {adapter} says what it was trained on; dvc pull"
        )
    print(f"{adapter}: {summary}", *summary.questions, sep="\n")


def ask(
    asked: Asked,
    rows: list[dict[str, str]],
    out: Path | None,
    top: int,
    adapter: Path | None,
    at_least: float = 0.0,
) -> None:
    """Answer what is asked: into `out`, its rows in front, or on standard output as answers come.

    Answers less probable than `at_least` are withheld; how many those are is said.

    Raises:
        InputError: questions have no answer, or there is nothing that could answer them.
    """
    device = default_device()
    join_processes()
    settings = load_settings()
    settings = with_adapter_model(adapter, settings) if adapter else settings
    partial_results = PartialResults(
        Path(f"{out or 'answers'}.work"), _run_of(settings, asked, top, adapter, at_least)
    )
    answerer = Answerer(settings, device, adapter)
    if at_least and not answerer.calibration.questions:
        what = adapter or settings.model.name
        print(f"{what} has no calibration.json: its probabilities say little", file=sys.stderr)

    def replies(todo: Asked) -> Iterator[Reply]:
        for reply in answerer.replies(todo, top, settings.decoding.batch_size):
            yield withheld(reply, at_least)

    all_replies = _all_replies(asked, replies, partial_results if out else None, out is None)
    is_first = rank_and_world()[0] == 0
    if is_first and out:
        write_answers(out, rows, all_replies)
        partial_results.remove()
        print(f"wrote {len(all_replies)} rows to {out}")
    leave_processes()
    if is_first:
        _say_what_is_missing(all_replies, at_least)


def _run_of(
    settings: Settings, asked: Asked, top: int, adapter: Path | None, at_least: float
) -> dict[str, Any]:
    """Whatever decides the answers: partial results of any other run are not continued."""
    return {
        "model": settings.model,
        "level": settings.features.level,
        "max_new_tokens": settings.decoding.max_new_tokens,
        "adapter": model_version(adapter) if adapter else None,
        "top": top,
        "at_least": at_least,
        "asked": asked,
        "pictures": _versions_of({path for path, _ in asked}),
    }


def _say_what_is_missing(found: Sequence[Reply], at_least: float) -> None:
    """Count what was withheld.

    Raises:
        InputError: questions have no answer.
    """
    if at_least:
        unsure = sum(reply.is_unsure for reply in found)
        print(f"{unsure} of {len(found)} answers are withheld: less probable than {at_least}")
    if problems := [reply.problem for reply in found if reply.problem and not reply.is_unsure]:
        raise InputError(
            f"{len(problems)} of {len(found)} questions have no answer ({problems[0]}); give the "
            "images and ask those again"
        )


def _versions_of(paths: set[Path]) -> list[tuple[str, int, int]]:
    """Size and time of each image that is there: another under the same name is another question."""
    stats = [(str(path), path.stat()) for path in sorted(paths) if path.is_file()]
    return [(name, status.st_size, status.st_mtime_ns) for name, status in stats]


def _all_replies(
    asked: Asked,
    replies: Callable[[Asked], Iterator[Reply]],
    partial_results: PartialResults | None,
    is_printed: bool,
) -> list[Reply]:
    """Every reply, shared out by image, as `map_resumable` does it and continues after a kill."""

    def reply_to(by_image: list[list[int]]) -> Iterator[dict[int, list[Any]]]:
        mine = sorted(itertools.chain.from_iterable(by_image))  # as asked: replies are printed as they come
        for i, reply in zip(mine, replies([asked[i] for i in mine]), strict=True):
            if is_printed:
                _print(asked[i], reply)
            yield {i: [[astuple(answer) for answer in reply.answers], reply.problem, reply.is_unsure]}

    by_image: dict[Path, list[int]] = defaultdict(list)
    for i, (path, _) in enumerate(asked):
        by_image[path].append(i)
    groups = list(by_image.values())
    kept = map_resumable(groups, reply_to, list, partial_results, "question", "asking", not is_printed)
    return [_reply(*of_question) for of_question in kept]


def _print(asked: tuple[Path, str], reply: Reply) -> None:
    answers = ", ".join(f"{answer.word} {answer.probability:.2f}" for answer in reply.answers)
    text = answers or f"{'unsure' if reply.is_unsure else 'no answer'}: {reply.problem}"
    print(f"{asked[0]}  {asked[1]}  {text}", flush=True)


def _reply(answers: list[tuple[str, float]], problem: str, is_unsure: bool) -> Reply:
    return Reply(tuple(Answer(word, probability) for word, probability in answers), problem, is_unsure)


app = command_line(__doc__, run)

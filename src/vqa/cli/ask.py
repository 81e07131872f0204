"""Ask the adapted model about any picture.

    python src ask --image lamp.jpg --question "What color is the shade?"
    python src ask --image lamp.jpg photos --question "What is it?" "What is it made of?" --top 3
    python src ask --list           # the wordings that the adapter was taught: it misreads others
    python src ask --adapter models/adapter-photos --image lamp.jpg --question "What color is it?"
    python src ask --csv questions.csv --images photos --out answers.csv --at-least 0.6
    torchrun --nproc-per-node 8 src ask --csv questions.csv --images photos --out answers.csv

In: params.yaml, models/adapter/best, or another adapter and the model that it was made for; pictures or
folders of them, or a CSV with image_name and question, its pictures below --images. Out: a line for each
question, or a CSV with generated_answer, probability, alternatives and problem; an answer below --at-least
is not given but counted as unsure. Killed, a run with --out goes on where it was.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from vqa.foundation.command_line import command_line
from vqa.foundation.devices import (
    default_device,
    gathered,
    join_processes,
    leave_processes,
    rank_and_world,
    wait_for_all,
)
from vqa.foundation.errors import InputError
from vqa.foundation.terminal import progress_bar
from vqa.foundation.unfinished import Unfinished
from vqa.inference.answerer import Answer, Answerer, Reply, withheld
from vqa.inference.questions import Asked, questions_about, questions_of_csv, write_answers
from vqa.inference.taught import read_taught, with_model_of
from vqa.settings import load_settings
from vqa.vlm.base_model import version_of

ADAPTER = Path("models/adapter/best")
TRAIN = Path("data/vqa/train.csv")

Pictures = Annotated[list[Path] | None, typer.Option(metavar="PATH", help="pictures or folders of them")]
Questions = Annotated[list[str] | None, typer.Option(metavar="TEXT", help="asked about every picture")]
Rows = Annotated[Path | None, typer.Option(metavar="FILE", help="image_name,question instead of the two")]
Below = Annotated[Path | None, typer.Option(metavar="FOLDER", help="where the CSV's pictures lie")]


def run(
    image: Pictures = None,
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
    wordings: Annotated[bool, typer.Option("--list", help="questions that it was taught")] = False,
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
    """What the adapter was taught, and its commonest questions, a line each.

    Raises:
        InputError: nothing says it.
    """
    settings = load_settings()
    with_model_of(adapter, settings)
    taught = read_taught(adapter, TRAIN, settings.data.root)
    if taught is None:
        raise InputError(f"{TRAIN} is missing and nothing beside {adapter} says what it was taught; dvc pull")
    print(f"{adapter}: {taught}", *taught.questions, sep="\n")


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
    settings = with_model_of(adapter, settings) if adapter else settings
    work = Path(f"{out or 'answers'}.work")
    run_of = {
        "model": settings.model,
        "level": settings.features.level,
        "max_new_tokens": settings.decoding.max_new_tokens,
        "adapter": version_of(adapter) if adapter else None,
        "top": top,
        "at_least": at_least,
        "asked": asked,
        "pictures": _versions_of({path for path, _ in asked}),
    }
    unfinished = Unfinished(work, run_of)
    answerer = Answerer(settings, device, adapter)

    if at_least and not answerer.calibration.questions:
        what = adapter or settings.model.name
        print(f"{what} has no calibration.json: its probabilities say little", file=sys.stderr)

    def replies(todo: Asked) -> Iterator[Reply]:
        for reply in answerer.replies(todo, top, settings.decoding.batch_size):
            yield withheld(reply, at_least)

    found = _all_replies(asked, replies, unfinished if out else None, out is None)
    if rank_and_world()[0] == 0 and out:
        write_answers(out, rows, found)
        unfinished.remove()
        print(f"wrote {len(found)} rows to {out}")
    leave_processes()
    if at_least and rank_and_world()[0] == 0:
        unsure = sum(reply.is_unsure for reply in found)
        print(f"{unsure} of {len(found)} answers are withheld: less probable than {at_least}")
    problems = [reply.problem for reply in found if reply.problem and not reply.is_unsure]
    if problems and rank_and_world()[0] == 0:
        raise InputError(
            f"{len(problems)} of {len(asked)} questions have no answer ({problems[0]}); give the "
            "pictures and ask those again"
        )


def _versions_of(paths: set[Path]) -> list[tuple[str, int, int]]:
    """Size and time of each picture that is there: another under the same name is another question."""
    found = [(str(path), path.stat()) for path in sorted(paths) if path.is_file()]
    return [(name, status.st_size, status.st_mtime_ns) for name, status in found]


def _all_replies(
    asked: Asked,
    replies: Callable[[Asked], Iterator[Reply]],
    unfinished: Unfinished | None,
    is_printed: bool,
) -> list[Reply]:
    """Every reply, shared out by picture among the processes that torchrun started; each gets all. Those that
    `unfinished` has are not asked for again.
    """
    rank, world = rank_and_world()
    pictures = {path: number for number, path in enumerate(dict.fromkeys(path for path, _ in asked))}
    done = {i: _reply(kept) for i, kept in (unfinished.read() if unfinished else {}).items()}
    wait_for_all()  # every process has read the same before one adds to it
    mine = [i for i, (path, _) in enumerate(asked) if i not in done and pictures[path] % world == rank]
    said: dict[int, Reply] = {}
    is_shown = rank == 0 and not is_printed
    with progress_bar(len(done) + len(mine), "question", "asking", len(done), is_shown) as progress:
        for i, reply in zip(mine, replies([asked[i] for i in mine]), strict=True):
            said[i] = reply
            if is_printed:
                _print(asked[i], reply)
            if unfinished:
                answers = [[answer.word, answer.probability] for answer in reply.answers]
                unfinished.add(i, [answers, reply.problem, reply.is_unsure])
            progress.update()
    found = done | {i: reply for of_one in gathered(said) for i, reply in of_one.items()}
    return [found[i] for i in range(len(asked))]


def _print(asked: tuple[Path, str], reply: Reply) -> None:
    answers = ", ".join(f"{answer.word} {answer.probability:.2f}" for answer in reply.answers)
    said = answers or f"{'unsure' if reply.is_unsure else 'no answer'}: {reply.problem}"
    print(f"{asked[0]}  {asked[1]}  {said}", flush=True)


def _reply(kept: tuple[list[tuple[str, float]], str, bool]) -> Reply:
    answers, problem, is_unsure = kept
    return Reply(tuple(Answer(word, probability) for word, probability in answers), problem, is_unsure)


app = command_line(__doc__, run)

"""Ask the adapted model about any picture.

    python src/ask.py --image lamp.jpg --question "What color is the shade?"
    python src/ask.py --image lamp.jpg photos --question "What is it?" "What is it made of?" --top 3
    python src/ask.py --csv questions.csv --images photos --out answers.csv
    torchrun --nproc-per-node 8 src/ask.py --csv questions.csv --images photos --out answers.csv

In: params.yaml (the model), models/adapter/best; pictures or folders of them, or a CSV with image_name and
question, its pictures below --images. Out: a line for each question, or a CSV with generated_answer,
probability, alternatives and problem. Killed, a run with --out goes on where it was.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from vqa.foundation.devices import (
    default_device,
    gathered,
    join_processes,
    leave_processes,
    rank_and_world,
    wait_for_all,
)
from vqa.foundation.errors import InputError, run_command
from vqa.foundation.terminal import progress_bar
from vqa.foundation.unfinished import Unfinished
from vqa.inference.answerer import Answer, Answerer, Reply
from vqa.inference.questions import Asked, questions_about, questions_of_csv, write_answers
from vqa.settings import load_settings
from vqa.vlm.base_model import version_of

ADAPTER = Path("models/adapter/best")


def run(given: argparse.Namespace) -> None:
    device = default_device()
    join_processes()
    if given.csv:
        asked, rows = questions_of_csv(given.csv, given.images or given.csv.parent)
    else:
        asked, rows = questions_about(given.image, given.question)
    settings = load_settings()
    adapter = None if given.base else given.adapter
    work = Path(f"{given.out or 'answers'}.work")
    run_of = {
        "model": settings.model,
        "level": settings.features.level,
        "max_new_tokens": settings.evaluate.max_new_tokens,
        "adapter": version_of(adapter) if adapter else None,
        "top": given.top,
        "asked": asked,
        "pictures": _versions_of({path for path, _ in asked}),
    }
    unfinished = Unfinished(work, run_of)
    answerer = Answerer(settings, device, adapter)

    def replies(todo: Asked) -> Iterator[Reply]:
        return answerer.replies(todo, given.top, settings.evaluate.batch_size)

    is_shown = given.out is None
    found = _all_replies(asked, replies, None if is_shown else unfinished, is_shown)
    if rank_and_world()[0] == 0 and not is_shown:
        write_answers(given.out, rows, found)
        unfinished.remove()
        print(f"wrote {len(found)} rows to {given.out}")
    leave_processes()
    problems = [reply.problem for reply in found if reply.problem]
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
                unfinished.add(i, [answers, reply.problem])
            progress.update()
    found = done | {i: reply for of_one in gathered(said) for i, reply in of_one.items()}
    return [found[i] for i in range(len(asked))]


def _print(asked: tuple[Path, str], reply: Reply) -> None:
    answers = ", ".join(f"{answer.word} {answer.probability:.2f}" for answer in reply.answers)
    print(f"{asked[0]}  {asked[1]}  {answers or 'no answer: ' + reply.problem}", flush=True)


def _reply(kept: tuple[list[tuple[str, float]], str]) -> Reply:
    answers, problem = kept
    return Reply(tuple(Answer(word, probability) for word, probability in answers), problem)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image", type=Path, nargs="+", metavar="PATH", help="pictures or folders of them")
    parser.add_argument("--question", nargs="+", metavar="TEXT", help="asked about every picture")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="image_name,question instead of the two")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="where the CSV's pictures lie")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a CSV")
    parser.add_argument("--top", type=int, default=1, metavar="N", help="answers to show (default 1)")
    parser.add_argument("--adapter", type=Path, default=ADAPTER, metavar="FOLDER")
    parser.add_argument("--base", action="store_true", help="the model without the adapter")
    given = parser.parse_args()
    if (given.csv is None) == (given.image is None) or (given.csv is None) != bool(given.question):
        parser.error("give --image and --question, or --csv")
    if given.top < 1:
        parser.error("--top must be at least 1")
    run_command(lambda: run(given))


if __name__ == "__main__":
    main()

"""Ask the adapted model about any picture.

    python src/ask.py --image lamp.jpg --question "What color is the shade?"
    python src/ask.py --image lamp.jpg photos --question "What is it?" "What is it made of?" --top 3
    python src/ask.py --csv questions.csv --images photos --out answers.csv

In: params.yaml (the model), models/adapter/best; pictures or folders of them, or a CSV with image_name and
question, its pictures below --images. Out: a line for each question, or a CSV with generated_answer,
probability, alternatives and problem. Killed, a run with --out goes on where it was.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from vqa.answering import Answer, Answerer, Reply
from vqa.devices import default_device
from vqa.errors import InputError, run_command
from vqa.questions import Asked, questions_about, questions_of_csv, write_answers
from vqa.settings import load_settings

ADAPTER = Path("models/adapter/best")


def run(given: argparse.Namespace) -> None:
    if given.csv:
        asked, rows = questions_of_csv(given.csv, given.images or given.csv.parent)
    else:
        asked, rows = questions_about(given.image, given.question)
    settings = load_settings()
    adapter = None if given.base else given.adapter
    answerer = Answerer(settings, default_device(), {"asked": adapter})

    def replies(todo: Asked) -> Iterator[Reply]:
        return answerer.replies("asked", todo, given.top, settings.evaluate.batch_size)

    if given.out is None:
        found = _printed(asked, replies(asked))
    else:
        work = given.out.with_name(given.out.name + ".work")
        run_id = json.dumps([str(settings.model), str(adapter), given.top, asked], default=str)
        found = _kept(asked, replies, work, hashlib.sha256(run_id.encode()).hexdigest())
        write_answers(given.out, rows, found)
        work.unlink()
        print(f"wrote {len(found)} rows to {given.out}")
    problems = [reply.problem for reply in found if reply.problem]
    if problems:
        raise InputError(
            f"{len(problems)} of {len(asked)} questions have no answer ({problems[0]}); give the "
            "pictures and ask those again"
        )


def _printed(asked: Asked, replies: Iterator[Reply]) -> list[Reply]:
    found = []
    for (path, question), reply in zip(asked, replies, strict=True):
        answers = ", ".join(f"{answer.word} {answer.probability:.2f}" for answer in reply.answers)
        print(f"{path}  {question}  {answers or 'no answer: ' + reply.problem}", flush=True)
        found.append(reply)
    return found


def _kept(asked: Asked, replies: Callable[[Asked], Iterator[Reply]], work: Path, run_id: str) -> list[Reply]:
    """All replies; those that a killed run of the same questions left in `work` are not asked again."""
    lines = work.read_text().split("\n")[:-1] if work.is_file() else []  # the last may be cut short
    if lines[:1] != [run_id]:
        lines = [run_id]
    found = [_reply(json.loads(line)) for line in lines[1:]]
    work.parent.mkdir(parents=True, exist_ok=True)
    work.write_text("".join(f"{line}\n" for line in lines))
    with work.open("a") as file, tqdm(total=len(asked), initial=len(found), unit="question") as progress:
        for reply in replies(asked[len(found) :]):
            found.append(reply)
            answers = [[answer.word, answer.probability] for answer in reply.answers]
            file.write(json.dumps([answers, reply.problem]) + "\n")
            file.flush()
            progress.update()
    return found


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

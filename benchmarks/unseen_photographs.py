"""Thirty photographs that no stage has seen, five questions each, answers judged by eye, in one page.

    python src ask --csv results/unseen_photographs/questions.csv --images ABO \\
        --adapter models/adapter-photos --out results/unseen_photographs/adapter-photos.csv
    python benchmarks/unseen_photographs.py                               # from these files, page.html beside
    python benchmarks/unseen_photographs.py --images ABO --out page.html  # with the pictures inside

In: questions.csv, whose column `right` has all right answers, split by |, written by somebody who looked at
the picture before any model had answered; a CSV of answers for each adapter; verdicts.csv, which says of each
other answer whether it is `sensible` (near, or what one could think) or `nonsense`. ABO is a tree in its
layout. Out: the page, whose pictures are links into Amazon's public bucket unless --images names a tree, and
the counts. An answer without a verdict is named, and nothing is written.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import image_data_url
from vqa.core.csv_tables import read_rows
from vqa.pairs.answer_normalization import exact_match

FOLDER = ROOT / "results/unseen_photographs"
BUCKET = "https://amazon-berkeley-objects.s3.amazonaws.com/images/small"
RIGHT, SENSIBLE, NONSENSE = "right", "sensible", "nonsense"
Key = tuple[str, str, str]  # image, question, answer
ADAPTERS = ("adapter-photos", "blip2-smollm2")  # whose answers are committed
VERDICTS = (RIGHT, SENSIBLE, NONSENSE)


@dataclass(frozen=True)
class Judged:
    """An adapter's answer, how sure it was, and what it is worth."""

    text: str
    probability: str
    verdict: str  # "" where nobody has judged it yet


@dataclass(frozen=True)
class Question:
    """One question about a photograph with its right answers, and each adapter's answer."""

    text: str
    right: Sequence[str]
    answers: Sequence[Judged]


def judged(
    row: Mapping[str, str], right: Sequence[str], by_eye: Mapping[tuple[str, str, str], str]
) -> Judged:
    text = row["generated_answer"]
    known = by_eye.get((row["image_name"], row["question"], text), "")
    is_right = any(exact_match(text, one) for one in right)
    return Judged(text, f"{float(row['probability'] or 0):.0%}", RIGHT if is_right else known)


def photographs(adapters: Sequence[str]) -> dict[str, list[Question]]:
    """The questions of each photograph, with the answers of each adapter."""
    verdicts = read_rows(FOLDER / "verdicts.csv", ("image_name", "question", "answer", "verdict"))
    by_eye = {(row["image_name"], row["question"], row["answer"]): row["verdict"] for row in verdicts}
    columns = ("image_name", "question", "generated_answer", "probability")
    answers = [read_rows(FOLDER / f"{adapter}.csv", columns) for adapter in adapters]
    by_image: dict[str, list[Question]] = {}
    asked = read_rows(FOLDER / "questions.csv", ("image_name", "question", "right"))
    for row, *given in zip(asked, *answers, strict=True):
        right = row["right"].split("|")
        found = [judged(answer, right, by_eye) for answer in given]
        by_image.setdefault(row["image_name"], []).append(Question(row["question"], right, found))
    return by_image


def without_verdict(by_image: Mapping[str, Sequence[Question]]) -> Iterator[str]:
    for name, questions in by_image.items():
        for question in questions:
            for answer in question.answers:
                if answer.verdict not in VERDICTS:
                    yield f"{name},{question.text},{answer.text},"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--adapters", nargs="+", default=list(ADAPTERS), help="whose CSVs lie there")
    parser.add_argument("--images", type=Path, help="a tree in ABO's layout, for a page with pictures inside")
    parser.add_argument("--out", type=Path, default=FOLDER / "page.html")
    arguments = parser.parse_args()
    by_image = photographs(arguments.adapters)
    if missing := list(dict.fromkeys(without_verdict(by_image))):
        sys.exit("\n".join(["these answers need a verdict in verdicts.csv:", *missing]))
    urls = {name: f"{BUCKET}/{name[:2]}/{name}" for name in by_image}
    if arguments.images:
        urls = {name: image_data_url(image_path(arguments.images, name)) or "" for name in by_image}
    totals = {
        adapter: Counter(question.answers[place].verdict for of in by_image.values() for question in of)
        for place, adapter in enumerate(arguments.adapters)
    }
    here = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=here, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page = templates.get_template("unseen_photographs.html.j2")
    given = {"verdicts": VERDICTS, "totals": totals, "by_image": by_image, "urls": urls}
    arguments.out.write_text(page.render(given) + "\n", encoding="utf-8")
    for adapter, counts in totals.items():
        print(adapter, ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS))


if __name__ == "__main__":
    main()

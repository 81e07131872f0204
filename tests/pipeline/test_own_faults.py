"""CSV files that went in silently wrong: small ones made here, and the same faults at length in ../shared."""

import csv
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import generate
import validate
from conftest import SHARED
from vqa.drawn.catalogue import draw_items
from vqa.drawn.drawing import picture
from vqa.foundation.csv_tables import read_rows
from vqa.foundation.files import read_json
from vqa.pairs.pair import Pair, read_pairs

Project = Callable[..., Path]
METRICS, REJECTED = Path("metrics/data.json"), Path("data/vqa/rejected.csv")


def faults(name: str) -> Path:
    """A file of ../shared/faults/turn3."""
    path = SHARED / "faults/turn3" / name
    if not path.is_file():
        pytest.skip(f"needs ../shared/faults/turn3/{name}, which is not part of the repository")
    return path


def draw_images(root: Path, names: Iterable[str]) -> None:
    """An image under each of the names, all different, in ABO's layout."""
    names = list(dict.fromkeys(names))
    for seed, (name, item) in enumerate(zip(names, draw_items(len(names), seed=3), strict=True)):
        path = root / "images/small" / name[:2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(item, 64, random.Random(seed)).save(path)


def validate_csv(project: Project, path: Path, **limits: object) -> None:
    """Run generate and validate on a CSV, beside images that are drawn for its names."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = [row["image_name"] for row in csv.DictReader(file)]
    project(data={"root": "mine"}, generate={"annotator": "csv", "csv": str(path.resolve())}, validate=limits)
    draw_images(Path("mine"), names)
    generate.run()
    validate.run()


def kept() -> list[Pair]:
    return [pair for split in ("train", "val", "test") for pair in read_pairs(Path(f"data/vqa/{split}.csv"))]


def write_csv(path: Path, columns: str, rows: Iterable[Iterable[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns.split(","), *rows])
    return path


WORDS = "red green blue black white pink gold tan teal olive".split()


def good_rows(count: int = 30) -> list[list[str]]:
    return [[f"{i:08x}.jpg", "What color is it?", f"{WORDS[i % 10]}{i}"] for i in range(count)]


def test_what_programs_write_for_nothing_is_taught_to_nobody(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [
        "N/A",
        "#N/A",
        "nan",
        "null",
        "n/a",
        "#REF!",
        "#NAME?",
        "undefined",
        "TRUE",
        "04-Mar",
        "1,5",
        "none",
    ]
    rows = [["00000001.jpg", f"What is the color of part {i} of it?", text] for i, text in enumerate(said)]
    columns = "image_name,question,answer"
    validate_csv(project, write_csv(tmp_path / "in.csv", columns, good_rows() + rows))
    metrics = read_json(METRICS)
    assert metrics["rejected"] == {"no_information": 8, "spreadsheet_value": 3}
    assert metrics["spreadsheet_values"] == {"truth_value": 1, "date": 1, "decimal_comma": 1}
    assert {pair.answer for pair in kept()} - {row[2] for row in good_rows()} == {"none"}
    out = capsys.readouterr().out
    assert (
        "a spreadsheet changed 3 answers (1 × truth value such as 'TRUE', 1 × date such as '04-Mar', " in out
    )


def test_the_missing_words_of_a_real_file_are_rejected(project: Project, tmp_path: Path) -> None:
    rows = read_rows(faults("missing_words/answers.csv"), ())
    mine = [[row["image_name"], row["question"], row["answer"]] for row in rows]
    path = write_csv(tmp_path / "in.csv", "image_name,question,answer", good_rows() + mine)
    validate_csv(project, path)
    assert len(kept()) == 30
    assert read_json(METRICS)["spreadsheet_values"] == {"truth_value": 4, "date": 4}
    reasons = {row["answer"]: row["reason"] for row in read_rows(REJECTED, ())}
    assert {reasons[text] for text in ("N/A", "nan", "#REF!", "undefined")} == {"no_information"}

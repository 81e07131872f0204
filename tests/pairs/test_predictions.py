import csv
from dataclasses import replace
from pathlib import Path

import pytest

from vqa.pairs.pair import Pair
from vqa.pairs.predictions import COLUMNS, read_predictions, write_predictions

PAIRS = [Pair(f"{i % 3}.jpg", "What " + "very " * (i % 4) + "color?", "red", "color") for i in range(7)]


def test_the_predictions_file_keeps_the_whole_text_beside_the_answer(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", PAIRS[:2], ["it is red", ""])
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["generated_answer"], rows[0]["generated_text"]) == ("it", "it is red")
    assert rows[1]["generated_answer"] == ""


def test_predictions_name_the_groups_that_their_pairs_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grouped = [replace(pair, split_group="0.jpg") for pair in PAIRS[:2]]
    write_predictions(tmp_path / "p.csv", grouped, ["red", "red"])
    assert [pair.together for pair in read_predictions(tmp_path / "p.csv").pairs] == ["0.jpg", "0.jpg"]
    assert capsys.readouterr().err == ""
    write_predictions(tmp_path / "p.csv", PAIRS[:2], ["red", "red"])
    assert [pair.together for pair in read_predictions(tmp_path / "p.csv").pairs] == ["0.jpg", "1.jpg"]
    assert "has no column split_group: intervals take images for independent" in capsys.readouterr().err

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from vqa.foundation.errors import InputError
from vqa.pairs.pair import Pair
from vqa.pairs.predictions import COLUMNS, check_same_rows, read_predictions, write_predictions

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
    assert [pair.together for pair in read_predictions(tmp_path / "p.csv")[0]] == ["0.jpg", "0.jpg"]
    assert capsys.readouterr().err == ""
    write_predictions(tmp_path / "p.csv", PAIRS[:2], ["red", "red"])
    assert [pair.together for pair in read_predictions(tmp_path / "p.csv")[0]] == ["0.jpg", "1.jpg"]
    assert "has no column split_group: intervals take pictures for independent" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "Image Path;Answer;Generated Answer\n8f/8f5d4670.jpg;red;Red, I think\n",
        ',image_name,answer,generated_answer,\n0,8f5d4670.jpg,red,"Red, I think",\n',
        'sep=,\nImageName,ANSWER,generated-answer\n8f5d4670.jpg,red,"Red, I think"\n',
    ],
)
def test_predictions_are_read_however_programs_write_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "theirs.csv").write_text(text)
    pairs, texts = read_predictions(tmp_path / "theirs.csv")
    assert [(pair.image_name, pair.answer) for pair in pairs] == [("8f5d4670.jpg", "red")]
    assert texts == ["Red, I think"]


def test_predictions_of_which_some_cannot_be_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text('answer,generated_answer\nred,"red\nblue,blue\nblue,blue,blue\n')
    with pytest.raises(InputError, match=r"theirs\.csv, line 2: a quote opens here .*, and 1 more"):
        read_predictions(path)


HEADED = "image_name,question,answer,generated_answer"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("answer,generated_answer\nTwo,x\n", "answer,generated_answer\n2,y\n"),
        (f"{HEADED}\na.jpg,What?,two,x\n", "answer,generated_answer\n2,y\n"),
        (f"{HEADED}\na.jpg,What?,two,x\n", "question,answer,generated_answer\nwhat,2,y\n"),
    ],
)
def test_files_that_tell_differently_much_of_the_same_rows_are_compared(
    tmp_path: Path, ours: str, theirs: str
) -> None:
    check(tmp_path, ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs", "sentence"),
    [
        ("answer,generated_answer\nred,x\n", "answer,generated_answer\nblue,x\n", "'blue' instead of 'red'"),
        ("answer,generated_answer\nred,x\n", "answer,generated_answer\n,x\n", "'no answer' instead of 'red'"),
        (f"{HEADED}\na.jpg,What?,a,x\n", f"{HEADED}\nb.jpg,What?,a,x\n", "'b.jpg' instead of 'a.jpg'"),
        (f"{HEADED}\na.jpg,What?,a,x\n", "question,answer,generated_answer\nWho?,a,x\n", "'who' instead of"),
        ("answer,generated_answer\nred,x\n", "answer,generated_answer\nred,x\nred,x\n", "2 instead of 1"),
    ],
)
def test_files_of_other_rows_are_not_compared(tmp_path: Path, ours: str, theirs: str, sentence: str) -> None:
    with pytest.raises(InputError, match=rf"theirs\.csv has other rows than .*ours\.csv.* {sentence}"):
        check(tmp_path, ours, theirs)


def check(folder: Path, ours: str, theirs: str) -> None:
    (folder / "ours.csv").write_text(ours)
    (folder / "theirs.csv").write_text(theirs)
    read = [(folder / name, read_predictions(folder / name)[0]) for name in ("ours.csv", "theirs.csv")]
    check_same_rows(*read[0], *read[1])

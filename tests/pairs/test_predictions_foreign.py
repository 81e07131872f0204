"""Predictions as other people's programs write them."""

import json
from pathlib import Path

import pytest

from vqa.core.errors import InputError
from vqa.pairs.predictions import align, check_same_rows, is_right, read_predictions


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
    found = read_predictions(tmp_path / "theirs.csv")
    assert [(pair.image_name, pair.answer) for pair in found.pairs] == [("8f5d4670.jpg", "red")]
    assert found.texts == ["Red, I think"]


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
    read = [(folder / name, read_predictions(folder / name).pairs) for name in ("ours.csv", "theirs.csv")]
    check_same_rows(*read[0], *read[1])


def written(folder: Path, name: str, *rows: str, header: str = HEADED) -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_rows_that_are_there_again_count_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["a.jpg,What?,red,red", "a.jpg,Which?,red,blue", "b.jpg,What?,red,blue"]
    found = read_predictions(written(tmp_path, "p.csv", *rows, *rows[:2]))
    assert found.texts == ["red", "blue", "blue"]
    assert found.counts()["rows_repeated"] == 2
    assert "p.csv: 2 rows are there again and count once" in capsys.readouterr().err
    again = read_predictions(written(tmp_path, "p.csv", *rows, "a.jpg,What?,red,Red."))
    assert (again.texts, again.repeated) == (["red", "blue", "blue"], 1)
    more_labels = [*rows, "a.jpg,What?,crimson,red"]  # two people's labels of one question
    assert len(read_predictions(written(tmp_path, "p.csv", *more_labels)).pairs) == 4
    with pytest.raises(
        InputError, match=r"p\.csv, rows 1 and 4 answer one question of a\.jpg with 'red' and 'x'"
    ):
        read_predictions(written(tmp_path, "p.csv", *rows, "a.jpg,What?,Red,x"))


def test_what_is_not_plain_is_counted_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ten = json.dumps([{"answer": "red", "answer_id": number} for number in range(10)]).replace('"', '""')
    rows = [
        "a.jpg,What?,dark blue,dark blue",
        f'b.jpg,What?,"{ten}",red',
        "c.jpg,What?,\"['gold', 'yellow']\",gold",
        "d.jpg,What?,N/A,red",
        f"e.jpg,What?,{'|'.join(['red'] * 9 + ['pink'])},red",
    ]
    found = read_predictions(written(tmp_path, "p.csv", *rows))
    kinds = ("several_words", "ten_answers", "other_lists", "missing")
    assert [found.counts()[f"labels_of_{kind}".replace("of_missing", "missing")] for kind in kinds] == [
        1,
        2,
        1,
        1,
    ]
    said = capsys.readouterr().err
    assert "1 right answers have several words: there the whole answer is compared" in said
    assert "2 right answers are ten people's: there VQAv2's rule counts them" in said
    assert "1 rows have no right answer: they count as wrong" in said


def test_columns_may_be_named(tmp_path: Path) -> None:
    header = "image_name;question;answer;gt;Model Says"
    path = written(tmp_path, "p.csv", "a.jpg;What?;not this;red;blue", header=header)
    found = read_predictions(path, {"answer": "gt", "generated_answer": "Model Says"})
    assert (found.pairs[0].answer, found.texts) == ("red", ["blue"])
    with pytest.raises(
        InputError, match=r"column generated_answer is missing.*say which by --column generated"
    ):
        read_predictions(path)
    with pytest.raises(InputError, match="column label is missing"):
        read_predictions(path, {"answer": "label", "generated_answer": "gt"})


def test_two_files_are_joined_by_image_and_question(tmp_path: Path) -> None:
    ours = read_predictions(written(tmp_path, "ours.csv", "a.jpg,What?,red,1", "b.jpg,What?,red,2"))
    other = written(tmp_path, "theirs.csv", "b.jpg,what,Red,3", "a.jpg,What?,red,4")
    assert align(ours, read_predictions(other)).texts == ["4", "3"]
    other = written(tmp_path, "theirs.csv", "b.jpg,What?,red,3", "c.jpg,What?,red,4")
    with pytest.raises(
        InputError, match=r"theirs\.csv has other rows than .*ours\.csv: 1 of .* of a\.jpg, 'what'"
    ):
        align(ours, read_predictions(other))
    other = written(tmp_path, "theirs.csv", "b.jpg,What?,red,3", "a.jpg,What?,red,4", "c.jpg,What?,red,4")
    with pytest.raises(InputError, match=r"ours\.csv has other rows than .*theirs\.csv: 1 of .* of c\.jpg"):
        align(ours, read_predictions(other))


def test_a_label_that_says_nothing_makes_no_answer_right(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("image_name,question,answer,generated_answer\na.jpg,What is it?,N/A,N/A\n")
    found = read_predictions(path)
    assert found.counts()["labels_missing"] == 1
    assert not is_right(found.pairs[0], found.texts[0])

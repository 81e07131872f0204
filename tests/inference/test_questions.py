"""Which question is asked about which file, and what is written beside it; `ask` itself is in tests/cli."""

from pathlib import Path

import pytest

from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.inference.answerer import Answer, Reply
from vqa.inference.questions import questions_about, questions_of_csv, write_answers


def test_every_image_is_asked_every_question_in_order(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", ".hidden.jpg"):
        (tmp_path / name).touch()
    asked, rows = questions_about([tmp_path, Path("elsewhere/c.png")], ["What?", "Why?"])
    assert asked == [
        *((tmp_path / "a.jpg", question) for question in ("What?", "Why?")),
        *((tmp_path / "b.jpg", question) for question in ("What?", "Why?")),
        *((Path("elsewhere/c.png"), question) for question in ("What?", "Why?")),
    ]
    assert rows[-1] == {"image_name": "elsewhere/c.png", "question": "Why?"}
    with pytest.raises(InputError, match="--question is empty; say what to ask"):
        questions_about([tmp_path], ["What?", " "])


def test_an_empty_question_is_named_by_file_and_row(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("image_name,question\na.jpg,What?\nb.jpg,\n")
    with pytest.raises(InputError, match=r"mine\.csv, row 2: the question is empty; fill it in or remove"):
        questions_of_csv(tmp_path / "mine.csv", tmp_path)


@pytest.mark.parametrize("name", ["../secret.jpg", "a/../../secret.jpg"])
def test_no_row_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.jpg").touch()
    (tmp_path / "mine.csv").write_text(f"image_name,question\n{name},What?\n")
    asked, _ = questions_of_csv(tmp_path / "mine.csv", tmp_path / "images")
    assert asked == [(tmp_path / "images/outside/secret.jpg", "What?")]


def test_answers_stand_behind_the_columns_of_their_row(tmp_path: Path) -> None:
    rows = [{"image_name": name, "question": "What?", "note": "mine"} for name in ("a.jpg", "b.jpg")]
    replies = [Reply((Answer("red", 0.75), Answer("blue", 0.2), Answer("teal", 0.05))), Reply(problem="gone")]
    write_answers(tmp_path / "answers.csv", rows, replies)
    found, lost = read_rows(tmp_path / "answers.csv", ())
    assert found == rows[0] | {
        "generated_answer": "red",
        "probability": "0.7500",
        "alternatives": "blue:0.2000 teal:0.0500",
        "problem": "",
    }
    assert (lost["generated_answer"], lost["probability"], lost["problem"]) == ("", "", "gone")

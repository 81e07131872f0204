"""The page of photographs that no stage has seen: made of committed answers, each with a verdict."""

import shutil
import sys
from pathlib import Path

import pytest
import unseen_photographs
from unseen_photographs import FOLDER, VERDICTS, photographs

from vqa.core.csv_tables import read_rows


def make_page(monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["unseen_photographs.py", "--out", str(out)])
    unseen_photographs.main()


def test_the_committed_page_is_what_the_committed_answers_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_page(monkeypatch, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == (FOLDER / "page.html").read_bytes()
    for line in capsys.readouterr().out.splitlines():
        assert sum(int(word) for word in line.split() if word.isdigit()) == 150, line


def test_thirty_photographs_have_five_questions_each_with_right_answers() -> None:
    asked = read_rows(FOLDER / "questions.csv", ("image_name", "question", "right"))
    names = [row["image_name"] for row in asked]
    assert len(set(names)) == 30
    assert {names.count(name) for name in names} == {5}
    assert all(row["right"] for row in asked)


def test_verdicts_are_of_answers_that_were_given_and_are_not_right() -> None:
    given = {
        (name, question.text, answer.text): answer.verdict
        for name, questions in photographs(unseen_photographs.ADAPTERS).items()
        for question in questions
        for answer in question.answers
    }
    columns = ("image_name", "question", "answer", "verdict")
    for row in read_rows(FOLDER / "verdicts.csv", columns):
        assert row["verdict"] in VERDICTS[1:]
        assert given[row["image_name"], row["question"], row["answer"]] == row["verdict"], row


def test_an_answer_without_a_verdict_is_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FOLDER, tmp_path / "folder")
    head, first, *rest = (FOLDER / "verdicts.csv").read_text().splitlines(keepends=True)
    (tmp_path / "folder/verdicts.csv").write_text("".join([head, *rest]))
    monkeypatch.setattr(unseen_photographs, "FOLDER", tmp_path / "folder")
    with pytest.raises(SystemExit, match="need a verdict") as stopped:
        make_page(monkeypatch, tmp_path / "page.html")
    assert first.rsplit(",", 1)[0] in str(stopped.value)
    assert not (tmp_path / "page.html").exists()

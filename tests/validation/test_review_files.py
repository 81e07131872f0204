"""Decisions as they come back: from the page, and from spreadsheets that saved its file."""

from pathlib import Path

import pytest

from vqa.core.errors import InputError
from vqa.validation.review import Decision, key_of
from vqa.validation.review_files import read_decisions, read_reviews

HEADER = "image_name,question,answer,question_type,list,decision,corrected_answer,decided_at\n"
ROWS = """a.jpg,"What, if any?",red,color,kept,accept,,2026-11-01T10:00:00Z
b.jpg,What is it?,lamp,object,rejected,correct,vase,2026-11-01T10:00:01Z
"""
DECISIONS = {
    key_of("a.jpg", "What, if any?", "red"): Decision("accept", "red", was_kept=True),
    key_of("b.jpg", "What is it?", "lamp"): Decision("correct", "vase", was_kept=False),
}


def test_decisions_that_a_spreadsheet_saved_are_read_as_the_page_wrote_them(tmp_path: Path) -> None:
    path = tmp_path / "review.csv"
    path.write_text(HEADER + ROWS)
    assert read_decisions(tmp_path) == DECISIONS
    semicolons = (HEADER + ROWS).replace(",", ";").replace("What; if", "What, if")
    path.write_bytes(("\ufeff" + semicolons.replace("\n", "\r\n")).encode())
    assert read_decisions(tmp_path) == DECISIONS
    tabs = (
        semicolons.replace(";", "\t").replace("image_name", "Image Name").replace("decided_at", "Decided at")
    )
    path.write_text(tabs)
    assert read_decisions(tmp_path) == DECISIONS


def test_a_decision_that_a_stray_quote_would_swallow_is_named_with_its_line(tmp_path: Path) -> None:
    swallowing = (
        ROWS + 'c.jpg,"What?,blue,color,kept,reject,,\n' + ROWS + 'd.jpg,How long is 12",red,,,reject,,\n'
    )
    (tmp_path / "review.csv").write_text(HEADER + swallowing)
    with pytest.raises(InputError, match=r"review\.csv, line 4: a quote opens here and never closes"):
        read_decisions(tmp_path)


COLUMNS = "image_name,question,answer,decision,corrected_answer,decided_at,reviewer,image_sha256\n"


def written(folder: Path, name: str, *rows: str) -> None:
    (folder / name).write_text(COLUMNS + "".join(f"a.jpg,What is it?,red,{row}\n" for row in rows))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-11-27T10:00:00.123Z", "28/11/2026 10:00"),
        ("9/30/2026 9:00 AM", "10/13/2026 1:05 PM"),
        ("11/30/2026 11:59 AM", "11/30/2026 12:01 PM"),
        ("28.11.2026 09:59", "2026-11-28 10:00"),
        ("2026-11-28T11:30:00+02:00", "2026-11-28T10:00:00Z"),
        ("2/2/2026 10:00", "2026-02-03 09:00"),
    ],
)
def test_the_later_word_wins_by_its_time_however_it_is_written(
    tmp_path: Path, earlier: str, later: str
) -> None:
    written(tmp_path, "ann.csv", f"accept,,{later},,")
    written(tmp_path, "ben.csv", f"reject,,{earlier},,")
    reviews = read_reviews(tmp_path)
    assert [decision.kind for decision in reviews.decisions.values()] == ["accept"]
    (conflict,) = reviews.conflicts
    assert conflict.said == ["ben: reject", "ann: accept"]
    assert reviews.counts()["conflicts"] == 1
    assert reviews.counts()["reviewers"] == 2


@pytest.mark.parametrize(
    ("time", "sentence"),
    [
        ("03/04/2026 10:00", "may have its day or its month first"),
        ("28/11/26 10:00", "has no year of four digits"),
        ("31/02/2026", "is no time"),
        ("46354.41667", "is no time"),
        ("yesterday", "is no time"),
    ],
)
def test_a_time_that_cannot_be_read_in_one_way_is_refused_by_file_and_row(
    tmp_path: Path, time: str, sentence: str
) -> None:
    written(tmp_path, "ben.csv", "accept,,2026-11-27,,", f"reject,,{time},,")
    with pytest.raises(
        InputError, match=rf"ben\.csv, row 2: decided_at is '{time}', which {sentence}; write"
    ):
        read_reviews(tmp_path)


def test_words_that_differ_must_tell_which_is_the_later(tmp_path: Path) -> None:
    written(tmp_path, "ann.csv", "accept,,,,")
    written(tmp_path, "ben.csv", "accept,,28/11/2026 10:00,,")
    assert read_reviews(tmp_path).conflicts == []
    written(tmp_path, "ben.csv", "reject,,28/11/2026 10:00,,")
    with pytest.raises(
        InputError, match=r"ben\.csv, row 1 and .*ann\.csv, row 1 decide differently on one pair"
    ):
        read_reviews(tmp_path)
    (tmp_path / "ben.csv").unlink()
    written(tmp_path, "ann.csv", "accept,,,,", "reject,,,,")  # rows of one file come one after another
    assert [decision.kind for decision in read_decisions(tmp_path).values()] == ["reject"]


def test_reviewers_are_told_by_their_column_and_agree_where_one_answer_is_right(tmp_path: Path) -> None:
    written(
        tmp_path,
        "all.csv",
        "reject,,2026-11-01,Ann,",
        "accept,,2026-11-02,Ann,",  # she changed her mind: no conflict
        "Also right,crimson,2026-11-03,Ben,",
        "also_right,scarlet,2026-11-04,Cem,",
    )
    reviews = read_reviews(tmp_path)
    assert reviews.conflicts == []
    (decision,) = reviews.decisions.values()
    assert (decision.kind, decision.answer) == ("also right", "red")
    assert decision.also_right == ("crimson", "scarlet")
    assert reviews.counts()["second_right_answers"] == 2


@pytest.mark.parametrize("answer", ["", "dark red", "N/A"])
def test_a_second_right_answer_is_one_word(tmp_path: Path, answer: str) -> None:
    written(tmp_path, "a.csv", f"also right,{answer},,,")
    with pytest.raises(InputError, match=rf"a\.csv, row 1: corrected_answer is '{answer}'; give one word"):
        read_reviews(tmp_path)


def test_a_decision_on_another_image_of_that_name_does_not_count(tmp_path: Path) -> None:
    written(tmp_path, "a.csv", "reject,,2026-11-01,,aaaa", "accept,,2026-10-01,,bbbb")
    reviews = read_reviews(tmp_path, {"a.jpg": "bbbb"}.__getitem__)
    assert [decision.kind for decision in reviews.decisions.values()] == ["accept"]
    assert reviews.counts()["decisions_on_other_images"] == 1
    assert "1 decisions do not count: their images have changed since (a.jpg)" in reviews.sentences()[0]
    gone = read_reviews(tmp_path, {"a.jpg": ""}.__getitem__)
    assert [decision.kind for decision in gone.decisions.values()] == ["reject"]


def test_of_two_decisions_the_later_holds_whatever_its_file_is_called(tmp_path: Path) -> None:
    head = "image_name,question,answer,decision,corrected_answer,decided_at"
    early, late = "2026-01-01T10:00:00.000Z", "2026-01-02T10:00:00.000Z"
    (tmp_path / "review.csv").write_text(f"{head}\na.jpg,What color?,red,accept,,{early}\n")
    (tmp_path / "review (1).csv").write_text(f"{head}\na.jpg,What color?,red,reject,,{late}\n")
    (found,) = read_decisions(tmp_path).values()
    assert found.kind == "reject"
    (tmp_path / "more.csv").write_text(f"{head}\na.jpg,What color?,red,correct,dark red,{late}\n")
    with pytest.raises(InputError, match=r"more\.csv, row 1: corrected_answer is 'dark red'; give one word"):
        read_decisions(tmp_path)

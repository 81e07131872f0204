"""Decisions as they come back: from the page, and from spreadsheets that saved its file."""

from pathlib import Path

import pytest

from vqa.foundation.errors import InputError
from vqa.validation.review import Decision, key_of, read_decisions

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

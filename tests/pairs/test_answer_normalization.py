from pathlib import Path

import pytest

from vqa.pairs.answer_normalization import doubtful_kind, is_missing, spreadsheet_kind
from vqa.pairs.pair import read_pairs


@pytest.mark.parametrize(
    "text",
    [
        "N/A",
        "#N/A",
        "n/a",
        "nan",
        "NaN",
        "<NA>",
        "NULL",
        "undefined",
        "Unspecified",
        "\\N",
        "(null)",
        "n/a.",
        "N / A",
        "n.a.",
        "N.A",
        "(n/a)",
        "[N/A]",
        "n/a,",
        "#REF!",
        "#name?",
        "#DIV/0!",
        "#VALUE!",
        "#BEZUG!",
        "#¡REF!",
        "#NV",
        " #Spill! ",
    ],
)
def test_what_programs_write_for_nothing_is_no_value(text: str) -> None:
    assert is_missing(text)


@pytest.mark.parametrize(
    "text", ["none", "NA", "no", "n", "#1", "#FF0000", "N-A", "n a", "ref", "name", "nano", "-", "!", ""]
)
def test_words_and_codes_are_values(text: str) -> None:
    assert not is_missing(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("04-Mar", "date"),
        ("Mar-04", "date"),
        ("4. Mrz", "date"),
        ("03.04.2026", "date"),
        ("2026-03-04 00:00:00", "date"),
        ("TRUE", "truth_value"),
        ("FALSCH", "truth_value"),
        ("1,5", "decimal_comma"),
        ("12,3456", "decimal_comma"),
        ("1E+05", "power_of_ten"),
        ("1,2E+10", "power_of_ten"),
        ("####", "number_in_a_narrow_column"),
    ],
)
def test_what_a_spreadsheet_made_is_told_by_kind(text: str, kind: str) -> None:
    assert spreadsheet_kind(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "True",
        "true",
        "3,000",
        "1,234,567",
        "1.5",
        "8:16",
        "3/4",
        "2-seater",
        "3-marble",
        "10-decibel",
        "march",
        "may",
        "e5",
        "5e",
        "dark-blue",
        "",
    ],
)
def test_what_people_write_is_left_alone(text: str) -> None:
    assert spreadsheet_kind(text) == ""


def test_what_a_spreadsheet_or_a_person_wrote_is_doubtful() -> None:
    texts = ("45000", "1,500", "4500", "450000", "1,5", "red")
    assert [doubtful_kind(text) for text in texts] == [
        "date_as_a_number",
        "comma_in_a_number",
        "",
        "",
        "",
        "",
    ]


def test_optional_columns_that_a_program_filled_with_nothing_are_absent(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("image_name,question,answer,question_type,source\na.jpg,What?,red,nan,N/A\n")
    (pair,) = read_pairs(path)
    assert (pair.question_type, pair.source) == ("", "")

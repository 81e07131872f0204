import csv
import re
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vqa.core.csv_tables import Lines, read_rows, read_table, write_rows
from vqa.core.errors import InputError

CELLS = st.text(st.characters(exclude_categories=["Cs"])).map(str.strip)
KNOWN = ("image_name", "image_path", "question", "answer")


@given(cell=CELLS)
def test_a_cell_survives_being_written_and_read(tmp_path_factory: pytest.TempPathFactory, cell: str) -> None:
    path = tmp_path_factory.mktemp("cells") / "table.csv"
    write_rows(path, ["name", "cell"], [{"name": "x", "cell": cell}])
    assert read_rows(path, ["cell"])[0]["cell"] == re.sub("\r\n?", "\n", cell)


def test_our_own_cell_that_looks_like_swallowed_rows_survives(tmp_path: Path) -> None:
    row = {"name": "x", "cell": "0\na,b\n1"}
    write_rows(tmp_path / "table.csv", ["name", "cell"], [row])
    assert read_rows(tmp_path / "table.csv", ["cell"]) == [row]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "'=1+1"])
def test_a_cell_that_a_spreadsheet_would_run_is_written_as_text(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "table.csv"
    write_rows(path, ["cell"], [{"cell": cell}])
    assert path.read_text() == f"cell\n'{cell}\n"
    assert read_rows(path, ["cell"]) == [{"cell": cell}]


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\nx,y\n\xff,z\n")
    with pytest.raises(InputError, match=r"table\.csv, line 3: not UTF-8"):
        read_table(path)


def test_a_file_in_another_encoding_says_how_much_of_it(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("a,b\n€,y\nx,y\nä,ö\nü,y\n".encode("cp1252"))
    with pytest.raises(
        InputError, match=r"table\.csv, line 2: not UTF-8 text \(nor are 2 lines below\); save"
    ):
        read_table(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_named_as_what_it_is(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("image_name,question,answer\na.jpg,What?,lamp\n".encode(encoding))
    with pytest.raises(InputError, match=r"table\.csv is UTF-16 text .*; save it as a UTF-8 CSV"):
        read_table(path)


def test_our_own_files_have_no_malformed_rows(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2,3\n")
    with pytest.raises(InputError, match=r"line 2: 3 cells where the header has 2"):
        read_rows(path, ["a"])
    with pytest.raises(InputError, match="column c is missing"):
        read_rows(path, ["c"])


def test_a_file_of_ours_says_how_many_rows_are_to_be_mended(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2,3\n4,5\n6,7,8\n")
    with pytest.raises(
        InputError, match=r"line 2: 3 cells where the header has 2: 1,2,3; mend .*, and 1 more"
    ):
        read_rows(path, ["a"])


@pytest.mark.parametrize(
    "text",
    [
        "Image Path;Question;ANSWER\na.jpg;What, if any?;lamp\n",
        "image-path\tquestion\tanswer\na.jpg\tWhat, if any?\tlamp\n",
        'sep=;\nImagePath;"Question";answer\na.jpg;"What, if any?";lamp\n',
        '\n\nimage_path, question, "answer"\na.jpg, "What, if any?", "lamp"\n',
        ',image_path,question,answer\n0,a.jpg,"What, if any?",lamp\n',
        'Unnamed: 0.1,Unnamed: 0,image_path,question,answer\n3,0,a.jpg,"What, if any?",lamp\n',
        'image_path,question,answer,,Unnamed: 4\na.jpg,"What, if any?",lamp,,\n',
        'image_path,,question,answer\na.jpg,,"What, if any?",lamp\n',
        'image_path,question,answer\na.jpg,"What, if any?",lamp,,\n,,,,\n',
        '\ufeffimage_path,question,answer\ra.jpg,"What, if any?",lamp\r',
    ],
)
def test_a_table_is_read_however_programs_write_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    table = read_table(path, KNOWN)
    assert table.columns == ["image_path", "question", "answer"]
    assert table.rows == [["a.jpg", "What, if any?", "lamp"]]
    assert table.malformed == []


def test_our_spelling_is_not_given_to_a_second_column(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("question,Question,Image Name,image name\nq,Q,i,I\n")
    assert read_table(path, KNOWN).columns == ["question", "Question", "image_name", "image name"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a.jpg,What, is it?,red,", "4 cells where the header has 3: a.jpg,What,is it?,red"),
        ("a.jpg,What,red,,x,", "5 cells where the header has 3: a.jpg,What,red,,x"),
        ("a.jpg,Wh\0at,red,,", "a NUL character, which no text has; remove it: a.jpg,Wh␀at,red"),
    ],
)
def test_a_row_that_does_not_fit_says_why_and_how_it_was(tmp_path: Path, row: str, problem: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"image_name,question,answer,,\nb.jpg,What?,blue,,\n{row}\n")
    table = read_table(path, KNOWN)
    assert [malformed.line for malformed in table.malformed] == [3]
    assert table.malformed[0].problem.startswith(f"line 3: {problem}")
    assert table.rows == [["b.jpg", "What?", "blue"]]


def test_a_row_of_several_lines_that_does_not_fit_names_them_all(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('image_name,question,answer\na.jpg,"How many,\nin all?",4,5\nb.jpg,What?,lamp\n')
    table = read_table(path)
    assert table.malformed[0].problem == (
        "lines 2–3: 4 cells where the header has 3: a.jpg,How many, in all?,4,5"
    )
    assert table.lines == Lines(total=4, header=1, blank=0, parsed=1, unreadable=2, rows=1)


def test_every_line_is_accounted_for(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    text = 'sep=,\n\nimage_name,question,answer\na,"b\n\nc",d\n\n,,\na,b,c,d\na,"b,c\nd,e,f'
    path.write_text(text)
    table = read_table(path)
    assert table.lines == Lines(total=11, header=2, blank=3, parsed=4, unreadable=2, rows=2)
    assert table.rows == [["a", "b\n\nc", "d"], ["d", "e", "f"]]
    assert table.long_rows == {0: 3}


@given(text=st.text(st.sampled_from('abc,;"\n\r\t\0 =')), header=st.sampled_from(["a,b,c", "a;b", "a"]))
def test_no_text_has_a_line_that_is_not_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, text: str, header: str
) -> None:
    path = tmp_path_factory.mktemp("lines") / "table.csv"
    path.write_bytes(f"{header}\n{text}".encode())
    table = read_table(path)
    total, *parts, rows = astuple(table.lines)
    with path.open(newline="") as file:
        assert total == sum(1 for _ in file)
    assert total == sum(parts)
    assert len(table.rows) == rows <= table.lines.parsed
    assert len(table.malformed) <= table.lines.unreadable


def needed(columns: Sequence[str]) -> Sequence[str]:
    return [name for name in columns if name in KNOWN]


@pytest.mark.parametrize(
    ("header", "end"),
    [
        ("image_name,question,answer,question_type", ""),
        ("image_name,question,answer", ","),
        ("image_name,question,answer,,", ""),
        ("image_name;question;answer;question_type;difficulty", ";"),
        (",image_name,question,answer,note", ""),
    ],
)
def test_rows_shorter_or_longer_than_their_header_are_given_back_too(
    tmp_path: Path, header: str, end: str
) -> None:
    comma = ";" if ";" in header else ","
    rows = [f"{i}.jpg,What is it?,lamp{i}" for i in range(900)]
    rows[9], rows[849] = '9.jpg,"What is it?,red', '849.jpg,How long is the 12",lamp'
    index = "0," if header.startswith(",") else ""
    text = "\n".join([header, *((index + row).replace(",", comma) + end for row in rows)])
    (tmp_path / "table.csv").write_text(text)
    table = read_table(tmp_path / "table.csv", KNOWN, needed)
    assert table.lines == Lines(total=901, header=1, blank=0, parsed=899, unreadable=1, rows=899)
    assert [row[:3] for row in table.rows] == [row.split(",") for row in rows if row != rows[9]]


def test_a_pair_of_quotes_in_two_neighbouring_short_rows_is_told_by_the_rows_above(tmp_path: Path) -> None:
    header = "image_name,question,answer,question_type\na.jpg,What?,red\n"
    (tmp_path / "table.csv").write_text(header + 'b.jpg,"What?,red\nc.jpg,How long is 12",lamp\n')
    table = read_table(tmp_path / "table.csv", KNOWN, needed)
    assert [malformed.line for malformed in table.malformed] == [3]
    assert [row[0] for row in table.rows] == ["a.jpg", "c.jpg"]


def test_a_cell_of_several_lines_is_no_short_rows(tmp_path: Path) -> None:
    rows = [["a.jpg", "What?", "red", "color"], ["b.jpg", "Look,at\nthis", "red", "color"]]
    rows += [["c.jpg", "Is it red, blue,\nor, at last, green,\nin one word?", "red", ""]]
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image_name", "question", "answer", "question_type"), *rows])
    table = read_table(tmp_path / "table.csv", KNOWN, needed)
    assert (table.rows, table.malformed) == (rows, [])
    assert (table.lines.parsed, table.lines.rows) == (6, 3)


STRAYS = st.sampled_from(['"', '""', '",', ',"', ",", ";", "\n", "\r\n", "\r", "\0", '"\n', "\t", "'", ",,"])
ENDS = st.sampled_from(["", ",", ",,", ",object", ",object,easy,"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ends=st.one_of(ENDS.map(lambda end: [end] * 12), st.lists(ENDS, min_size=12, max_size=12)),
    damage=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 40), STRAYS), max_size=4),
)
def test_rows_of_any_length_outside_the_damage_survive(
    tmp_path: Path, ends: list[str], damage: list[tuple[int, int, str]]
) -> None:
    rows = [f"{i}.jpg,What is it?,lamp{i}{end}" for i, end in enumerate(ends)]
    rows[5] = f'5.jpg,"How many,\nin all?",5{ends[5]}'
    for number, place, stray in damage:
        rows[number] = rows[number][:place] + stray + rows[number][place:]
    path = tmp_path / "table.csv"
    path.write_bytes("\n".join(["image_name,question,answer,question_type,difficulty", *rows]).encode())
    table = read_table(path, KNOWN, needed)
    total, *parts, counted = astuple(table.lines)
    with path.open(newline="") as file:
        assert total == sum(1 for _ in file) == sum(parts)
    assert counted == len(table.rows)
    survived = {tuple(row[:3]) for row in table.rows}
    for i in set(range(12)) - {number for number, *_ in damage}:
        question = "How many,\nin all?" if i == 5 else "What is it?"
        assert (f"{i}.jpg", question, "5" if i == 5 else f"lamp{i}") in survived


def test_a_line_break_of_another_system_does_not_break_the_row_it_is_in(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_rows(path, ["name", "cell"], [{"name": "x", "cell": "one\rtwo\r\nthree"}])
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["name", "cell"], ["x", "one\ntwo\nthree"]]


def test_the_rows_that_one_quote_swallowed_are_read(shared: Path) -> None:
    table = read_table(shared / "faults/quote_closed_later.csv")
    assert table.lines == Lines(total=901, header=1, blank=0, parsed=899, unreadable=1, rows=899)
    assert [malformed.line for malformed in table.malformed] == [11]


def test_columns_that_only_commas_make_are_none(shared: Path) -> None:
    table = read_table(shared / "faults/trailing_commas.csv")
    assert table.columns == ["image_name", "question", "answer"]
    assert len(table.rows) == 6
    assert table.malformed == []


def test_no_row_of_real_files_is_unreadable(shared: Path) -> None:
    for path in [*shared.glob("vqa/*.csv"), *shared.glob("predictions/*.csv")]:
        table = read_table(path, KNOWN)
        assert table.lines.parsed == len(table.rows) == table.lines.total - 1

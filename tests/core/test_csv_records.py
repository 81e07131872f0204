"""Lines → records: what a stray quote, delimiter or break does, and what it must not."""

import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.core.csv_records import Record, records

HEADER = "image_name,question,answer\n"


def read(text: str, delimiter: str = ",", is_trusted: bool = False) -> list[Record]:
    width = len(text.split("\n", 1)[0].split(delimiter))

    def is_row(cells: Sequence[str]) -> bool:
        return len(cells) == width

    return list(records(io.StringIO(text, newline=""), delimiter, 1, None if is_trusted else is_row))


def result_cells(found: Sequence[Record]) -> list[list[str]]:
    return [record.cells for record in found if record.cells]


def test_a_quoted_line_break_makes_a_row_of_two_lines() -> None:
    found = read(HEADER + 'a.jpg,"How many\r\nlegs?",4\nb.jpg,What?,lamp\n')
    assert [(record.line, record.lines) for record in found] == [(1, 1), (2, 2), (4, 1)]
    assert found[1].cells == ["a.jpg", "How many\r\nlegs?", "4"]


def test_a_quote_that_closes_in_a_later_row_costs_its_own_row_only() -> None:
    found = read(HEADER + 'a.jpg,"What?,red\nb.jpg,Who?,me\nc.jpg,"How many, in all?",2\n')
    assert [record.line for record in found if record.problem] == [2]
    assert found[1].problem == ('a quote opens here and never closes in this row; close it: a.jpg,"What?,red')
    assert result_cells(found)[1:] == [["b.jpg", "Who?", "me"], ["c.jpg", "How many, in all?", "2"]]


def test_a_quote_that_never_closes_costs_its_own_row_only() -> None:
    found = read(HEADER + 'a.jpg,"What?,red\nb.jpg,Who?,me\n')
    assert [record.line for record in found if record.problem] == [2]
    assert result_cells(found)[1:] == [["b.jpg", "Who?", "me"]]


@pytest.mark.parametrize(
    "swallowing",
    [
        'a.jpg,"What?,red\nb.jpg,How long is 12",lamp\n',  # of two lines, three cells as the header has
        'a.jpg,"What?,red\nb.jpg,Who?,me\nc.jpg,How long is 12",lamp\n',
        'a.jpg,"Wh,at?,red\nb.jpg,Who?,me\nc.jpg,How long is 12",lamp\n',  # of lines that are damaged too
        'a.jpg,What?,"red\nb.jpg,Who?,me\nc.jpg,How long is 12",lamp\n',  # four cells
        'a.jpg,What?,"red\nb.jpg,Who?,me\nc.jpg,How long is 12"\n',  # three
    ],
)
def test_a_cell_that_holds_whole_rows_gives_them_back(swallowing: str) -> None:
    found = read(HEADER + swallowing)
    assert [record.line for record in found if record.problem] == [2]
    assert [record.cells for record in found[2:]] == [line.split(",") for line in swallowing.splitlines()[1:]]


@pytest.mark.parametrize(
    "cell",
    [
        "How many\nlegs?",
        "Is it red, blue\nor green, at last?",
        "One of:\n- red, or\n- blue\n\n?",
        "How many,\nin all?",
        "Look, at\nthis, and say\nwhat, in one word, it is",
        "",
        "\n",
    ],
)
def test_a_cell_of_several_lines_of_prose_is_one_cell(cell: str) -> None:
    found = read(HEADER + f'a.jpg,"{cell}",red\nb.jpg,What?,lamp\n')
    assert [record.cells for record in found[1:]] == [["a.jpg", cell, "red"], ["b.jpg", "What?", "lamp"]]


def test_what_looks_like_swallowed_rows_is_a_cell_in_a_file_that_a_csv_writer_wrote() -> None:
    text = 'name,cell\nx,"0\na,b\n1"\n'
    assert read(text, is_trusted=True)[1].cells == ["x", "0\na,b\n1"]
    assert [record.line for record in read(text) if record.problem] == [2]


def test_rows_with_a_blank_behind_each_comma_are_rows() -> None:
    spaced = 'a.jpg, What?, red\nb.jpg, "What?, blue\nc.jpg, Who?, me\nd.jpg, How long is 12", lamp\n'
    found = read(HEADER + spaced)
    assert [record.line for record in found if record.problem] == [3]
    assert len(result_cells(found)) == 4


def test_a_quote_behind_a_blank_opens_a_cell() -> None:
    assert read('a, "b, c",d\n')[0].cells == ["a", "b, c", "d"]


def test_a_cell_too_long_for_csv_is_named_and_the_next_rows_are_read() -> None:
    found = read(HEADER + f"a.jpg,{'x' * 140_000},red\nb.jpg,What?,lamp\n")
    assert found[1].problem.startswith("a cell is longer than 131,072 letters; shorten it: a.jpg,xxx")
    assert found[2].cells == ["b.jpg", "What?", "lamp"]


def test_a_quote_that_takes_in_more_than_csv_holds_costs_its_own_row_only() -> None:
    rows = "".join(f"{number}.jpg,What is it?,lamp\n" for number in range(10_000))
    found = read(HEADER + 'a.jpg,"What?,red\n' + rows)
    assert [record.line for record in found if record.problem] == [2]
    assert len(result_cells(found)) == 10_001


def test_many_stray_quotes_are_undone_in_time_that_grows_with_the_file() -> None:
    # Each quote takes in the rows down to the next one: every line is read twice, not 2,000 times.
    rows = 'a.jpg,"What?,red\n' + "b.jpg,Who?,me\n" * 20
    found = read(HEADER + rows * 2_000)
    assert sum(bool(record.problem) for record in found) == 2_000
    assert len(result_cells(found)) == 1 + 40_000


ROWS = [f"{i}.jpg,What is it?,lamp\n" if i % 3 else f'{i}.jpg,"How many, in all?",{i}\r\n' for i in range(12)]
ROWS[5] = '5.jpg,"How many\nlegs?",4\n'
DAMAGE = st.sampled_from(['"', '""', '",', ',"', ",", ";", "\n", "\r\n", "\r", "\0", '"\n', "\t", "'"])


@settings(max_examples=500, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 40), DAMAGE), max_size=4))
def test_every_line_belongs_to_one_record_and_rows_outside_the_damage_survive(
    damage: list[tuple[int, int, str]],
) -> None:
    rows = list(ROWS)
    for number, place, stray in damage:
        row = rows[number].rstrip("\r\n")
        rows[number] = row[:place] + stray + row[place:] + rows[number][len(row) :]
    text = HEADER + "".join(rows)
    found = read(text)
    lines = io.StringIO(text, newline="").readlines()
    taken = [line for record in found for line in range(record.line, record.line + record.lines)]
    assert taken == list(range(1, len(lines) + 1))
    survived = result_cells(found)
    for row in {ROWS[number] for number in range(12)} - {ROWS[number] for number, *_ in damage}:
        assert result_cells(read(row))[0] in survived

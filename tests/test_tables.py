from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqa.errors import InputError
from vqa.tables import read_rows, read_table, write_rows

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")).map(str.strip)


@given(cell=CELLS)
def test_a_cell_survives_being_written_and_read(tmp_path_factory: pytest.TempPathFactory, cell: str) -> None:
    path = tmp_path_factory.mktemp("cells") / "table.csv"
    write_rows(path, ["name", "cell"], [{"name": "x", "cell": cell}])
    assert read_rows(path, ["cell"])[0]["cell"] == cell


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


def test_our_own_files_have_no_malformed_rows(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2,3\n")
    with pytest.raises(InputError, match="line 2: 3 cells where the header has 2"):
        read_rows(path, ["a"])
    with pytest.raises(InputError, match="column c is missing"):
        read_rows(path, ["c"])

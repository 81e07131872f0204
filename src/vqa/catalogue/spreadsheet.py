"""A spreadsheet of products, as shops keep it → its rows, whatever its columns are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqa.foundation.csv_tables import Table, read_table
from vqa.foundation.errors import InputError

# What we read → what its column may be called, in order of preference.
COLUMNS = {
    "picture": (
        "picture image photo image_name file_name filename image_path image_file picture_name photo_name "
        "picture_file img file path images pictures photos main_image image_id"
    ).split(),
    "id": "id sku product_id item_id article_number article asin".split(),
    "name": "name title product_name item_name product".split(),
    "kind": "kind product_type type category product_kind product_category".split(),
    "color": "color colour colors colours main_color main_colour".split(),
    "material": "material materials fabric".split(),
    "pattern": "pattern print".split(),
    "shape": "shape item_shape form".split(),
    "description": "description product_description text details".split(),
}


@dataclass(frozen=True)
class Row:
    """One line of the spreadsheet: a product, or a picture of one."""

    number: int  # from 1, of those below the header that can be read
    cells: Mapping[str, str]  # by the names of COLUMNS; "" where it says nothing

    @property
    def picture(self) -> str:
        return self.cells["picture"]


@dataclass(frozen=True)
class Spreadsheet:
    rows: list[Row]
    columns: dict[str, str]  # what we read → the column that it is read from
    unreadable: list[str]  # rows that do not fit the header: line and problem


def read_spreadsheet(path: Path, named: Mapping[str, str]) -> Spreadsheet:
    """Rows of a CSV whose columns are found by their names, or are as `named` says.

    Args:
        named: what we read ("color") → its column in the file ("Farbe").

    Raises:
        InputError: the file cannot be read, no column names the pictures, or one of `named` is not there.
    """
    strange = next((name for name in named if name not in COLUMNS), None)
    if strange is not None:
        raise InputError(f"--column {strange}=… is not known; it can be {', '.join(COLUMNS)}")
    spellings = [spelling for spellings in COLUMNS.values() for spelling in spellings]
    table = read_table(path, [*named.values(), *spellings], lambda columns: ())
    columns = _found(path, table.columns, named)
    rows = [Row(number + 1, _cells(table, cells, columns)) for number, cells in enumerate(table.rows)]
    if not rows:
        raise InputError(f"{path} has no rows; it needs at least one product below its header")
    return Spreadsheet(rows, columns, [row.problem for row in table.malformed])


def _found(path: Path, header: Sequence[str], named: Mapping[str, str]) -> dict[str, str]:
    found = dict(named)
    missing = next((column for column in named.values() if column not in header), None)
    if missing is not None:
        raise InputError(f"{path} has no column {missing!r}; its columns are {', '.join(header)[:200]}")
    for name, spellings in COLUMNS.items():
        free = [spelling for spelling in spellings if spelling in header and spelling not in found.values()]
        if name not in found and free:
            found[name] = free[0]
    if "picture" not in found:
        raise InputError(
            f"{path}: no column names the pictures; its columns are {', '.join(header)[:200]}; say which by "
            "--column picture=NAME"
        )
    return found


def _cells(table: Table, cells: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    row = dict(zip(table.columns, cells, strict=True))
    return {name: row[columns[name]] if name in columns else "" for name in COLUMNS}

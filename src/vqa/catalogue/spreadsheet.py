"""A spreadsheet of products, as shops keep it → its rows, whatever its columns are called.

A column is found by its name and trusted for its values: WooCommerce's Type holds "variable" and "variation".
"""

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vqa.catalogue.attribute_values import says_nothing
from vqa.catalogue.kinds import kind_of
from vqa.catalogue.picture_folder import PictureFolder
from vqa.foundation.csv_tables import Table, read_table
from vqa.foundation.errors import InputError

# What we read → what its column may be called, in order of preference.
COLUMNS = {
    "picture": (
        "picture image photo image_name file_name filename image_path image_file picture_name photo_name "
        "picture_file img file path image_src image_link product_image_url base_image images pictures photos "
        "main_image image_url image_id"
    ).split(),
    "id": "id sku item_id article_number article asin variant_sku".split(),
    "group": "item_group_id parent parent_sku product_id handle url_handle spu model".split(),
    "more_pictures": (
        "additional_image_link additional_image_links additional_images other_images more_images gallery "
        "gallery_images"
    ).split(),
    "variant_picture": "variant_image variant_image_url".split(),
    "name": "name title product_name item_name product product_display_name".split(),
    "kind": (
        "kind product_type type article_type category categories product_kind product_category "
        "google_product_category"
    ).split(),
    "color": "color colour colors colours main_color main_colour base_color base_colour".split(),
    "material": "material materials fabric".split(),
    "pattern": "pattern print".split(),
    "shape": "shape item_shape form".split(),
    "description": "description product_description body_html body text details short_description".split(),
}
ATTRIBUTES = ("color", "material", "pattern", "shape")
_VARIATIONS = (
    "configurable_variations"  # Magento's, of which rows belong to a product: "sku=A,size=1|sku=B,…"
)
_PAIRS = "additional_attributes"  # Magento's: "color=Blue,material=Cotton"
# Shopify's "Option1 Name", "Option1 Value"; WooCommerce's "Attribute 1 name", "Attribute 1 value(s)".
_NUMBERED = re.compile(r"(option|attribute)(\d+)(name|value)s?")
_TRIED = 200  # cells that show whether a column names pictures
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Row:
    """One line of the spreadsheet: a product, a variant of one, or a picture of one."""

    number: int  # from 1, of those below the header that can be read
    cells: Mapping[str, str]  # by the names of COLUMNS; "" where it says nothing
    keys: frozenset[str] = frozenset()  # what other rows may call it by
    groups: Mapping[str, str] = field(
        default_factory=dict
    )  # column that may tie rows → its cell, where there is one
    parts: frozenset[str] = frozenset()  # keys of rows that it says are variants of it

    @property
    def picture(self) -> str:
        return self.cells["picture"]


@dataclass(frozen=True)
class Spreadsheet:
    rows: list[Row]
    columns: dict[str, str]  # what we read → the column that it is read from
    unreadable: list[str]  # rows that do not fit the header: line and problem
    notes: list[str]  # sentences on columns that are not read, and why


def read_spreadsheet(path: Path, named: Mapping[str, str], folder: PictureFolder) -> Spreadsheet:
    """Rows of a CSV whose columns are found by their names and values, or are as `named` says.

    Args:
        named: what we read ("color") → its column in the file ("Farbe").

    Raises:
        InputError: the file cannot be read, no column names the pictures, or one of `named` is not there.
    """
    strange = next((name for name in named if name not in COLUMNS), None)
    if strange is not None:
        raise InputError(f"--column {strange}=… is not known; it can be {', '.join(COLUMNS)}")
    spellings = [spelling for spellings in COLUMNS.values() for spelling in spellings]
    table = read_table(path, [*named.values(), *spellings, _VARIATIONS, _PAIRS], lambda columns: ())
    if not table.rows:
        raise InputError(f"{path} has no rows; it needs at least one product below its header")
    columns, notes = _found(path, table, named, folder)
    return Spreadsheet(
        list(_rows(table, columns, named)), columns, [row.problem for row in table.malformed], notes
    )


def _found(
    path: Path, table: Table, named: Mapping[str, str], folder: PictureFolder
) -> tuple[dict[str, str], list[str]]:
    """What we read → its column, and sentences on columns of a right name whose values are others."""
    header = table.columns
    found, notes = dict(named), list[str]()
    missing = next((column for column in named.values() if column not in header), None)
    if missing is not None:
        raise InputError(f"{path} has no column {missing!r}; its columns are {', '.join(header)[:200]}")
    for name, spellings in COLUMNS.items():
        free = [spelling for spelling in spellings if spelling in header and spelling not in found.values()]
        if name in found or name in ("picture", "group") or not free:
            continue
        trusted = [column for column in free if _is_trusted(name, table, column)]
        passed_over = free[: free.index(trusted[0])] if trusted else free
        notes += [_not_read(name, table, column) for column in passed_over if any(_cells(table, column))]
        if trusted:
            found[name] = trusted[0]
    if "picture" not in found:
        found = {"picture": _picture_column(path, table, folder), **found}
        if found["picture"] not in COLUMNS["picture"]:
            notes.append(f"no column names the pictures; their files are called as {found['picture']!r} says")
    return found, notes


def _is_trusted(name: str, table: Table, column: str) -> bool:
    cells = set(_cells(table, column))
    if name == "kind":
        return any(kind_of(cell).product_type for cell in cells)
    return name not in ATTRIBUTES or not all(map(says_nothing, cells))


def _not_read(name: str, table: Table, column: str) -> str:
    values = ", ".join(cell for cell, _ in Counter(_cells(table, column)).most_common(3))
    return f"column {column!r} is not read as {name}: its values are such as {values[:100]}"


def _picture_column(path: Path, table: Table, folder: PictureFolder) -> str:
    """The first column called as one of pictures whose cells name some, or one of ids that does."""
    called = [name for name in COLUMNS["picture"] if name in table.columns]
    for column in [*called, *(name for name in COLUMNS["id"] if name in table.columns)]:
        cells = _cells(table, column)[:_TRIED]
        if any(image.path for cell in cells for image in folder.pictures_in(cell)):
            return column
    if not called:
        raise InputError(
            f"{path}: no column names the pictures; its columns are {', '.join(table.columns)[:200]}; say "
            "which by --column picture=NAME"
        )
    return called[0]


def _cells(table: Table, column: str) -> list[str]:
    """The column's cells that are not empty."""
    at = table.columns.index(column)
    return [cells[at] for cells in table.rows if cells[at]]


def _rows(table: Table, columns: Mapping[str, str], named: Mapping[str, str]) -> Iterator[Row]:
    groups = [named["group"]] if "group" in named else COLUMNS["group"]
    ids = [*COLUMNS["id"], *filter(None, [columns.get("id")])]
    mine = [*filter(None, [named.get("more_pictures")])]
    further = mine or [column for column in COLUMNS["more_pictures"] if column in table.columns]
    pairs = _NumberedPairs(table.columns)
    for number, line in enumerate(table.rows, start=1):
        row = dict(zip(table.columns, line, strict=True))
        cells = {name: row.get(columns.get(name, ""), "") for name in COLUMNS}
        cells["more_pictures"] = "\n".join(filter(None, (row[column] for column in further)))
        cells["description"] = " ".join(html.unescape(_TAG.sub(" ", cells["description"])).split())
        stated = _attributes([*pairs.of(row), *_pairs_in(row.get(_PAIRS, ""))])
        for name in ATTRIBUTES:
            cells[name] = cells[name] or stated.get(name, "")
        parts = re.findall(r"(?:^|[|,])sku=([^,|]+)", row.get(_VARIATIONS, ""))
        yield Row(
            number,
            cells,
            frozenset(row[column] for column in ids if row.get(column)),
            {column: row[column] for column in groups if row.get(column)},
            frozenset(part.strip() for part in parts),
        )


def _attributes(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Of names and values of a row's attributes those that we read; the first of each."""
    found: dict[str, str] = {}
    for name, value in pairs:
        for known in ATTRIBUTES:
            if _letters(name) in map(_letters, COLUMNS[known]) and value:
                found.setdefault(known, value)
    return found


def _pairs_in(cell: str) -> list[tuple[str, str]]:
    return re.findall(r"(?:^|,)\s*(\w+)=([^,=]*)(?=,|$)", cell)


class _NumberedPairs:
    """Pairs of columns of which one has an attribute's name and one its value.

    Shopify says the name in a product's first row only, so that it holds until another is said.
    """

    def __init__(self, header: Sequence[str]) -> None:
        columns: dict[tuple[str, str], dict[str, str]] = {}
        for column in header:
            if match := _NUMBERED.fullmatch(_letters(column)):
                columns.setdefault((match[1], match[2]), {})[match[3]] = column
        self._columns = [both for both in columns.values() if len(both) == 2]
        self._names: dict[str, str] = {}  # column of values → the name said last

    def of(self, row: Mapping[str, str]) -> list[tuple[str, str]]:
        for both in self._columns:
            if row[both["name"]]:
                self._names[both["value"]] = row[both["name"]]
        values = (both["value"] for both in self._columns)
        return [(self._names.get(column, ""), row[column]) for column in values]


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())

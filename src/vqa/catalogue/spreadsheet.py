"""A shop's spreadsheet of products → its rows, whatever the names of its columns.

A column is found by name and confirmed by its values: WooCommerce's Type holds "variable" and "variation".
"""

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vqa.catalogue.attribute_values import Kind, product_kind, says_nothing
from vqa.catalogue.image_folder import ImageFolder
from vqa.core.csv_tables import Table, read_table
from vqa.core.errors import InputError

# What we read → what its column may be called, in order of preference.
COLUMNS = {
    "image": (
        "picture image photo image_name file_name filename image_path image_file picture_name photo_name "
        "image_file img file path image_src image_link product_image_url base_image images pictures photos "
        "main_image image_url image_id"
    ).split(),
    "id": "id sku item_id article_number article asin variant_sku".split(),
    "group": "item_group_id parent parent_sku product_id handle url_handle spu model".split(),
    "more_images": (
        "additional_image_link additional_image_links additional_images other_images more_images gallery "
        "gallery_images"
    ).split(),
    "variant_image": "variant_image variant_image_url".split(),
    "brand": "brand brands brand_name manufacturer vendor".split(),
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
_OF_PAIRS = ("question", "answer")  # whose "type" is a question's, and whose "name" is none of a product
_READ_OF_PAIRS = ("image", "id", "group", "more_images")
_VARIATIONS = (
    "configurable_variations"  # Magento's, of which rows belong to a product: "sku=A,size=1|sku=B,…"
)
_PAIRS = "additional_attributes"  # Magento's: "color=Blue,material=Cotton"
# Shopify's "Option1 Name", "Option1 Value"; WooCommerce's "Attribute 1 name", "Attribute 1 value(s)".
_NUMBERED = re.compile(r"(option|attribute)(\d+)(name|value)s?")
# "image2", "Image 2 URL", "additional_image_3": a further image of the row
_NUMBERED_IMAGE = re.compile(
    r"(?:additional|other|extra|product|main|more)?(?:image|picture|photo|img)(?:url|src|link|path|file|name)?\d+"
    r"(?:url|src|link|path|file|name)?"
)
_TRIED = 200  # cells that show whether a column names images
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Row:
    """One line of the spreadsheet: a product, a variant of one, or an image of one."""

    number: int  # from 1, among the readable rows below the header
    cells: Mapping[str, str]  # by the names of COLUMNS; "" if empty
    keys: frozenset[str] = frozenset()  # by which other rows may refer to it
    groups: Mapping[str, str] = field(
        default_factory=dict
    )  # column that may tie rows → its cell, where there is one
    parts: frozenset[str] = frozenset()  # keys of rows that it names as its variants

    @property
    def image(self) -> str:
        return self.cells["image"]

    @property
    def kind(self) -> Kind:
        return product_kind(self.cells["kind"], self.cells["brand"])


@dataclass(frozen=True)
class Spreadsheet:
    rows: list[Row]
    columns: dict[str, str]  # what we read → its column
    unreadable: list[str]  # rows that do not fit the header: line and problem
    notes: list[str]  # sentences on columns that are not read, and why
    is_of_pairs: bool = False  # questions with answers: only their images are read


def read_spreadsheet(path: Path, named: Mapping[str, str], folder: ImageFolder) -> Spreadsheet:
    """Read a CSV whose columns are found by their names and values, or are given in `named`.

    Args:
        named: what we read ("color") → its column in the file ("Farbe").

    Raises:
        InputError: the file cannot be read, no column names the images, or one of `named` is not there.
    """
    strange = next((name for name in named if name not in COLUMNS), None)
    if strange is not None:
        raise InputError(f"--column {strange}=… is not known; it can be {', '.join(COLUMNS)}")
    spellings = [spelling for spellings in COLUMNS.values() for spelling in spellings]
    table = read_table(
        path, [*named.values(), *spellings, _VARIATIONS, _PAIRS, *_OF_PAIRS], lambda columns: ()
    )
    if not table.rows:
        raise InputError(f"{path} has no rows; it needs at least one product below its header")
    columns, notes = _found(path, table, named, folder)
    unreadable = [row.problem for row in table.malformed]
    return Spreadsheet(list(_rows(table, columns, named)), columns, unreadable, notes, _is_of_pairs(table))


def _found(
    path: Path, table: Table, named: Mapping[str, str], folder: ImageFolder
) -> tuple[dict[str, str], list[str]]:
    """What we read → its column; and sentences on columns with a fitting name but other values."""
    header = table.columns
    columns, notes = dict(named), list[str]()
    missing = next((column for column in named.values() if column not in header), None)
    if missing is not None:
        raise InputError(f"{path} has no column {missing!r}; its columns are {', '.join(header)[:200]}")
    for name, spellings in COLUMNS.items():
        free = [spelling for spelling in spellings if spelling in header and spelling not in columns.values()]
        if name in columns or name in ("image", "group") or not free:
            continue
        if _is_of_pairs(table) and name not in _READ_OF_PAIRS:
            continue
        trusted = [column for column in free if _is_trusted(name, table, column, columns.get("brand", ""))]
        passed_over = free[: free.index(trusted[0])] if trusted else free
        notes += [_not_read(name, table, column) for column in passed_over if any(_cells(table, column))]
        if trusted:
            columns[name] = trusted[0]
    if "image" not in columns:
        columns = {"image": _image_column_of(path, table, folder), **columns}
        if columns["image"] not in (*COLUMNS["image"], *_numbered(table.columns)):
            notes.append(f"no column names the images; their files are called as {columns['image']!r} says")
    return columns, notes


def _is_of_pairs(table: Table) -> bool:
    return set(_OF_PAIRS) <= set(table.columns)


def _numbered(header: Sequence[str]) -> list[str]:
    """The columns image1, image2 …, which are images of one product, in their order."""
    columns = [column for column in header if _NUMBERED_IMAGE.fullmatch(_letters(column))]
    return sorted(columns, key=lambda column: int(re.sub(r"\D", "", column)))


def _is_trusted(name: str, table: Table, column: str, brand: str) -> bool:
    cells = set(_cells(table, column))
    if name == "kind":
        places = [table.columns.index(at) for at in (column, brand) if at]
        rows = {tuple(row[place] for place in places) for row in table.rows}
        return any(product_kind(*row).product_type for row in rows)
    return name not in ATTRIBUTES or not all(map(says_nothing, cells))


def _not_read(name: str, table: Table, column: str) -> str:
    values = ", ".join(cell for cell, _ in Counter(_cells(table, column)).most_common(3))
    return f"column {column!r} is not read as {name}: its values are such as {values[:100]}"


def _image_column_of(path: Path, table: Table, folder: ImageFolder) -> str:
    """The first column whose cells name images: among those with a name for images, then those for ids."""
    called = [name for name in COLUMNS["image"] if name in table.columns] or _numbered(table.columns)
    for column in [*called, *(name for name in COLUMNS["id"] if name in table.columns)]:
        cells = _cells(table, column)[:_TRIED]
        if any(image.path for cell in cells for image in folder.images_in(cell)):
            return column
    if not called:
        raise InputError(
            f"{path}: no column names the images; its columns are {', '.join(table.columns)[:200]}; say "
            "which by --column image=NAME"
        )
    return called[0]


def _cells(table: Table, column: str) -> list[str]:
    """The column's cells that are not empty."""
    at = table.columns.index(column)
    return [cells[at] for cells in table.rows if cells[at]]


def _rows(table: Table, columns: Mapping[str, str], named: Mapping[str, str]) -> Iterator[Row]:
    groups = [named["group"]] if "group" in named else COLUMNS["group"]
    ids = [*COLUMNS["id"], *filter(None, [columns.get("id")])]
    mine = [*filter(None, [named.get("more_images")])]
    further = mine or [column for column in COLUMNS["more_images"] if column in table.columns]
    if not mine:
        used = {*columns.values(), *further}
        further += [column for column in _numbered(table.columns) if column not in used]
    pairs = _NumberedPairs(table.columns)
    for number, line in enumerate(table.rows, start=1):
        row = dict(zip(table.columns, line, strict=True))
        cells = {name: row.get(columns.get(name, ""), "") for name in COLUMNS}
        cells["more_images"] = "\n".join(filter(None, (row[column] for column in further)))
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
    """The attributes that we read, among names and values of a row's attributes; the first of each."""
    values: dict[str, str] = {}
    for name, value in pairs:
        for attribute in ATTRIBUTES:
            if _letters(name) in map(_letters, COLUMNS[attribute]) and value:
                values.setdefault(attribute, value)
    return values


def _pairs_in(cell: str) -> list[tuple[str, str]]:
    return re.findall(r"(?:^|,)\s*(\w+)=([^,=]*)(?=,|$)", cell)


class _NumberedPairs:
    """Pairs of columns, one with the name of an attribute and one with its value.

    Shopify writes the name in a product's first row only, so it holds until another name comes.
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

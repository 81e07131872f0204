"""What an import tells its user: what was read as what, what ties rows, and what it is not sure of."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from vqa.catalogue.attribute_values import says_nothing
from vqa.catalogue.import_record import ImportRecord
from vqa.catalogue.kinds import kind_of
from vqa.catalogue.picture_folder import PictureFolder
from vqa.catalogue.product_groups import Groups, nothing_ties
from vqa.catalogue.spreadsheet import Spreadsheet
from vqa.catalogue.tree_writer import Product

_SHOWN = ("kind", "color", "material")
_COMMONEST = 5
_FEW = 3


def report(
    spreadsheet: Spreadsheet,
    groups: Groups,
    products: Sequence[Product],
    disputes: Mapping[str, int],
    record: ImportRecord,
    folder: PictureFolder,
) -> Iterator[str]:
    """The lines that are printed once all is written.

    Args:
        disputes: images whose rows do not agree, by attribute.
    """
    columns = spreadsheet.columns.items()
    yield f"read {', '.join(f'{what} from {name!r}' if what != name else what for what, name in columns)}"
    yield from spreadsheet.notes
    for name in _SHOWN:
        yield from _commonest(name, spreadsheet, products)
    yield from groups.notes
    if all(len(set(images)) == 1 for images in _images_of_groups(products).values()):
        yield nothing_ties()
    yield from _claims(products)
    for name, count in disputes.items():
        yield f"{name}: {count} pictures are named by rows that do not agree on it; none of these has one"
    without_main = sum(not product.main for product in products)
    if without_main:
        yield f"{without_main} products are not asked about: their first picture is not there, others are"
    if folder.unread:
        yield folder.unread
    images = {name for product in products for name in product.images}
    count = sum(bool(product.main) for product in products)
    yield f"{count} products with {len(images)} of {len(folder)} pictures are in {record.root}"
    if len(record.spreadsheets) > 1:
        everything = {named.image_name for named in record.files}
        yield f"with those of {len(record.spreadsheets)} spreadsheets it holds {len(everything)} pictures"


def _commonest(name: str, spreadsheet: Spreadsheet, products: Sequence[Product]) -> Iterator[str]:
    """What a column was read as, and what of it is read as nothing."""
    cells = Counter(product.row.cells[name] for product in products if product.row.cells[name])
    if not cells:
        return
    read, nothing, several = Counter[str](), Counter[str](), Counter[str]()
    for cell, count in cells.items():
        value = kind_of(cell).product_type if name == "kind" else "" if says_nothing(cell) else cell
        (read if value else nothing)[value.replace("_", " ").lower() or cell] += count
        if name == "kind" and kind_of(cell).others:
            several[cell] += count
    column = spreadsheet.columns.get(name, "an attribute's columns")
    shown = ", ".join(f"{value} {count}" for value, count in read.most_common(_COMMONEST))
    yield f"{name}, from {column!r}: {shown or 'nothing'} (the commonest of {len(read)})"
    if nothing:
        yield f"{name}: {nothing.total()} rows say none: {_examples(nothing)}"
    if several:
        yield f"{name}: of {several.total()} rows that name several the first is read: {_examples(several)}"


def _examples(cells: Counter[str]) -> str:
    return ", ".join(f"{cell!r} {count}" for cell, count in cells.most_common(_FEW))


def _claims(products: Sequence[Product]) -> Iterator[str]:
    """A sentence on pictures that rows of several ids name."""
    ids: dict[str, set[str]] = {}
    for product in products:
        if product.row.cells["id"]:
            for name in product.images:
                ids.setdefault(name, set()).add(product.row.cells["id"])
    several = {name: sorted(of_name) for name, of_name in ids.items() if len(of_name) > 1}
    if several:
        first, of_first = next(iter(several.items()))
        rows = sum(map(len, several.values()))
        yield (
            f"{len(several)} pictures are named by rows of several ids ({rows} in all; {first} by "
            f"{', '.join(of_first[:_FEW])}): names.csv lists them"
        )


def _images_of_groups(products: Sequence[Product]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for product in products:
        found.setdefault(product.group, []).extend(product.images)
    return found

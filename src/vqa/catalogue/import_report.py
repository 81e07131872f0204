"""What an import tells its user: what was read as what, what ties rows, and what it is not sure of."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from vqa.catalogue.attribute_values import brand_keys, is_no_text, last_level_keys, says_nothing
from vqa.catalogue.image_folder import ImageFolder
from vqa.catalogue.import_record import ImportRecord
from vqa.catalogue.product_groups import Groups, nothing_ties
from vqa.catalogue.spreadsheet import Spreadsheet
from vqa.catalogue.tree_writer import Product

_SHOWN = ("kind", "color", "material")
_ALSO_READ = {"pattern": says_nothing, "shape": says_nothing, "name": is_no_text, "description": is_no_text}
_COMMONEST = 5
_FEW = 3


def report(
    spreadsheet: Spreadsheet,
    groups: Groups,
    products: Sequence[Product],
    disputes: Mapping[str, int],
    record: ImportRecord,
    folder: ImageFolder,
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
    yield from _brands_as_kinds(products)
    for name, is_nothing in _ALSO_READ.items():
        cells = Counter(product.row.cells[name] for product in products)
        yield from _dropped(name, Counter({cell: cells[cell] for cell in cells if is_nothing(cell)}))
    yield from groups.notes
    if all(len(set(images)) == 1 for images in _images_of_groups(products).values()):
        yield nothing_ties()
    yield from _claims(products)
    for name, count in disputes.items():
        yield f"{name}: {count} images are named by rows that do not agree on it; none of these has one"
    without_main = sum(not product.main for product in products)
    if without_main:
        yield f"{without_main} products are not asked about: their first image is not there, others are"
    if folder.unread:
        yield folder.unread
    images = {name for product in products for name in product.images}
    count = sum(bool(product.main) for product in products)
    what = "rows of pairs" if spreadsheet.is_of_pairs else "products"
    yield f"{count} {what} with {len(images)} of {len(folder)} images are in {record.root}"
    if len(record.spreadsheets) > 1:
        everything = {named.image_name for named in record.files}
        yield f"with those of {len(record.spreadsheets)} spreadsheets it holds {len(everything)} images"


def _commonest(name: str, spreadsheet: Spreadsheet, products: Sequence[Product]) -> Iterator[str]:
    """What a column was read as, and what of it is read as nothing."""
    rows = [product.row for product in products if product.row.cells[name]]
    if not rows:
        return
    read, nothing, several = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        cell = row.cells[name]
        value = row.kind.product_type if name == "kind" else "" if says_nothing(cell) else cell
        (read if value else nothing)[value.replace("_", " ").lower() or cell] += 1
        if name == "kind" and row.kind.others:
            several[cell] += 1
    column = spreadsheet.columns.get(name, "an attribute's columns")
    shown = ", ".join(f"{value} {count}" for value, count in read.most_common(_COMMONEST))
    yield f"{name}, from {column!r}: {shown or 'nothing'} (the commonest of {len(read)})"
    yield from _dropped(name, nothing)
    if several:
        yield f"{name}: of {several.total()} rows that name several the first is read: {_examples(several)}"


def _dropped(name: str, nothing: Counter[str]) -> list[str]:
    """A sentence on cells that are read as nothing, where there are any."""
    said = Counter({cell: count for cell, count in nothing.items() if cell})
    return [f"{name}: {said.total()} rows say none: {_examples(said)}"] * bool(said)


def _brands_as_kinds(products: Sequence[Product]) -> Iterator[str]:
    """Sentences on categories that end in a brand: the row's own, and one that only other rows have."""
    everywhere = {key for product in products for key in brand_keys(product.row.cells["brand"])}
    own, doubtful = Counter[str](), Counter[str]()
    for row in (product.row for product in products):
        own.update(row.kind.brands[:1])
        if not row.kind.brands and last_level_keys(row.cells["kind"]) & everywhere:
            doubtful[row.cells["kind"]] += 1
    if own:
        yield f"kind: {own.total()} rows end in their brand, which is passed over: {_examples(own)}"
    if doubtful:
        yield (
            f"kind: {doubtful.total()} rows end in a brand that other rows have, and are read as that: "
            f"{_examples(doubtful)}; mend them where the brand is meant"
        )


def _examples(cells: Counter[str]) -> str:
    return ", ".join(f"{cell!r} {count}" for cell, count in cells.most_common(_FEW))


def _claims(products: Sequence[Product]) -> Iterator[str]:
    """A sentence on images that rows of several ids name."""
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
            f"{len(several)} images are named by rows of several ids ({rows} in all; {first} by "
            f"{', '.join(of_first[:_FEW])}): names.csv lists them"
        )


def _images_of_groups(products: Sequence[Product]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for product in products:
        found.setdefault(product.group, []).extend(product.images)
    return found

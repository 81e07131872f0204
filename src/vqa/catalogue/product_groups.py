"""Rows of a spreadsheet → which of them are one product, and what a row takes from the others of it."""

from collections import Counter, defaultdict
from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from vqa.catalogue.attribute_values import says_nothing
from vqa.catalogue.spreadsheet import ATTRIBUTES, COLUMNS, Row

_ALWAYS = ("item_group_id", "parent", "parent_sku", "handle", "url_handle")  # mean nothing but a group
_PARENTS = ("parent", "parent_sku")  # columns that name another row, by its id
_OF_PRODUCT = ("brand", "name", "kind", "material", "pattern", "shape", "description")


@dataclass(frozen=True)
class Groups:
    of_row: list[int]  # the number of each row's product, from 0
    column: str  # that ties rows, beside equal ids; "" where none does
    notes: list[str]  # sentences on what ties rows, or should and does not


def grouped_rows(rows: Sequence[Row], is_named: bool) -> Groups:
    """Rows of one product: by the first column of a group's name that ties some, and by equal ids.

    `is_named`: the user has said which column it is, which is then trusted.
    """
    notes, column = [], ""
    present = {name for row in rows for name in row.groups}
    for candidate in sorted(present, key=_preference):
        cells = Counter(row.groups[candidate] for row in rows if candidate in row.groups)
        is_constant = len(cells) == 1 and cells.total() == len(rows) > 1
        if is_constant and candidate not in _ALWAYS and not is_named:
            notes.append(f"column {candidate!r} ties no rows: it is {next(iter(cells))!r} in all of them")
        elif not column and (len(cells) < cells.total() or candidate in _PARENTS):
            column = candidate
    named = {part for row in rows for part in row.parts} | {_parent(row, column) for row in rows}
    tokens = [_tokens(row, column, named) for row in rows]
    ids = Counter(row.cells["id"] for row in rows if row.cells["id"])
    if len(ids) == 1 and ids.total() == len(rows) > 1:
        notes.append(f"equal ids tie no rows: all have the id {next(iter(ids))!r}")
        tokens = [of_row - {("id", next(iter(ids)))} for of_row in tokens]
    of_row = _connected(tokens)
    further = _ties_further(rows, of_row, sorted(present - {column}, key=_preference)) if column else []
    return Groups(of_row, column, [*notes, *_told(of_row, column), *further])


def _ties_further(rows: Sequence[Row], of_row: Sequence[int], columns: Sequence[str]) -> list[str]:
    """A sentence on each column that is not used and would tie products of several numbers together."""
    found = []
    for column in columns:
        products: dict[str, set[int]] = defaultdict(set)
        for row, number in zip(rows, of_row, strict=True):
            if column in row.groups:
                products[row.groups[column]].add(number)
        several = [numbers for numbers in products.values() if len(numbers) > 1]
        if several and len(products) > 1:
            found.append(
                f"column {column!r} is not used: it would tie {len(set().union(*several))} products to "
                f"{len(several)} more; --column group={column} ties by it instead"
            )
    return found


def _preference(column: str) -> int:
    """The place of a column in COLUMNS, whichever rows fill it; one that the user has named stands alone."""
    return COLUMNS["group"].index(column) if column in COLUMNS["group"] else 0


def _told(of_row: Sequence[int], column: str) -> list[str]:
    sizes = Counter(of_row)
    tied = [size for size in sizes.values() if size > 1]
    if not tied:
        return []
    by = f"{column!r} and equal ids" if column else "equal ids"
    return [f"{sum(tied)} rows are tied to {len(tied)} products by {by}; the largest has {max(tied)} rows"]


def nothing_ties() -> str:
    """The sentence on a spreadsheet in which every image stands alone."""
    return (
        "nothing ties images of one product: no row has two, no id is there twice, and no column "
        f"({', '.join(COLUMNS['group'])}) groups rows, so only their looks keep them in one split; "
        "--column group=NAME names one"
    )


def _tokens(row: Row, column: str, named: Container[str]) -> set[Hashable]:
    """What a row shares with those of its product; `named`: what rows call others by."""
    found: set[Hashable] = {
        ("key", key) for key in (*row.parts, *row.keys, _parent(row, column)) if key in named
    }
    if row.cells["id"]:
        found.add(("id", row.cells["id"]))
    if column not in _PARENTS and column in row.groups:
        found.add(("group", row.groups[column]))
    return found - {("key", "")}


def _parent(row: Row, column: str) -> str:
    """The id of the row that this one is a variant of, or ""; WooCommerce writes id:1000 for its own ids."""
    return row.groups.get(column, "").removeprefix("id:") if column in _PARENTS else ""


def _connected(tokens: Sequence[Iterable[Hashable]]) -> list[int]:
    """The number of each row's component, in order of appearance; rows that share a token are connected."""
    parent = list(range(len(tokens)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    first: dict[Hashable, int] = {}
    for row, of_row in enumerate(tokens):
        for token in of_row:
            one, other = sorted((root(first.setdefault(token, row)), root(row)))
            parent[other] = one
    number: dict[int, int] = {}
    return [number.setdefault(root(row), len(number)) for row in range(len(tokens))]


def completed_rows(rows: Sequence[Row], of_row: Sequence[int]) -> tuple[list[Row], list[int]]:
    """Each row with what its product says in others, and a row more for each variant's own image; likewise
    the number of each one's product.

    A row takes a cell that it lacks where the others of its product agree on it. A colour is a variant's:
    only a row that has neither name nor id, and so is a further image, takes it.
    """
    said: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row, group in zip(rows, of_row, strict=True):
        for name, cell in row.cells.items():
            if cell and not (name in ATTRIBUTES and says_nothing(cell)):
                said[group][name].add(cell)
    complete, groups = [], []
    has_variants = any(row.cells["variant_image"] for row in rows)
    for row, group in zip(rows, of_row, strict=True):
        agreed = {name: next(iter(cells)) for name, cells in said[group].items() if len(cells) == 1}
        taken = {name: agreed[name] for name in _OF_PRODUCT if not row.cells[name] and name in agreed}
        is_further_image = not (row.cells["name"] or row.cells["id"] or row.cells["color"])
        if has_variants or is_further_image:
            taken["color"] = agreed.get("color", "")
        if row.image or not row.cells["variant_image"]:
            complete.append(replace(row, cells={**row.cells, **taken}))
            groups.append(group)
        if row.cells["variant_image"]:
            own = {"image": row.cells["variant_image"], "color": row.cells["color"], "more_images": ""}
            complete.append(replace(row, cells={**row.cells, **taken, **own}))
            groups.append(group)
    return complete, groups


def without_disputes(rows: Sequence[Row], image_of: Sequence[str]) -> tuple[list[Row], dict[str, int]]:
    """The rows without the attributes on which those with one main image `[rows]` do not agree; and of how
    many images that is so, by attribute.
    """
    of_image: dict[str, list[int]] = defaultdict(list)
    for number, image in enumerate(image_of):
        if image:
            of_image[image].append(number)
    recorded, disputes = list(rows), Counter[str]()
    for numbers in of_image.values():
        for name in ("kind", *ATTRIBUTES):
            if len({_meant(name, rows[number]) for number in numbers} - {""}) > 1:
                disputes[name] += 1
                for number in numbers:
                    recorded[number] = replace(recorded[number], cells={**recorded[number].cells, name: ""})
    return recorded, dict(disputes)


def _meant(name: str, row: Row) -> str:
    """What two rows' cells are compared by; "" where one says nothing."""
    if name == "kind":
        return row.kind.product_type
    cell = row.cells[name]
    return "" if says_nothing(cell) else cell.casefold()

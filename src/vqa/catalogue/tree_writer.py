"""Rows of a spreadsheet and their pictures → a tree in ABO's layout, as `abo` reads it."""

import csv
import gzip
import io
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from vqa.catalogue.abo import image_path
from vqa.catalogue.pictures import ImageError, load_image
from vqa.catalogue.spreadsheet import Row
from vqa.foundation.errors import InputError, end_at_interrupt
from vqa.foundation.files import whole
from vqa.foundation.terminal import progress_bar

SIDE = 256  # pixels at most, as ABO's small pictures
_QUALITY = 95  # of JPEG
_FEW = 64  # pictures for which starting processes does not pay
_TEXTS = {  # of a listing → of a row
    "item_name": "name",
    "color": "color",
    "material": "material",
    "pattern": "pattern",
    "item_shape": "shape",
    "product_description": "description",
}


@dataclass(frozen=True)
class Copied:
    """What became of one picture."""

    width: int = 0
    height: int = 0
    problem: str = ""


def copy_pictures(root: Path, sources: Mapping[str, Path], is_linked: bool) -> dict[str, Copied]:
    """Put each picture of `sources` (name → file) where the tree has it: upright, RGB, at most SIDE pixels.

    A copy that is there and not older than its source stays, so that a killed run goes on. With `is_linked`
    the files themselves are linked, as they are.

    Raises:
        InputError: the disk is full, or cannot be written.
    """
    work = partial(_link if is_linked else _copy, root)
    found: dict[str, Copied] = {}
    with progress_bar(len(sources), "image", "pictures") as progress:
        try:
            for name, copied in zip(sources, _in_parallel(work, sources.items()), strict=True):
                found[name] = copied
                progress.update()
        except OSError as error:
            raise InputError(
                f"{root} cannot be written ({error.strerror}); free space and run again: what is there stays"
            ) from error
    return found


def _in_parallel(work: partial[Copied], items: Iterable[tuple[str, Path]]) -> Iterator[Copied]:
    listed = list(items)
    if len(listed) < _FEW:
        yield from map(work, listed)
        return
    with ProcessPoolExecutor(os.cpu_count(), initializer=end_at_interrupt) as pool:
        yield from pool.map(work, listed, chunksize=_FEW)


def _copy(root: Path, item: tuple[str, Path]) -> Copied:
    name, source = item
    target = image_path(root, name)
    try:
        if target.is_file() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            with Image.open(target) as there:
                return Copied(*there.size)
        image = load_image(source)
    except ImageError as error:
        return Copied(problem=f"{error.reason}: {error.detail}")
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    with whole(target) as temporary:
        image.save(temporary, "JPEG", quality=_QUALITY)
    return Copied(*image.size)


def _link(root: Path, item: tuple[str, Path]) -> Copied:
    name, source = item
    target = image_path(root, name)
    try:
        size = load_image(source).size
    except ImageError as error:
        return Copied(problem=f"{error.reason}: {error.detail}")
    with whole(target) as temporary:
        temporary.symlink_to(source.resolve())
    return Copied(*size)


def write_listings(root: Path, rows: Sequence[tuple[Row, str]], sizes: Mapping[str, Copied]) -> None:
    """The tree's images.csv and listings, of rows and the names of their pictures.

    Rows with one id are one product: each names the others' pictures, which keeps them in one split.
    """
    of_product: dict[str, list[str]] = defaultdict(list)
    for row, name in rows:
        if row.cells["id"]:
            of_product[row.cells["id"]].append(name)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("image_id", "height", "width", "path"))
    for name in sorted({name for _, name in rows}):
        writer.writerow((name, sizes[name].height, sizes[name].width, f"{name[:2]}/{name}"))
    _write_packed(root / "images/metadata/images.csv.gz", table.getvalue())
    listings = [_listing(row, name, of_product[row.cells["id"]]) for row, name in rows]
    lines = (json.dumps(listing, ensure_ascii=False) + "\n" for listing in listings)
    _write_packed(root / "listings/metadata/listings_0.json.gz", "".join(lines))


def _listing(row: Row, name: str, of_product: Sequence[str]) -> dict[str, Any]:
    others = [other for other in dict.fromkeys(of_product) if other != name]
    listing: dict[str, Any] = {"item_id": row.cells["id"] or str(row.number), "main_image_id": name}
    if others:
        listing["other_image_id"] = others
    if row.cells["kind"]:
        listing["product_type"] = [{"value": _product_type(row.cells["kind"])}]
    listing |= {key: [{"value": row.cells[column]}] for key, column in _TEXTS.items() if row.cells[column]}
    return listing


def _product_type(kind: str) -> str:
    """As ABO spells it: "Home > Table lamp" is TABLE_LAMP."""
    last = re.split(r"[>/|]", kind)[-1]
    return "_".join(re.findall(r"[^\W_]+", last)).upper() or "UNKNOWN"


def _write_packed(path: Path, text: str) -> None:
    with whole(path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))  # equal text, equal bytes

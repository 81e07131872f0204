"""Rows of a spreadsheet and their images → a tree in ABO's layout, as `abo` reads it."""

import csv
import gzip
import hashlib
import io
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from vqa.catalogue.abo import image_path
from vqa.catalogue.attribute_values import is_no_text, says_nothing
from vqa.catalogue.images import ImageError, decoded
from vqa.catalogue.import_record import LISTINGS, copies_path, read_copies
from vqa.catalogue.spreadsheet import ATTRIBUTES, Row
from vqa.core.errors import InputError, end_at_interrupt
from vqa.core.files import make_own, whole
from vqa.core.known_hashes import KnownHashes
from vqa.core.progress import progress_bar

SIDE = 256  # pixels at most, as ABO's small images
_QUALITY = 95  # of JPEG
_FEW = 64  # images for which starting processes does not pay
_IMAGES = ("image", "more_images", "variant_image")
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
    """The result of copying one image."""

    width: int = 0
    height: int = 0
    problem: str = ""
    sha256: str = ""  # of the file that it was made of
    bytes: int = 0  # of the copy; 0 of a link
    status: os.stat_result | None = None  # of the file, before it was read


@dataclass(frozen=True)
class Product:
    """A row with its images in the tree."""

    row: Row
    group: int  # number of the product that it is, or is a variant of
    main: str  # "" where its first image is not there
    others: tuple[str, ...] = ()

    @property
    def images(self) -> list[str]:
        return [name for name in (self.main, *self.others) if name]


def copy_images(
    root: Path, sources: Mapping[str, Path], is_linked: bool, known: KnownHashes
) -> dict[str, Copied]:
    """Copy each image of `sources` (name → file) into the tree: upright, RGB, at most SIDE pixels a side.

    A copy of the same bytes that exists stays, so that a killed run continues. A file's time is no evidence,
    since archives and moves keep old times. With `is_linked` the files themselves are linked, as they are.

    Raises:
        InputError: the disk is full, or cannot be written.
    """
    recorded = read_copies(root)
    copies = {
        name: copied
        for name, source in sources.items()
        if (copied := _there(root, name, source, recorded.get(name), is_linked, known))
    }
    new = {name: source for name, source in sources.items() if name not in copies}
    work = partial(_link if is_linked else _copy, root)
    try:
        copies_path(root).parent.mkdir(parents=True, exist_ok=True)
        make_own(copies_path(root))
        with (
            copies_path(root).open("a", encoding="utf-8") as record,
            progress_bar(len(sources), "image", "images", len(copies)) as progress,
        ):
            for (name, source), copied in zip(new.items(), _in_parallel(work, new.items()), strict=True):
                copies[name] = copied
                if not copied.problem:
                    record.write(_recorded(name, copied, is_linked))
                    record.flush()
                if copied.status:
                    known.remember(source, copied.status, copied.sha256)
                progress.update()
        known.keep()
        _write_copies(
            root, {name: copied for name, copied in copies.items() if not copied.problem}, is_linked
        )
    except OSError as error:
        raise InputError(
            f"{root} cannot be written ({error.strerror}); free space and run again: what is there stays"
        ) from error
    return copies


def _there(
    root: Path, name: str, source: Path, entry: Mapping[str, Any] | None, is_linked: bool, known: KnownHashes
) -> Copied | None:
    """The copy that an earlier run made of the same bytes in the same way, where it is still there."""
    target = image_path(root, name)
    try:
        if entry is None or entry["is_linked"] != is_linked or target.is_symlink() != is_linked:
            return None
        is_same_target = (
            target.resolve() == source.resolve() if is_linked else target.stat().st_size == entry["bytes"]
        )
        if is_same_target and known.sha256_file(source) == entry["sha256"]:
            return Copied(entry["width"], entry["height"], "", entry["sha256"], entry["bytes"])
    except (OSError, LookupError):  # it is gone; another version's record
        return None
    return None


def _recorded(name: str, copied: Copied, is_linked: bool) -> str:
    entry = {"name": name, "sha256": copied.sha256, "width": copied.width, "height": copied.height}
    return json.dumps(entry | {"bytes": copied.bytes, "is_linked": is_linked}, ensure_ascii=False) + "\n"


def _write_copies(root: Path, copied: Mapping[str, Copied], is_linked: bool) -> None:
    """After copying: write each image's record once, in order."""
    now = {name: _recorded(name, of_one, is_linked) for name, of_one in copied.items()}
    before = {name: json.dumps(entry, ensure_ascii=False) + "\n" for name, entry in read_copies(root).items()}
    with whole(copies_path(root)) as temporary:
        temporary.write_text("".join(line for _, line in sorted((before | now).items())), encoding="utf-8")


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
    record, image = _decoded(source)
    if image is None:
        return record
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    with whole(target) as temporary:
        image.save(temporary, "JPEG", quality=_QUALITY)
        size = temporary.stat().st_size
    return Copied(*image.size, "", record.sha256, size, record.status)


def _link(root: Path, item: tuple[str, Path]) -> Copied:
    name, source = item
    target = image_path(root, name)
    record, image = _decoded(source)
    if image is None:
        return record
    with whole(target) as temporary:
        temporary.symlink_to(source.resolve())
    return Copied(*image.size, "", record.sha256, 0, record.status)


def _decoded(source: Path) -> tuple[Copied, Image.Image | None]:
    """The file's image, its hash and state; no image where it has a problem."""
    try:
        status = source.stat()
        content = source.read_bytes()
    except OSError as error:
        return Copied(problem=f"image_unreadable: {error.strerror}"), None
    try:
        return Copied(sha256=hashlib.sha256(content).hexdigest(), status=status), decoded(content)
    except ImageError as error:
        return Copied(problem=f"{error.reason}: {error.detail}"), None


def build_listings(products: Sequence[Product], unnamed: str) -> list[dict[str, Any]]:
    """A listing for each product.

    Of several rows that are one product, the first names the images of all, which keeps them in one split.
    Only the first does, so that an image is on few listings, however many rows there are. Rows that hold
    nothing but images, as in a CSV of pairs, make one listing for each image.

    Args:
        unnamed: what the ids of rows without one begin with.
    """
    of_group: dict[int, list[str]] = defaultdict(list)
    for product in products:
        of_group[product.group] += product.images
    listings = []
    plain: set[tuple[str, ...]] = set()  # images of rows that hold nothing else
    for product in products:
        if not any(cell for name, cell in product.row.cells.items() if name not in _IMAGES):
            if tuple(product.images) in plain:
                continue
            plain.add(tuple(product.images))
        others = [*product.others, *of_group.pop(product.group, [])]
        listings.append(_listing(product, list(dict.fromkeys(others)), unnamed))
    return listings


def _listing(product: Product, others: Sequence[str], unnamed: str) -> dict[str, Any]:
    cells = product.row.cells
    listing: dict[str, Any] = {"item_id": cells["id"] or f"{unnamed}:{product.row.number}"}
    if product.main:
        listing["main_image_id"] = product.main
    if further := [name for name in others if name != product.main]:
        listing["other_image_id"] = further
    if product_type := product.row.kind.product_type:
        listing["product_type"] = [{"value": product_type}]
    for key, column in _TEXTS.items():
        nothing = says_nothing if column in ATTRIBUTES else is_no_text
        if cells[column] and not nothing(cells[column]):
            listing[key] = [{"value": cells[column]}]
    return listing


def write_listings(root: Path, file_name: str, listings: Sequence[Mapping[str, Any]]) -> None:
    lines = (json.dumps(listing, ensure_ascii=False) + "\n" for listing in listings)
    _write_packed(root / LISTINGS / file_name, "".join(lines))


def write_images(root: Path, names: Iterable[str]) -> None:
    """Write images.csv for those of these images that were copied."""
    copies = read_copies(root)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("image_id", "height", "width", "path"))
    for name in sorted(set(names) & copies.keys()):
        writer.writerow((name, copies[name]["height"], copies[name]["width"], f"{name[:2]}/{name}"))
    _write_packed(root / "images/metadata/images.csv.gz", table.getvalue())


def _write_packed(path: Path, text: str) -> None:
    with whole(path) as temporary:
        temporary.write_bytes(
            gzip.compress(text.encode("utf-8"), mtime=0)
        )  # so that equal text gives equal bytes

"""Make a catalogue of your images and a spreadsheet.

    python src import products.csv --images FOLDER --out data/mine
    python src import artikel.csv --images FOLDER --out data/mine --column image=Foto kind=Art

In: a CSV (commas, semicolons or tabs) with a row a product, a variant or an image of one, and a folder of
its images, flat or nested. Columns are found by name and trusted for their values: image (several in a
cell are one product's, the first its main one), group, id, name, kind, color, material, pattern, shape,
description; only the image's must be there. Rows of one group or id stay in one split. Out: a tree in ABO's
layout, with copies of at most 256 pixels; in it left_out.csv, what is not used and why, and names.csv, which
file became which image. Killed or with more rows, the next run goes on; another spreadsheet adds to it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from vqa.catalogue.image_folder import ImageFolder, Named
from vqa.catalogue.images import problem_of_name
from vqa.catalogue.import_record import ImportRecord, NamedFile, key_of
from vqa.catalogue.import_report import report
from vqa.catalogue.product_groups import completed_rows, grouped_rows, without_disputes
from vqa.catalogue.spreadsheet import Row, read_spreadsheet
from vqa.catalogue.tree_writer import (
    Copied,
    Product,
    build_listings,
    copy_images,
    write_images,
    write_listings,
)
from vqa.core.cli import command_line
from vqa.core.csv_tables import read_rows, write_rows
from vqa.core.errors import InputError
from vqa.core.known_hashes import KnownHashes

_COLUMNS = ("spreadsheet", "row", "image", "reason")
LeftOut = list[dict[str, str]]  # rows of left_out.csv


def run(
    products: Annotated[Path, typer.Argument(metavar="CSV")],
    images: Annotated[Path, typer.Option(metavar="FOLDER", help="that holds the images")],
    out: Annotated[Path, typer.Option(metavar="FOLDER")],
    column: Annotated[
        list[str] | None, typer.Option(metavar="WHAT=NAME", help="where a column is called otherwise")
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="link the images as they are; copy none")] = False,
) -> None:
    named = _named(column or [])
    record, key, images_key = ImportRecord.read(out), key_of(products), key_of(images)
    folder = ImageFolder(images)
    spreadsheet = read_spreadsheet(products, named, folder)
    groups = grouped_rows(spreadsheet.rows, "group" in named)
    rows, group_of = completed_rows(spreadsheet.rows, groups.of_row)
    left_out: LeftOut = [{"row": "", "image": "", "reason": problem} for problem in spreadsheet.unreadable]
    image_names, sources = _images_of(rows, folder, link, left_out)
    image_hashes = KnownHashes("pictures")
    record.check_images(key, images_key, sources, image_hashes.sha256_file)
    copied = copy_images(out, sources, link, image_hashes)
    image_names = _readable(rows, image_names, copied, left_out)
    _write_left_out(out, key, left_out)
    if not any(image_names):
        raise InputError(f"{products}: no row has an image that is usable; {out / 'left_out.csv'} says why")
    rows, disputes = without_disputes(rows, [names[0] if names else "" for names in image_names])
    usable = [
        Product(row, group, names[0], tuple(names[1:]))
        for row, group, names in zip(rows, group_of, image_names, strict=True)
        if names
    ]
    listings = build_listings(usable, key)
    record.check_listings(key, listings)
    write_listings(out, record.build_listings(key), listings)
    record.add(key, images_key, _files(usable, sources, images, key))
    write_images(out, (named.image_name for named in record.files))
    record.write()
    print(*report(spreadsheet, groups, usable, disputes, record, folder), sep="\n")
    is_of_pairs = spreadsheet.is_of_pairs
    _tell_next(out, left_out, f"csv -S generate.csv={products}" if is_of_pairs else "metadata")


def _named(options: list[str]) -> dict[str, str]:
    named = {}
    for option in options:
        what, is_said, name = option.partition("=")
        if not is_said or not name:
            raise InputError(f"--column {option} says no column; write it as --column color=Farbe")
        named[what.strip()] = name.strip()
    return named


def _images_of(
    rows: Sequence[Row], folder: ImageFolder, is_linked: bool, left_out: LeftOut
) -> tuple[list[list[str]], dict[str, Path]]:
    """Image names of each row, the main one first, "" in its place where it is not there; and their files."""
    named = [
        [
            *(folder.images_in(row.image) or [Named(row.image, None, "the row names no image")]),
            *folder.images_in(row.cells["more_images"]),
        ]
        for row in rows
    ]
    unsure = _meant_twice(image for of_row in named for image in of_row)
    image_names: list[list[str]] = []
    sources: dict[str, Path] = {}
    for row, images in zip(rows, named, strict=True):
        names: list[str] = []
        for image in images:
            name, problem = _image_name(image, folder, is_linked, sources)
            problem = problem or (unsure.get(image.path, "") if image.path and image.elsewhere else "")
            if problem:
                left_out.append({"row": str(row.number), "image": image.text, "reason": problem})
            names.append("" if problem else name)
        image_names.append(
            [names[0], *dict.fromkeys(name for name in names[1:] if name and name != names[0])]
        )
    return image_names, {name: path for name, path in sources.items() if path not in unsure}


def _meant_twice(images: Iterable[Named]) -> dict[Path, str]:
    """Files that several absolute paths or URLs could mean, with the reason to use them for none."""
    of_file: dict[Path, list[str]] = defaultdict(list)
    for image in images:
        if image.path and image.elsewhere not in ("", *of_file[image.path]):
            of_file[image.path].append(image.elsewhere)
    return {
        path: f"it could be the file of {places[0]} or of {places[1]}; keep images in folders of these names"
        for path, places in of_file.items()
        if len(places) > 1
    }


def _image_name(
    image: Named, folder: ImageFolder, is_linked: bool, sources: dict[str, Path]
) -> tuple[str, str]:
    """What an image is called in the tree, and the problem with that; `sources` gains its file."""
    if image.path is None:
        return "", image.problem
    name = folder.name_of(image.path)
    name = name if is_linked else Path(name).stem + ".jpg"
    if problem := problem_of_name(name):
        return "", problem
    if sources.setdefault(name, image.path) != image.path:
        return "", f"{sources[name]} has the same name but for its ending"
    return name, ""


def _readable(
    rows: Sequence[Row], image_names: Sequence[list[str]], copied: Mapping[str, Copied], left_out: LeftOut
) -> list[list[str]]:
    """Images of each row that could be copied, "" for a main one that could not; [] where none could."""
    readable = []
    for row, names in zip(rows, image_names, strict=True):
        for name in names:
            if name and copied[name].problem:
                left_out.append(
                    {"row": str(row.number), "image": row.image or name, "reason": copied[name].problem}
                )
        fine = [name for name in names[1:] if not copied[name].problem]
        main = "" if not names[0] or copied[names[0]].problem else names[0]
        readable.append([main, *fine] if main or fine else [])
    return readable


def _files(
    kept: Sequence[Product], sources: Mapping[str, Path], images: Path, key: str
) -> Iterable[NamedFile]:
    ids: dict[str, dict[str, None]] = defaultdict(dict)
    for product in kept:
        for name in product.images:
            ids[name].update({product.row.cells["id"]: None} if product.row.cells["id"] else {})
    for name in sorted(ids):
        yield NamedFile(key, sources[name].relative_to(images).as_posix(), name, " ".join(ids[name]))


def _write_left_out(out: Path, key: str, left_out: LeftOut) -> None:
    """In place of what an earlier run wrote of this spreadsheet, beside what one wrote of others."""
    path = out / "left_out.csv"
    before = read_rows(path, ("row", "reason")) if path.is_file() else []
    others = [
        {"image": row.get("picture", "")} | {name: row[name] for name in _COLUMNS if name in row}
        for row in before  # of an earlier version with the column picture
        if row.get("spreadsheet", key) != key
    ]
    write_rows(path, _COLUMNS, [*others, *({"spreadsheet": key} | row for row in left_out)])


def _tell_next(out: Path, left_out: LeftOut, annotator: str) -> None:
    if left_out:
        commonest = Counter(row["reason"].partition(":")[0] for row in left_out).most_common(3)
        reasons = "; ".join(f"{count} × {reason}" for reason, count in commonest)
        print(f"{len(left_out)} rows are left out ({reasons}): see {out / 'left_out.csv'}")
    print(f"next (docs/catalogue.md): dvc add {out} && git add {out}.dvc {out.parent}/.gitignore")
    print('git commit -m "My images"')
    print("python src switch photos")
    print(f"dvc exp run -S data.root={out} -S generate.annotator={annotator}")


app = command_line(__doc__, run)

"""Make what the pipeline reads of your pictures and a spreadsheet.

    python src import products.csv --images FOLDER --out data/mine
    python src import artikel.csv --images FOLDER --out data/mine --column picture=Foto kind=Art

In: a CSV (commas, semicolons or tabs) with a row a product, and a folder of its pictures, flat or nested.
Columns are found by name: picture, id, name, kind, color, material, pattern, shape, description; only the
picture's must be there. Rows with one id are pictures of one product and stay in one split. Out: a tree in
ABO's layout, with copies of at most 256 pixels, and in it left_out.csv: which rows are not used, and why.
Killed or with more rows, the next run goes on.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from vqa.catalogue.picture_folder import PictureFolder
from vqa.catalogue.pictures import problem_of_name
from vqa.catalogue.spreadsheet import Row, read_spreadsheet
from vqa.catalogue.tree_writer import copy_pictures, write_listings
from vqa.foundation.command_line import command_line
from vqa.foundation.csv_tables import write_rows
from vqa.foundation.errors import InputError

_COLUMNS = ("row", "picture", "reason")


def run(
    products: Annotated[Path, typer.Argument(metavar="CSV")],
    images: Annotated[Path, typer.Option(metavar="FOLDER", help="that holds the pictures")],
    out: Annotated[Path, typer.Option(metavar="FOLDER")],
    column: Annotated[
        list[str] | None, typer.Option(metavar="WHAT=NAME", help="where a column is called otherwise")
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="link the pictures as they are; copy none")] = False,
) -> None:
    spreadsheet = read_spreadsheet(products, _named(column or []))
    folder = PictureFolder(images)
    left_out = [{"row": "", "picture": "", "reason": problem} for problem in spreadsheet.unreadable]
    found: list[tuple[Row, str]] = []
    sources: dict[str, Path] = {}
    for row in spreadsheet.rows:
        path, reason = folder.path_of(row.picture)
        if path is None:
            left_out.append(_left_out(row, reason))
            continue
        name = folder.name_of(path) if link else Path(folder.name_of(path)).stem + ".jpg"
        reason = problem_of_name(name)
        if sources.setdefault(name, path) != path:
            reason = f"{sources[name]} has the same name but for its ending"
        if reason:
            left_out.append(_left_out(row, reason))
        else:
            found.append((row, name))
    copied = copy_pictures(out, sources, link)
    left_out += [_left_out(row, copied[name].problem) for row, name in found if copied[name].problem]
    kept = [(row, name) for row, name in found if not copied[name].problem]
    write_rows(out / "left_out.csv", _COLUMNS, left_out)
    if not kept:
        raise InputError(f"{products}: no row has a picture that is usable; {out / 'left_out.csv'} says why")
    write_listings(out, kept, copied)
    _tell(spreadsheet.columns, kept, left_out, len(folder), out)


def _named(options: list[str]) -> dict[str, str]:
    named = {}
    for option in options:
        what, is_said, name = option.partition("=")
        if not is_said or not name:
            raise InputError(f"--column {option} says no column; write it as --column color=Farbe")
        named[what.strip()] = name.strip()
    return named


def _left_out(row: Row, reason: str) -> dict[str, str]:
    return {"row": str(row.number), "picture": row.picture, "reason": reason}


def _tell(
    columns: dict[str, str],
    kept: list[tuple[Row, str]],
    left_out: list[dict[str, str]],
    pictures: int,
    out: Path,
) -> None:
    read = ", ".join(f"{what} from {name!r}" if what != name else what for what, name in columns.items())
    print(f"read {read}")
    names = {name for _, name in kept}
    print(f"{len(kept)} products with {len(names)} of {pictures} pictures are in {out}")
    if left_out:
        commonest = Counter(row["reason"].partition(":")[0] for row in left_out).most_common(3)
        reasons = "; ".join(f"{count} × {reason}" for reason, count in commonest)
        print(f"{len(left_out)} rows are left out ({reasons}): see {out / 'left_out.csv'}")
    print(f"next (docs/catalogue.md): dvc add {out} && git add {out}.dvc {out.parent}/.gitignore")
    print('git commit -m "My pictures"')
    print("python src switch photos")
    print(f"dvc exp run -S data.root={out} -S generate.annotator=metadata")


app = command_line(__doc__, run)

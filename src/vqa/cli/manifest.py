"""Let a small file stand for a tree of images, in data.root.

    python src manifest data/abo                    # writes data/abo.yaml
    python src manifest /disk/abo --out data/abo.yaml --licence abo

In: the tree, of which every file is read once (a minute for all of ABO). Out: a file for git. DVC then looks
at it instead of at 398,212 files, and no experiment copies them. Run it again when the tree changed.
"""

from pathlib import Path
from typing import Annotated

import typer

from vqa.catalogue import manifest
from vqa.core.cli import command_line
from vqa.core.files import whole_file


def run(
    root: Annotated[Path, typer.Argument(metavar="FOLDER")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="by default data/NAME.yaml")] = None,
    licence: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="of its images, as data.licence; else what FILE said before"),
    ] = None,
) -> None:
    path = out or Path("data") / f"{root.resolve().name}.yaml"
    text = manifest.text_of(root, licence or manifest.licence_in(path))
    with whole_file(path) as file:
        file.write(text)
    print(f"{path} stands for {root}: set data.root to it and commit it")


app = command_line(__doc__, run)

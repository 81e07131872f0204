"""Let a small file stand for a tree of pictures, in data.root.

    python src stamp data/abo                    # writes data/abo.yaml
    python src stamp /disk/abo --out data/abo.yaml

In: the tree, of which every file is read once (a minute for all of ABO). Out: a file for git. DVC then looks
at it instead of at 398,212 files, and no experiment copies them. Run it again when the tree changed.
"""

from pathlib import Path
from typing import Annotated

import typer

from vqa.catalogue import stamp
from vqa.foundation.command_line import command_line
from vqa.foundation.files import whole_file


def run(
    root: Annotated[Path, typer.Argument(metavar="FOLDER")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="by default data/NAME.yaml")] = None,
) -> None:
    path = out or Path("data") / f"{root.resolve().name}.yaml"
    text = stamp.text_of(root)
    with whole_file(path) as file:
        file.write(text)
    print(f"{path} stands for {root}: set data.root to it and commit it")


app = command_line(__doc__, run)

"""An output folder replaces what an earlier run wrote there, and nothing else."""

from collections.abc import Collection
from pathlib import Path

from vqa.core.errors import InputError


def check_replaceable(folder: Path, names: Collection[str]) -> None:
    """Check that replacing `folder` loses nothing: it does not exist, or holds nothing but `names`.

    Raises:
        InputError: it holds something else, or is a file.
    """
    if folder.is_dir():
        others = sorted(path.name for path in folder.iterdir() if path.name not in names)
    else:
        others = [folder.name] if folder.exists() else []
    if others:
        raise InputError(
            f"{folder} holds {others[0]}, which would be lost; give a folder of its own: --out FOLDER"
        )

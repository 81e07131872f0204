"""A folder of pictures, flat or nested → the file that a spreadsheet's cell means."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from vqa.catalogue.pictures import ENDINGS
from vqa.foundation.errors import InputError


class PictureFolder:
    """Finds pictures by path, by file name or by file name without ending; case does not count.

    Raises:
        InputError: there is no such folder, or no picture in it.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError(f"{root} is no folder; name the one that holds the pictures")
        self._root = root
        self._paths = _pictures_below(root)
        if not self._paths:
            raise InputError(f"{root} holds no picture; pictures end in {' '.join(sorted(ENDINGS))}")
        self._by_key: dict[str, list[str]] = defaultdict(list)
        for path in self._paths:
            name = path.rsplit("/", 1)[-1]
            for key in {path, name, path.rpartition(".")[0], name.rpartition(".")[0]}:
                self._by_key[key.casefold()].append(path)

    def path_of(self, cell: str) -> tuple[Path | None, str]:
        """The picture that `cell` means; or None, and why not.

        The longest end of a path that is known decides: of shop/red/1.jpg the whole, or red/1.jpg, or 1.jpg.
        """
        parts = [part for part in cell.strip().replace("\\", "/").split("/") if part not in ("", ".")]
        for start in range(len(parts)):
            found = self._by_key.get("/".join(parts[start:]).casefold(), [])
            if len(found) == 1:
                return self._root / found[0], ""
            if found:
                return None, f"{len(found)} pictures are called so: {', '.join(found[:3])}"
        return None, "no picture is called so" if parts else "the row names no picture"

    def name_of(self, path: Path) -> str:
        """What a picture is called where all lie in one folder: as its file, or else by its path."""
        inside = path.relative_to(self._root).as_posix()
        is_alone = len(self._by_key[path.name.casefold()]) == 1
        return path.name if is_alone else inside.replace("/", "-")

    def __len__(self) -> int:
        return len(self._paths)


def _pictures_below(root: Path) -> Sequence[str]:
    """Paths below `root`, in order; hidden files and folders are none."""
    found = []
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in ENDINGS:
                found.append(Path(folder, name).relative_to(root).as_posix())
    return sorted(found)

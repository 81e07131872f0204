"""Dataset manifest: a small file that stands for a tree of images, so that DVC checks one file, not 398,212.

data.root may name it in the tree's place. It holds the path of the tree and, for each part, the number of
files and bytes and one SHA-256 over names and contents.

Where the evaluated images come from, and their licence.

`data.licence` says it, or else the manifest of the tree (python src manifest). Nothing is guessed.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from vqa.core.errors import InputError
from vqa.core.known_hashes import KnownHashes
from vqa.core.progress import progress_bar
from vqa.core.state_dir import project_root
from vqa.settings import Data

_DEPTH = 2  # folders that name a part: images/small


@dataclass(frozen=True)
class Part:
    """What one part of a tree holds."""

    files: int
    bytes: int
    sha256: str


def text_of(root: Path, licence: str | None = None) -> str:
    """The manifest of the tree at `root`. Every file is read once, and again if it has changed.

    `licence`: of its images, as in data.licence.

    Raises:
        InputError: there is no such folder, or nothing in it.
    """
    parts = {name: asdict(part) for name, part in _parts_of(root).items()}
    if not parts:
        raise InputError(f"{root} holds no file to stand for; give a folder of images, such as data/abo")
    head = (
        f"# Stands for the tree where data.root names this file. After a change: python src manifest {root}\n"
    )
    written = StringIO()
    licence_entry = {"licence": licence} if licence else {}
    YAML().dump({"root": root.as_posix(), **licence_entry, "parts": parts}, written)
    return head + written.getvalue()


def read_tree(root: Path) -> Path:
    """The folder that `root`, as params.yaml names it, is or stands for.

    Where DVC runs an experiment in a copy of the project, a manifest still means the tree of the project
    itself: the copy has no tree, or only the part that git keeps.

    Raises:
        InputError: `root` is a file that stands for nothing.
    """
    if not root.is_file():
        return root
    here, tree = Path.cwd(), Path(_read(root)[0])
    project = project_root(here)
    return tree if project == here else project / tree


def tree_at_hand(root: Path) -> Path:
    """As `read_tree`, of a folder that is there.

    Raises:
        InputError: it is not; or as `read_tree`.
    """
    tree = read_tree(root)
    if not tree.is_dir():
        stands = "" if tree == root else f", which stands for {str(tree)!r}"
        raise InputError(f"params.yaml: data.root is {str(root)!r}{stands}, but there is no such folder")
    return tree


def licence_in(root: Path) -> str | None:
    """The licence of the images, as the manifest `root` states it; None for a folder, or if it states none.

    Raises:
        InputError: as `read_tree`.
    """
    return _content(root).get("licence") if root.is_file() else None


def unchanged_tree(root: Path) -> Path:
    """As `read_tree`, after checking that the tree still is what the manifest says.

    Raises:
        InputError: they are not; it names the first part that differs.
    """
    tree = read_tree(root)
    if tree == root:
        return root
    stood_for, parts = _read(root)[1], _parts_of(tree)
    for name in sorted(stood_for.keys() | parts.keys()):
        if stood_for.get(name) != parts.get(name):
            here, there = _described(stood_for.get(name)), _described(parts.get(name))
            raise InputError(
                f"{root} stands for {here} in {name}, but {tree} has {there} there; restore them, or run "
                f"python src manifest {tree} --out {root}"
            )
    return tree


def _described(part: Part | None) -> str:
    return f"{part.files:,} files ({part.bytes:,} bytes, {part.sha256[:8]})" if part else "nothing"


def _read(stamp: Path) -> tuple[str, dict[str, Part]]:
    content = _content(stamp)
    try:
        return str(content["root"]), {name: Part(**part) for name, part in content["parts"].items()}
    except (LookupError, TypeError, AttributeError) as error:
        raise _stands_for_nothing(stamp) from error


def _content(stamp: Path) -> dict[str, Any]:
    try:
        content = YAML(typ="safe").load(stamp.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise _stands_for_nothing(stamp) from error
    if not isinstance(content, dict):
        raise _stands_for_nothing(stamp)
    return content


def _stands_for_nothing(stamp: Path) -> InputError:
    return InputError(
        f"params.yaml: data.root is {str(stamp)!r}, which stands for no tree; name a folder, or a file "
        "that python src manifest wrote"
    )


def _parts_of(root: Path) -> dict[str, Part]:
    if not root.is_dir():
        raise InputError(f"{root} is no folder; name the one that holds the images")
    by_part: dict[str, list[Path]] = defaultdict(list)
    for path in _files(root):
        by_part["/".join(path.relative_to(root).parts[:_DEPTH])].append(path)
    read = KnownHashes("pictures")
    parts = {}
    with progress_bar(sum(map(len, by_part.values())), "file", str(root)) as progress:
        for name, paths in sorted(by_part.items()):
            whole, size = hashlib.sha256(), 0
            for path in sorted(paths):
                whole.update(f"{path.relative_to(root).as_posix()}\0{read.sha256_file(path)}\n".encode())
                size += path.stat().st_size
                progress.update()
            parts[name] = Part(len(paths), size, whole.hexdigest())
    read.keep()
    return parts


def _files(root: Path) -> Iterator[Path]:
    """Every file but DVC's and git's own."""
    for folder, _, names in os.walk(root, followlinks=True):
        for name in names:
            if not name.startswith(".") and not name.endswith(".dvc"):
                yield Path(folder, name)


DRAWN = Path("data/demo")  # by the stage demo
ABO = "abo"  # of data.licence: Amazon Berkeley Objects
_OF_ABO, _OF_DRAWN = "cc-by-4.0", "apache-2.0"  # in the hub's spelling


def is_drawn(data: Data) -> bool:
    """Whether the repository drew the images itself."""
    return read_tree(data.root).resolve() == DRAWN.resolve()


def is_abo(data: Data) -> bool:
    """Whether the images are Amazon Berkeley Objects', by their licence setting or manifest."""
    return _said_of(data) == ABO and not is_drawn(data)


def images_licence(data: Data) -> str | None:
    """The licence of the images in the hub's spelling; None where it is not given."""
    if is_drawn(data):
        return _OF_DRAWN
    licence = _said_of(data)
    return _OF_ABO if licence == ABO else licence


def _said_of(data: Data) -> str | None:
    return data.licence or licence_in(data.root)

"""A small file that stands for a tree of pictures, so that DVC looks at one file and not at 398,212.

data.root may name it in the tree's place. It holds the tree's folder and, of each part, how many files and
bytes there are and one SHA-256 over their names and contents.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from vqa.foundation.durable import project_of
from vqa.foundation.errors import InputError
from vqa.foundation.known_hashes import KnownHashes
from vqa.foundation.terminal import progress_bar

_DEPTH = 2  # folders that name a part: images/small


@dataclass(frozen=True)
class Part:
    """What one part of a tree holds."""

    files: int
    bytes: int
    sha256: str


def text_of(root: Path) -> str:
    """What stands for the tree at `root`: every file is read once, and again where it changed.

    Raises:
        InputError: there is no such folder, or nothing in it.
    """
    parts = {name: asdict(part) for name, part in _parts_of(root).items()}
    if not parts:
        raise InputError(f"{root} holds no file to stand for; give a folder of pictures, such as data/abo")
    head = f"# Stands for the tree where data.root names this file. After a change: python src stamp {root}\n"
    written = StringIO()
    YAML().dump({"root": root.as_posix(), "parts": parts}, written)
    return head + written.getvalue()


def tree_of(root: Path) -> Path:
    """The folder that `root`, as params.yaml names it, is or stands for.

    What a file stands for is the project's own tree also where DVC runs an experiment in a copy of the
    project: the copy has none, or the part that git keeps.

    Raises:
        InputError: `root` is a file that stands for nothing.
    """
    if not root.is_file():
        return root
    here, tree = Path.cwd(), Path(_read(root)[0])
    project = project_of(here)
    return tree if project == here else project / tree


def unchanged_tree(root: Path) -> Path:
    """As `tree_of`, once its files are those that a file stands for.

    Raises:
        InputError: they are not; it names the first part that differs.
    """
    tree = tree_of(root)
    if tree == root:
        return root
    stood_for, found = _read(root)[1], _parts_of(tree)
    for name in sorted(stood_for.keys() | found.keys()):
        if stood_for.get(name) != found.get(name):
            here, there = _described(stood_for.get(name)), _described(found.get(name))
            raise InputError(
                f"{root} stands for {here} in {name}, but {tree} has {there} there; restore them, or run "
                f"python src stamp {tree} --out {root}"
            )
    return tree


def _described(part: Part | None) -> str:
    return f"{part.files:,} files ({part.bytes:,} bytes, {part.sha256[:8]})" if part else "nothing"


def _read(stamp: Path) -> tuple[str, dict[str, Part]]:
    try:
        content = YAML(typ="safe").load(stamp.read_text(encoding="utf-8"))
        return str(content["root"]), {name: Part(**part) for name, part in content["parts"].items()}
    except (YAMLError, UnicodeDecodeError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"params.yaml: data.root is {str(stamp)!r}, which stands for no tree; name a folder, or a file "
            "that python src stamp wrote"
        ) from error


def _parts_of(root: Path) -> dict[str, Part]:
    if not root.is_dir():
        raise InputError(f"{root} is no folder; name the one that holds the pictures")
    by_part: dict[str, list[Path]] = defaultdict(list)
    for path in _files(root):
        by_part["/".join(path.relative_to(root).parts[:_DEPTH])].append(path)
    read = KnownHashes("pictures")
    parts = {}
    with progress_bar(sum(map(len, by_part.values())), "file", str(root)) as progress:
        for name, paths in sorted(by_part.items()):
            whole, size = hashlib.sha256(), 0
            for path in sorted(paths):
                whole.update(f"{path.relative_to(root).as_posix()}\0{read.sha256_of(path)}\n".encode())
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

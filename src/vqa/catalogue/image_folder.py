"""A folder of images, flat or nested → the files that a spreadsheet's cell means."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from vqa.catalogue.images import ENDINGS
from vqa.core.errors import InputError

_SEPARATOR = re.compile(r"(\s*[,;|\n]\s*)")
_MOST_JOINED = 8  # pieces of a cell that one file name or URL may have been split into
_URL = re.compile(r"(?:https?|ftp|s3|gs):/*", re.IGNORECASE)
_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")
_FEW = 3  # examples in a sentence


@dataclass(frozen=True)
class Named:
    """An image that a cell names: its file, or why there is none."""

    text: str  # as the cell has it
    path: Path | None
    problem: str = ""
    elsewhere: str = ""  # the rest of an absolute path or URL, of which only the end is compared


class ImageFolder:
    """Finds images by path, by file name or by file name without ending; case does not count.

    Raises:
        InputError: there is no such folder, or no image in it.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError(f"{root} is no folder; name the one that holds the images")
        self._root = root
        files = sorted(_files_below(root))
        self._paths = [path for path in files if is_image(path)]
        self.unread = unread_files(files)
        if not self._paths:
            unread = f"; {self.unread}" if self.unread else ""
            raise InputError(f"{root} holds no image; images end in {' '.join(sorted(ENDINGS))}{unread}")
        self._by_name = _by_name(self._paths)
        self._others = _by_name([path for path in files if not is_image(path)])
        self._above = parts_of_path(root.resolve().as_posix())

    def images_in(self, cell: str) -> list[Named]:
        """The images that `cell` names, in order: separated by commas, semicolons, bars or line ends.

        A name or URL that holds a separator counts as one if that file exists. A path matches only an image
        whose path ends in all of it. An absolute path or a URL, which begins elsewhere, must end in the
        image's whole path below the folder.
        """
        pieces = _SEPARATOR.split(cell.strip())
        named, at = [], 0
        while at < len(pieces):
            furthest = min(len(pieces), at + 2 * _MOST_JOINED - 1)
            end = next((end for end in range(furthest, at, -2) if self._is_one(pieces[at:end])), at + 1)
            text = "".join(pieces[at:end])
            if text.strip():
                named.append(self._named(text))
            at = end + 1
        return named

    def _is_one(self, pieces: Sequence[str]) -> bool:
        """Whether pieces, with the separators between them, are the name of one image."""
        if self._found("".join(pieces))[0] is None:
            return False
        is_file_name = not any("/" in piece or "\\" in piece for piece in pieces[1:])
        return is_file_name or not any(self._looks_whole(piece) for piece in pieces[:-1:2])

    def _looks_whole(self, piece: str) -> bool:
        """Whether a piece names an image by itself, even one that does not exist."""
        return is_image(without_query(piece)) or self._found(piece)[0] is not None

    def _named(self, text: str) -> Named:
        path, problem = self._found(text)
        if path is None:
            return Named(text, None, problem)
        folders = parts_of_path(without_query(text))[:-1] if _is_absolute(text) else []
        is_ours = folders == [*self._above, *parts_of_path(path)[:-1]]
        return Named(text, self._root / path, "", "" if is_ours else "/".join(folders))

    def _found(self, cell: str) -> tuple[str | None, str]:
        """The path below the folder, or why there is none."""
        problem = ""
        for text in dict.fromkeys((cell.strip(), without_query(cell))):
            parts = parts_of_path(text)
            if not parts:
                return None, "the row names no image"
            candidates = self._by_name.get(parts[-1], [])
            fitting = [path for path in candidates if self._fits(parts, path, _is_absolute(text))]
            exact = [path for path in fitting if _folded(path) == "/".join(parts)]
            if len(exact or fitting) == 1:
                return (exact or fitting)[0], ""
            if fitting:
                return None, f"{len(fitting)} images are called so: {', '.join(fitting[:_FEW])}"
            problem = self._why_not(parts[-1], candidates)
        return None, problem

    def _fits(self, parts: Sequence[str], path: str, is_absolute: bool) -> bool:
        """Whether a path of these `parts` means the image at `path`, whose last part it has."""
        folders, inside = list(parts[:-1]), parts_of_path(path)[:-1]
        return _ends_with([*self._above, *inside], folders) or (is_absolute and _ends_with(folders, inside))

    def _why_not(self, name: str, candidates: Sequence[str]) -> str:
        others = self._others.get(name) or self._others.get(name.rpartition(".")[0])
        if others:
            return f"{others[0]} is there, but no file of that ending is decoded; save it as JPEG or PNG"
        if candidates:
            return f"no image's path ends in all of this; there is {', '.join(candidates[:_FEW])}"
        return "no image is called so"

    def name_of(self, path: Path) -> str:
        """An image's name in a flat folder: its file name if that is unique, else its path with dashes."""
        inside = path.relative_to(self._root).as_posix()
        is_alone = len(self._by_name[_folded(path.name)]) == 1
        return path.name if is_alone else inside.replace("/", "-")

    def __len__(self) -> int:
        return len(self._paths)


def is_image(path: str) -> bool:
    """Whether a file's ending is one of those that are decoded."""
    return Path(path).suffix.lower() in ENDINGS


def unread_files(paths: Iterable[str]) -> str:
    """A clause on files that are no images, counted by ending; "" if there are none."""
    of_ending: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        if not is_image(path):
            of_ending[Path(path).suffix.lower() or "no ending"].append(path)
    if not of_ending:
        return ""
    counts = Counter({ending: len(files) for ending, files in of_ending.items()}).most_common()
    named = ", ".join(f"{count} × {ending} ({of_ending[ending][0]})" for ending, count in counts)
    return f"{sum(map(len, of_ending.values()))} files are not read: {named}"


def _files_below(root: Path) -> Iterator[str]:
    """Paths of files below `root`, without hidden files and folders."""
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()


def _by_name(paths: Iterable[str]) -> dict[str, list[str]]:
    """File names with and without ending, folded → paths."""
    paths_by_name: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        name = _folded(path.rsplit("/", 1)[-1])
        for key in {name, name.rpartition(".")[0]} - {""}:
            paths_by_name[key].append(path)
    return paths_by_name


def _folded(text: str) -> str:
    """The form in which paths are compared: accents composed, case folded."""
    return unicodedata.normalize("NFC", text).casefold()


def _is_absolute(text: str) -> bool:
    return bool(_URL.match(text) or _ABSOLUTE.match(text.strip().replace("\\", "/")))


def without_query(cell: str) -> str:
    """The cell without what follows the file: "?v=1577", and in a URL "#top", with %20 as a blank."""
    text = cell.strip()
    if _URL.match(text):
        return unquote(re.split(r"[?#]", text)[0])
    return text.split("?")[0]


def parts_of_path(text: str) -> list[str]:
    """The folders and the file of a path or URL, folded; a URL's host is left out: shops use several."""
    named = _URL.sub("", _folded(text.strip()).replace("\\", "/"))
    parts = [part for part in named.split("/") if part not in ("", ".")]
    return parts[1:] if _URL.match(text.strip()) else parts


def _ends_with(path: Sequence[str], end: Sequence[str]) -> bool:
    return len(end) <= len(path) and list(path[len(path) - len(end) :]) == list(end)

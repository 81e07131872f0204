"""The record of `python src import`: its spreadsheets, and which file became which image of the tree.

imported.json                    each spreadsheet, its listings file and the folder of its images
names.csv                        spreadsheet,file,image_name,ids
images/metadata/copies.jsonl     of each image the file's SHA-256, so that the next run copies what changed
"""

import gzip
import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqa.catalogue.image_folder import parts_of_path, without_query
from vqa.core.csv_tables import read_rows, write_rows
from vqa.core.errors import InputError
from vqa.core.files import read_object, write_json
from vqa.core.jsonl import whole_values
from vqa.pairs.pair import parse_image_name

_RECORD, _NAMES, _COPIES = "imported.json", "names.csv", "images/metadata/copies.jsonl"
LISTINGS = "listings/metadata"
_COLUMNS = ("spreadsheet", "file", "image_name", "ids")
_STATED = ("item_name", "product_type", "color", "material", "pattern", "item_shape")


@dataclass(frozen=True)
class NamedFile:
    """A file of a spreadsheet's folder and what it is called in the tree."""

    spreadsheet: str
    file: str  # below the folder
    image_name: str
    ids: str  # of every product that names it, separated by blanks


@dataclass
class ImportRecord:
    """The spreadsheets of one tree."""

    root: Path
    spreadsheets: dict[str, dict[str, str]] = field(default_factory=dict)  # key → {"listings", "images"}
    files: list[NamedFile] = field(default_factory=list)

    @classmethod
    def read(cls, root: Path) -> "ImportRecord":
        """What is recorded; nothing where the tree is new.

        Raises:
            InputError: the tree holds listings that no import recorded, which must not be lost.
        """
        path = root / _RECORD
        if not path.is_file():
            if any((root / "listings").rglob("listings_*.json*")):
                raise InputError(
                    f"{root} holds listings that no import is recorded for; give another --out, or remove "
                    f"{root / 'listings'} to import afresh"
                )
            return cls(root)
        try:
            spreadsheets = {
                key: {"listings": str(of_one["listings"]), "images": str(of_one["images"])}
                for key, of_one in read_object(path)["spreadsheets"].items()
            }
        except (LookupError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is no record of imports; remove it and {root / 'listings'}") from error
        return cls(root, spreadsheets, read_names(root))

    def build_listings(self, key: str) -> str:
        """The name of a spreadsheet's listings file: its own, or one that no other has."""
        taken = {of_one["listings"] for of_one in self.spreadsheets.values()}
        names = (f"listings_{number}.json.gz" for number in range(len(taken) + 1))
        mine = self.spreadsheets.get(key)
        return mine["listings"] if mine else next(name for name in names if name not in taken)

    def check_images(
        self, key: str, images: str, sources: Mapping[str, Path], sha256_file: Callable[[Path], str]
    ) -> None:
        """Check that no image of another spreadsheet would be replaced by another file.

        Args:
            images: which folder the images are in (`key_of`).
            sources: image name → file.

        Raises:
            InputError: one would.
        """
        copies = read_copies(self.root)
        for named in self.files:
            if named.spreadsheet == key or named.image_name not in sources:
                continue
            is_same_folder = self.spreadsheets.get(named.spreadsheet, {}).get("images") == images
            source, copy = sources[named.image_name], copies.get(named.image_name)
            is_same_file = is_same_folder and source.as_posix().endswith(named.file)
            if not is_same_file and copy and copy["sha256"] != sha256_file(source):
                raise InputError(
                    f"{source} and {named.file}, which {named.spreadsheet} brought into {self.root}, are two "
                    "images of one name; rename one, or give another --out"
                )

    def check_listings(self, key: str, listings: Sequence[Mapping[str, Any]]) -> None:
        """Check that no product of another spreadsheet has other values here.

        Raises:
            InputError: one is; nothing was written.
        """
        mine = {listing["item_id"]: listing for listing in listings}
        for other, of_other in self.spreadsheets.items():
            if other == key:
                continue
            for listing in _read_listings(self.root / LISTINGS / of_other["listings"]):
                same = mine.get(listing.get("item_id", ""), {})
                for name in _STATED:
                    if name in same and name in listing and same[name] != listing[name]:
                        raise InputError(
                            f"{key}: product {listing['item_id']} has {name} {_value(same[name])!r}, but "
                            f"{other}, which is in {self.root} already, says {_value(listing[name])!r}; mend "
                            "one, or give another --out"
                        )

    def add(self, key: str, images: str, files: Iterable[NamedFile]) -> None:
        """Record a spreadsheet in place of what was recorded of it before."""
        self.spreadsheets[key] = {"listings": self.build_listings(key), "images": images}
        self.files = [*(named for named in self.files if named.spreadsheet != key), *files]

    def write(self) -> None:
        write_rows(self.root / _NAMES, _COLUMNS, (vars(named) for named in self.files))
        write_json(self.root / _RECORD, {"spreadsheets": self.spreadsheets})


def key_of(path: Path) -> str:
    """The key of a file or folder: its path in the project, or else its name and a hash of its place."""
    whole, here = path.resolve(), Path.cwd().resolve()
    if whole.is_relative_to(here):
        return whole.relative_to(here).as_posix()
    return f"{whole.name}@{hashlib.sha256(whole.parent.as_posix().encode()).hexdigest()[:8]}"


def read_copies(root: Path) -> dict[str, dict[str, Any]]:
    """Image name → the latest record of its copy."""
    entries = (entry for entry in whole_values(root / _COPIES) if isinstance(entry, dict) and "name" in entry)
    return {entry["name"]: entry for entry in entries}


def copies_path(root: Path) -> Path:
    return root / _COPIES


def read_names(root: Path) -> list[NamedFile]:
    """Which file became which image of the tree at `root`; nothing for a tree that was not imported."""
    path = root / _NAMES
    if not path.is_file():
        return []
    return [NamedFile(**{name: row[name] for name in _COLUMNS}) for row in read_rows(path, _COLUMNS)]


class NamesBefore:
    """Finds the image of an imported tree that a file became, by the path or name that it had before."""

    def __init__(self, root: Path) -> None:
        self.found: set[str] = set()  # names that were found under another one
        self._images, self._by_name = set[str](), defaultdict[str, list[tuple[list[str], str]]](list)
        for named in read_names(root):
            parts = parts_of_path(named.file)
            self._images.add(named.image_name)
            for key in {parts[-1], parts[-1].rpartition(".")[0] or parts[-1]}:
                self._by_name[key].append((parts, named.image_name))

    def name_for(self, cell: str) -> str:
        """The image that `cell` means; the file name in the cell if no file of that name was imported.

        A path that no imported file fits is not cut to its file name: an image of another folder may have it.
        """
        plain = parse_image_name(cell)
        if not self._by_name or unicodedata.normalize("NFC", cell.strip()) in self._images:
            return plain
        parts = parts_of_path(without_query(cell))
        same_name = self._by_name.get(parts[-1], []) if parts else []
        exact = {name for file, name in same_name if file == parts}
        fitting = {name for file, name in same_name if _is_end(parts, file) or _is_end(file, parts)}
        matches = exact or fitting
        if len(matches) == 1:
            (name,) = matches
            self.found |= {name} - {plain}
            return name
        is_path_in_tree = parts[-2:-1] == [plain[:2].casefold()]
        return (
            "-".join(parts) if same_name and len(parts) > 1 and not matches and not is_path_in_tree else plain
        )


def _is_end(end: Sequence[str], path: Sequence[str]) -> bool:
    """Folders and name of `path` end in those of `end`; their last parts are equal but for an ending."""
    folders = list(path[:-1])
    return list(end[:-1]) == folders[len(folders) - len(end) + 1 :] if len(end) <= len(path) else False


def _read_listings(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def _value(texts: Any) -> Any:
    return texts[0]["value"]

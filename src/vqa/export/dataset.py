"""Split files → Parquet or JSON lines of messages; a file a split, a row a pair.

Parquet as the `datasets` library and pandas read it: every column of the split files goes in, and of
support.csv where there is one, all as text. `image_file` says where the image lies below the catalogue's
root; `image`, on request, is the image itself: its file's bytes.

JSON lines as ms-swift, LLaMA-Factory and TRL read them: `messages` is the user's turn, in which `<image>`
stands for the image, and the assistant's; `images` holds the image's path. dataset_info.json tells
LLaMA-Factory which column is which.

Sources: ms-swift, Custom-dataset.md, "Standard Dataset Format"; LLaMA-Factory, data/README.md, "OpenAI
Format" and "Multimodal Image Dataset".
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from vqa.catalogue.abo import image_path
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.files import whole_file, write_json
from vqa.pairs.pair import Pair, csv_columns, read_pairs, row_of

_FILE, _IMAGE = "image_file", "image"  # columns that are added
_KEY = ("image_name", "question")  # of a row of support.csv
_ROWS = 500  # of a row group: with images some megabytes, which a reader loads at once
# Bytes of different values in it: of an image with five questions one copy is stored, not five.
_DIFFERENT = 1 << 28

Key = tuple[str, ...]


@dataclass(frozen=True)
class Census:
    """Counts of one file."""

    pairs: int
    images: int
    groups: int  # of images that stay together
    support_levels: Mapping[str, int]  # support level → pairs; empty without support.csv


def write_dataset(
    folder: Path, splits: Mapping[str, Path], support_levels: Path, root: Path, with_images: bool
) -> dict[str, Census]:
    """Write `folder`/data/<split>.parquet for each split file; what each holds, by split.

    Args:
        support_levels: support.csv, which need not exist; rows are matched by image and question.
        root: of the catalogue, in ABO's layout; its images are needed only `with_images`.

    Raises:
        InputError: a file cannot be read, or an image is not there.
    """
    by_split = {split: read_pairs(path) for split, path in splits.items()}
    support_rows = read_support(support_levels)
    columns = csv_columns([pair for pairs in by_split.values() for pair in pairs])
    columns += [name for name in next(iter(support_rows.values()), {}) if name not in columns]
    schema = _schema([name for name in columns if name not in (_FILE, _IMAGE)], with_images)
    (folder / "data").mkdir(parents=True)
    for split, pairs in by_split.items():
        rows = (
            support_rows.get(pair.key, {}) | row_of(pair) | _of_image(pair, root, with_images)
            for pair in pairs
        )
        _write(folder / "data" / f"{split}.parquet", schema, rows)
    return {split: count_pairs(pairs, support_rows) for split, pairs in by_split.items()}


def read_support(support_levels: Path) -> dict[Key, dict[str, str]]:
    """The rows of support.csv by image and question; none where there is no such file."""
    if not support_levels.is_file():
        return {}
    return {tuple(row.pop(name) for name in _KEY): row for row in read_rows(support_levels, _KEY)}


def _schema(columns: Sequence[str], with_images: bool) -> pa.Schema:
    """Columns and, for the `datasets` library, that `image` is an image."""
    names = [*columns, _FILE]
    features: dict[str, Any] = {name: {"dtype": "string", "_type": "Value"} for name in names}
    kinds = [(name, pa.string()) for name in names]
    if with_images:
        features[_IMAGE] = {"_type": "Image"}
        kinds.append((_IMAGE, pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
    return pa.schema(kinds, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _of_image(pair: Pair, root: Path, with_images: bool) -> dict[str, Any]:
    path = image_path(root, pair.image_name)
    values: dict[str, Any] = {_FILE: path.relative_to(root).as_posix()}
    if with_images:
        try:
            values[_IMAGE] = {"bytes": path.read_bytes(), "path": path.name}
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); put it back, or link") from error
    return values


def _write(path: Path, schema: pa.Schema, rows: Iterator[dict[str, Any]]) -> None:
    blank = dict.fromkeys(schema.names, "")
    options: dict[str, Any] = {"compression": "zstd", "dictionary_pagesize_limit": _DIFFERENT}
    with ParquetWriter(path, schema, **options) as writer:
        while group := list(islice(rows, _ROWS)):
            writer.write_table(pa.Table.from_pylist([blank | row for row in group], schema=schema))


def count_pairs(pairs: Sequence[Pair], found: Mapping[Key, Mapping[str, str]]) -> Census:
    """The counts of a split file; `found`: rows of support.csv by image and question."""
    support_levels = Counter(found[pair.key]["support"] for pair in pairs if pair.key in found)
    images, groups = (
        {pair.image_name for pair in pairs},
        {pair.split_group or pair.image_name for pair in pairs},
    )
    return Census(len(pairs), len(images), len(groups), dict(support_levels.most_common()))


REQUEST = "{question} Answer in one word."  # as zero_shot.models asks a chat model, so that both compare
_TAG = "<image>"
_IMAGES = "images"  # the column, and the folder of copies


def write_messages(
    folder: Path, splits: Mapping[str, Path], support_levels: Path, root: Path, with_copies: bool
) -> dict[str, Census]:
    """Write `folder`/<split>.jsonl for each split file, and dataset_info.json; what each holds, by split.

    Args:
        support_levels: support.csv, which need not exist; its rows are only counted.
        root: of the catalogue, in ABO's layout.
        with_copies: copy each image to `folder`/images and name it relative to `folder`; else each is named
            by its absolute path.

    Raises:
        InputError: a file cannot be read, or an image is not there.
    """
    support_rows = read_support(support_levels)
    folder.mkdir(parents=True, exist_ok=True)
    census, places = {}, _ImagePlaces(folder, root, with_copies)
    for split, path in splits.items():
        pairs = read_pairs(path)
        with whole_file(folder / f"{split}.jsonl") as file:
            for pair in pairs:
                if _TAG in pair.question:
                    raise InputError(
                        f"{path}: the question {pair.question!r} about {pair.image_name} holds {_TAG}, which "
                        "trainers take for an image; remove the row"
                    )
                file.write(json.dumps(_row(pair, places.place_image(pair.image_name))) + "\n")
        census[split] = count_pairs(pairs, support_rows)
    write_json(folder / "dataset_info.json", {f"abo_vqa_{split}": _describe_file(split) for split in splits})
    return census


class _ImagePlaces:
    """Where each image of the export lies; each is checked and copied once."""

    def __init__(self, folder: Path, root: Path, with_copies: bool) -> None:
        self._folder, self._root, self._with_copies = folder, root, with_copies
        self._placed: dict[str, str] = {}

    def place_image(self, image_name: str) -> str:
        if image_name not in self._placed:
            path = image_path(self._root, image_name)
            try:
                self._placed[image_name] = self._copy(path) if self._with_copies else str(path.resolve(True))
            except OSError as error:
                raise InputError(
                    f"{path} cannot be read ({error.strerror}), but a pair asks about it; put it back, or "
                    "run dvc repro validate"
                ) from error
        return self._placed[image_name]

    def _copy(self, path: Path) -> str:
        (self._folder / _IMAGES).mkdir(exist_ok=True)
        shutil.copyfile(path, self._folder / _IMAGES / path.name)
        return f"{_IMAGES}/{path.name}"


def _row(pair: Pair, image: str) -> dict[str, Any]:
    request = REQUEST.format(question=pair.question)
    return {
        "messages": [
            {"role": "user", "content": _TAG + request},
            {"role": "assistant", "content": pair.answer},
        ],
        _IMAGES: [image],
    }


def _describe_file(split: str) -> dict[str, Any]:
    """The entry that describes a file to LLaMA-Factory, whose default names of columns and roles differ."""
    return {
        "file_name": f"{split}.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": _IMAGES},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    }

"""Split files → Parquet, as the `datasets` library and pandas read it; a file a split, a row a pair.

Every column of the split files goes in, and of support.csv where there is one, all as text. `image_file`
says where the image lies below the catalogue's root; `image`, on request, is the image itself: its file's
bytes.
"""

import json
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

"""Split files → Parquet, as the `datasets` library and pandas read it; a file a split, a row a pair.

Every column of the split files goes in, and of verdicts.csv where there is one, all as text. `picture_file`
says where the picture lies below the catalogue's root; `image`, on request, is the picture itself: its file's
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
from vqa.foundation.csv_tables import read_rows
from vqa.foundation.errors import InputError
from vqa.pairs.pair import Pair, columns_of, read_pairs, row_of

_FILE, _PICTURE = "picture_file", "image"  # columns that are added
_KEY = ("image_name", "question")  # of a row of verdicts.csv
_ROWS = 500  # of a row group: with pictures some megabytes, which a reader holds at once
# Bytes of different values in it: of a picture with five questions one copy is stored, not five.
_DIFFERENT = 1 << 28

Key = tuple[str, ...]


@dataclass(frozen=True)
class Census:
    """What a file holds."""

    pairs: int
    images: int
    groups: int  # of pictures that stay together
    verdicts: Mapping[str, int]  # verdict → pairs; empty without verdicts.csv


def write_dataset(
    folder: Path, splits: Mapping[str, Path], verdicts: Path, root: Path, with_pictures: bool
) -> dict[str, Census]:
    """Write `folder`/data/<split>.parquet for each split file; what each holds, by split.

    Args:
        verdicts: verdicts.csv, which need not be there; rows are found by picture and question.
        root: of the catalogue, in ABO's layout; its pictures are needed only `with_pictures`.

    Raises:
        InputError: a file cannot be read, or a picture is not there.
    """
    by_split = {split: read_pairs(path) for split, path in splits.items()}
    found = read_verdicts(verdicts)
    columns = columns_of([pair for pairs in by_split.values() for pair in pairs])
    columns += [name for name in next(iter(found.values()), {}) if name not in columns]
    schema = _schema([name for name in columns if name not in (_FILE, _PICTURE)], with_pictures)
    (folder / "data").mkdir(parents=True)
    for split, pairs in by_split.items():
        rows = (
            found.get(pair.key, {}) | row_of(pair) | _of_picture(pair, root, with_pictures) for pair in pairs
        )
        _write(folder / "data" / f"{split}.parquet", schema, rows)
    return {split: count_pairs(pairs, found) for split, pairs in by_split.items()}


def read_verdicts(verdicts: Path) -> dict[Key, dict[str, str]]:
    """The rows of verdicts.csv by image and question; none where there is no such file."""
    if not verdicts.is_file():
        return {}
    return {tuple(row.pop(name) for name in _KEY): row for row in read_rows(verdicts, _KEY)}


def _schema(columns: Sequence[str], with_pictures: bool) -> pa.Schema:
    """Columns and, for the `datasets` library, that `image` is a picture."""
    names = [*columns, _FILE]
    features: dict[str, Any] = {name: {"dtype": "string", "_type": "Value"} for name in names}
    kinds = [(name, pa.string()) for name in names]
    if with_pictures:
        features[_PICTURE] = {"_type": "Image"}
        kinds.append((_PICTURE, pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
    return pa.schema(kinds, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _of_picture(pair: Pair, root: Path, with_pictures: bool) -> dict[str, Any]:
    path = image_path(root, pair.image_name)
    values: dict[str, Any] = {_FILE: path.relative_to(root).as_posix()}
    if with_pictures:
        try:
            values[_PICTURE] = {"bytes": path.read_bytes(), "path": path.name}
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
    """What a split file holds; `found`: rows of verdicts.csv by image and question."""
    verdicts = Counter(found[pair.key]["verdict"] for pair in pairs if pair.key in found)
    images, groups = (
        {pair.image_name for pair in pairs},
        {pair.split_group or pair.image_name for pair in pairs},
    )
    return Census(len(pairs), len(images), len(groups), dict(verdicts.most_common()))

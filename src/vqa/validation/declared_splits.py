"""Splits that are given and not drawn: those that splits.json has assigned once, and declared ones.

splits.json: git versions it. A line holds the ids of a split that begin with the same three digits, which it
holds once: 398,000 images take 4 MB, and one more image changes one short line.

A file of pairs declares splits in a column such as `split` or `fold`: they are read, checked and compared.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqa.catalogue.images import ID_LENGTH
from vqa.core.errors import InputError
from vqa.core.files import read_json
from vqa.core.seeding import seeded_rank
from vqa.pairs.answer_normalization import is_missing
from vqa.pairs.pair import SPLITS, Pair
from vqa.validation.groups import Integers

_COMMON = 3  # digits


def splits_record(draw: Mapping[str, Any], split_of: Mapping[str, str]) -> dict[str, Any]:
    """The file's content: how splits were drawn, and each image's split by its id (`image_id_of_content`)."""
    lines: dict[str, dict[str, list[str]]] = {split: defaultdict(list) for split in SPLITS}
    for image, split in sorted(split_of.items()):
        lines[split][image[:_COMMON]].append(image[_COMMON:])
    joined = {split: {key: " ".join(rest) for key, rest in of.items()} for split, of in lines.items()}
    return {"draw": dict(draw), "pictures": joined}


def read_splits(path: Path) -> tuple[Any, dict[str, str]]:
    """How splits were drawn, and each image's split by its id.

    Raises:
        InputError: the file is no such record.
    """
    record = read_json(path)
    try:
        draw, lines = record["draw"], record["pictures"]
        split_of = {
            key + rest: split
            for split in SPLITS
            for key, line in lines.get(split, {}).items()
            for rest in line.split()
        }
    except (LookupError, TypeError, AttributeError) as error:
        raise _unlike(path) from error
    if not lines.keys() <= set(SPLITS) or any(len(image) != ID_LENGTH for image in split_of):
        raise _unlike(path)
    return draw, split_of


def _unlike(path: Path) -> InputError:
    return InputError(f"{path} is not a record of splits; restore it with git checkout")


_COLUMNS = ("split", "fold", "partition", "subset", "data_split", "dataset_split")
_SPELLINGS = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# Held-out splits stay whole: where images that belong together are declared for two splits, the split that
# comes first here keeps its images.
_HELD_OUT_FIRST = ("test", "val", "train")


@dataclass(frozen=True)
class DeclaredSplits:
    """The splits that a file declares."""

    column: str  # "" where none names them
    of_row: list[str]  # split of each pair; "" where its cell is empty
    of_image: dict[str, str]  # by image name: of the splits of its rows the first in _HELD_OUT_FIRST


def read_declared_splits(pairs: Sequence[Pair]) -> DeclaredSplits:
    """The splits that the pairs' own column names."""
    column = _split_column(pairs)
    of_row = [_SPELLINGS.get(_cell(pair, column).lower(), "") for pair in pairs] if column else []
    of_image: dict[str, str] = {}
    for pair, split in zip(pairs, of_row, strict=False):
        before = of_image.get(pair.image_name, split)
        if split:
            of_image[pair.image_name] = min(before or split, split, key=_HELD_OUT_FIRST.index)
    return DeclaredSplits(column, of_row, of_image)


def check_declared_splits(source: str, pairs: Sequence[Pair], declared: DeclaredSplits) -> None:
    """Check that the pairs name splits that can be used.

    Raises:
        InputError: there is no such column, or a cell of it is no split.
    """
    if not declared.column:
        columns = ", ".join(_COLUMNS)
        raise InputError(
            f"params.yaml: validate.splits is column, but {source} has no column that names splits "
            f"({columns}); add one, or set validate.splits to draw"
        )
    for number, (pair, split) in enumerate(zip(pairs, declared.of_row, strict=True), start=1):
        cell = _cell(pair, declared.column)
        if cell and not split and not is_missing(cell):
            raise InputError(
                f"{source}, row {number}: {declared.column} is {cell!r}; write train, val or test, or set "
                "validate.splits to draw in params.yaml"
            )


def unused_sentences(
    source: str, declared: DeclaredSplits, pairs: Sequence[Pair], split_of: Mapping[tuple[str, str], str]
) -> list[str]:
    """One sentence on a column of splits that is not used, and on the effect; none without such a column.

    `split_of`: where each kept pair is, by its key.
    """
    if not declared.column:
        return []
    if not any(declared.of_row):
        values = list(dict.fromkeys(_cell(pair, declared.column) for pair in pairs))[:3]
        return [
            f"{source} has a column {declared.column}, which is not used: {', '.join(values)} are no splits"
        ]
    trained_on = pairs_trained_on(declared, pairs, split_of)
    return [
        f"{source} has a column {declared.column}, which is not used: {trained_on} of its "
        f"{declared.of_row.count('test')} test pairs are trained on; set validate.splits to column to "
        "keep them out"
    ]


def pairs_trained_on(
    declared: DeclaredSplits, pairs: Sequence[Pair], split_of: Mapping[tuple[str, str], str]
) -> int:
    """How many pairs that their file declares as test are in train."""
    if not declared.column:
        return 0
    rows = zip(pairs, declared.of_row, strict=True)
    return sum(split == "test" and split_of.get(pair.key) == "train" for pair, split in rows)


def rows_across_splits(pairs: Sequence[Pair], declared: DeclaredSplits) -> dict[tuple[str, str], str]:
    """Rows that declare another split than their image gets: key → reason."""
    return {
        pair.key: f"declared {split}, but another row declares its image {declared.of_image[pair.image_name]}"
        for pair, split in zip(pairs, declared.of_row, strict=True)
        if split and split != declared.of_image[pair.image_name]
    }


def draw_val(
    of_image: Mapping[str, str], group_of: Mapping[str, str], share: float, seed: int
) -> dict[str, str]:
    """The splits by image, with about `share` of the train images in val: whole groups, by a seeded draw.

    For a file that names only train and test. Adding images moves no earlier image.
    """
    drawn = {group: int(seeded_rank(seed, group)[:8], 16) < share * 16**8 for group in set(group_of.values())}
    return {
        name: "val" if split == "train" and drawn.get(group_of.get(name, ""), False) else split
        for name, split in of_image.items()
    }


def images_across_splits(
    names: Sequence[str], content_of: Integers, links: Integers, declared: Mapping[str, str]
) -> dict[str, str]:
    """Images to leave out so that no link joins two declared splits, each with the reason.

    Args:
        names: of the images.
        content_of: [images] the content of each, as in `NearDuplicates`.
        links: [links, 3] pairs of contents, as `near_duplicates` gives them.
    """
    contents = dict(zip(names, content_of.tolist(), strict=True))
    left_out: dict[str, str] = {}
    for rank, held_out in enumerate(_HELD_OUT_FIRST):
        own = {contents[name] for name in names if declared.get(name) == held_out and name not in left_out}
        near = set(own)
        for one, other in links[:, :2].tolist():
            near |= {other} if one in own else {one} if other in own else set()
        for name in names:
            if declared.get(name) in _HELD_OUT_FIRST[rank + 1 :] and contents[name] in near:
                reason = f"declared {declared[name]}, but linked to an image declared {held_out}"
                left_out.setdefault(name, reason)
    return left_out


def _split_column(pairs: Sequence[Pair]) -> str:
    """The column that names splits; where several could, the first that holds only splits."""
    names = dict.fromkeys(name for pair in pairs[:1000] for name, _ in pair.extra)
    likely = [name for name in names if re.sub(r"[\W_]+", "_", name.lower()).strip("_") in _COLUMNS]
    counted = [Counter(_SPELLINGS.get(_cell(pair, name).lower()) for pair in pairs) for name in likely]
    split_cells = [sum(counts[split] for split in SPLITS) for counts in counted]
    return max(zip(split_cells, likely, strict=True), key=lambda entry: entry[0], default=(0, ""))[1]


def _cell(pair: Pair, column: str) -> str:
    return next((cell.strip() for name, cell in pair.extra if name == column), "")

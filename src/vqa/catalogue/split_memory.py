"""splits.json: the split that each picture was dealt to once, in git.

A line holds the ids of a split that begin with the same three digits, which are said once: 398,000 pictures
are 4 MB, and a picture more changes one short line.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqa.catalogue.pictures import ID_LENGTH
from vqa.foundation.errors import InputError
from vqa.foundation.files import read_json
from vqa.pairs.pair import SPLITS

_COMMON = 3  # digits


def record_of(draw: Mapping[str, Any], split_of: Mapping[str, str]) -> dict[str, Any]:
    """The file's content: how splits were drawn, and each picture's split by its id (`picture_id`)."""
    lines: dict[str, dict[str, list[str]]] = {split: defaultdict(list) for split in SPLITS}
    for picture, split in sorted(split_of.items()):
        lines[split][picture[:_COMMON]].append(picture[_COMMON:])
    joined = {split: {key: " ".join(rest) for key, rest in of.items()} for split, of in lines.items()}
    return {"draw": dict(draw), "pictures": joined}


def read_splits(path: Path) -> tuple[Any, dict[str, str]]:
    """How splits were drawn, and each picture's split by its id.

    Raises:
        InputError: the file is no such record.
    """
    record = read_json(path)
    try:
        draw, lines = record["draw"], record["pictures"]
        found = {
            key + rest: split
            for split in SPLITS
            for key, line in lines.get(split, {}).items()
            for rest in line.split()
        }
    except (LookupError, TypeError, AttributeError) as error:
        raise _unlike(path) from error
    if not lines.keys() <= set(SPLITS) or any(len(picture) != ID_LENGTH for picture in found):
        raise _unlike(path)
    return draw, found


def _unlike(path: Path) -> InputError:
    return InputError(f"{path} is not a record of splits; restore it with git checkout")

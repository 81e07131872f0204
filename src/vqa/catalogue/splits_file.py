"""splits.json: the split that each image was assigned to once; git versions it.

A line holds the ids of a split that begin with the same three digits, which it holds once: 398,000 images
take 4 MB, and one more image changes one short line.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqa.catalogue.images import ID_LENGTH
from vqa.core.errors import InputError
from vqa.core.files import read_json
from vqa.pairs.pair import SPLITS

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

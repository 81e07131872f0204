"""Split files → JSON lines of messages and images, as ms-swift, LLaMA-Factory and TRL read them.

A file a split, a row a pair: `messages` is the user's turn, in which `<image>` stands for the image, and the
assistant's; `images` holds the image's path. dataset_info.json tells LLaMA-Factory which column is which.

Sources: ms-swift, Custom-dataset.md, "Standard Dataset Format"; LLaMA-Factory, data/README.md, "OpenAI
Format" and "Multimodal Image Dataset".
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqa.catalogue.abo import image_path
from vqa.core.errors import InputError
from vqa.core.files import whole_file, write_json
from vqa.export.dataset import Census, count_pairs, read_support
from vqa.pairs.pair import Pair, read_pairs

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

"""The feature store: what the image encoder made of each distinct image.

A folder of safetensors shards and manifest.json, which is written last. A shard holds one tensor `features`
and, in its header, its SHA-256, which images it has (SHA-256 of their bytes) and what made them. Where
all images have equally many rows (BLIP-2) the tensor is `[images, rows, size]`; else it is `[rows,
size]`, one image's behind another's, and the header also has their `lengths` and `grids`. A shard's name
is a hash of its images and of what made them, so one that has its name and its SHA-256 is right: a run
that was killed, or several processes at once, need nothing else to agree on what is left to do.

32×768 in bf16 is 49 KB an image, so all of ABO is 19.6 GB.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from vqa.core.errors import InputError
from vqa.core.files import read_json, undamaged
from vqa.vlm.image_features import ImageFeatures, together

MANIFEST = "manifest.json"
DECISIVE = ("fingerprint", "processor", "dtype")  # of a model's identity
HEADER = "rows"  # of a shard: recipe, images, SHA-256 of the features


def _made_by_another(folder: Path, made_by: Mapping[str, str | None], model: Mapping[str, str | None]) -> str:
    """One sentence; the way back to what made the store, and a command that makes it again in any case."""
    made, wanted = (
        f"{m['name']} ({str(m['fingerprint'])[:12]}, dtype {m.get('dtype')})" for m in (made_by, model)
    )
    is_dtype = made_by["fingerprint"] == model["fingerprint"] and made_by.get("dtype") != model["dtype"]
    back = f"set model.dtype to {made_by.get('dtype')}" if is_dtype else ""
    if made_by["fingerprint"] != model["fingerprint"] and made_by.get("commit"):
        back = f"set model.revision to {made_by['commit']}"
    return (
        f"{folder} was made by {made}, but params.yaml's model.name is {wanted}; {back and back + ', or '}"
        "run dvc repro --force --single-item cache_features"
    )


def _opened(path: Path) -> Any:
    with undamaged(path, "run dvc repro cache_features, which makes it again"):
        return safe_open(path, framework="pt")


def read_shard(shard: Any) -> tuple[dict[str, Any], Callable[[int], Tensor | ImageFeatures]]:
    """Its header, and a function: number of an image in the shard → its features, mapped from the file."""
    tensor, header = shard.get_slice("features"), json.loads(shard.metadata()[HEADER])
    if "lengths" not in header:
        return header, lambda number: tensor[number]
    ends, grids = list(accumulate(header["lengths"])), header["grids"]

    def image_features(number: int) -> ImageFeatures:
        end = ends[number]
        return ImageFeatures(tensor[end - header["lengths"][number] : end], tuple(grids[number]))

    return header, image_features


class FeatureStore:
    """Reads rows by image name, memory-mapped: only the rows that were asked for are in memory.

    Rows have the dtype of the disk. The model changes it on its device, so that fewer bytes are copied there.
    """

    def __init__(self, folder: Path, model: Mapping[str, str | None], level: str) -> None:
        """Open a store and check that `model` made it, at `level`.

        Raises:
            InputError: no store there, another model's, or one at another level.
        """
        if not (folder / MANIFEST).is_file():
            raise InputError(f"{folder} holds no features; run the cache_features stage first")
        manifest = read_json(folder / MANIFEST)
        made_by = manifest["model"]
        if any(made_by.get(key) != model[key] for key in DECISIVE):
            raise InputError(_made_by_another(folder, made_by, model))
        if manifest["level"] != level:
            raise InputError(
                f"{folder} holds {manifest['level']} features, but params.yaml's features.level is {level}; "
                "run dvc repro cache_features"
            )
        self._folder = folder
        self._images: dict[str, str] = manifest["images"]
        self._files: dict[str, Callable[[int], Tensor | ImageFeatures]] = {}
        self._rows: dict[str, tuple[str, int]] = {}
        self._forms: dict[str, tuple[int, ...]] = {}
        for file in manifest["shards"]:
            header, self._files[file] = read_shard(_opened(folder / file))
            self._rows |= {image: (file, row) for row, image in enumerate(header["pictures"])}
            if "lengths" in header:
                per_image = zip(header["pictures"], header["lengths"], header["grids"], strict=True)
                self._forms |= {image: (length, *grid) for image, length, grid in per_image}

    @property
    def key(self) -> str:
        """Equal for stores of equal rows, whatever their model is called and wherever it came from."""
        return hashlib.sha256(json.dumps([sorted(self._files), self._images]).encode()).hexdigest()

    def __getitem__(self, image_name: str) -> Any:
        """One image's features, mapped from the file: a tensor `[rows, size]` or an `ImageFeatures`."""
        try:
            file, row = self._rows[self._images[image_name]]
        except KeyError as error:
            raise InputError(
                f"{self._folder} has no features of {image_name}; run dvc repro cache_features"
            ) from error
        return self._files[file](row)

    def form(self, image_name: str) -> tuple[int, ...]:
        """How many rows an image has, and their grid; () where all images are alike."""
        return self._forms.get(self._images.get(image_name, ""), ())

    def rows(self, image_names: Sequence[str]) -> Any:
        """`image_features.Features` of several images, in the order asked for."""
        return together([self[name] for name in image_names])

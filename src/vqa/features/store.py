"""The feature store: what the frozen half of BLIP-2 saw in each picture, one row a distinct picture.

A folder of safetensors shards and manifest.json, which is written last. A shard holds one tensor
`features` `[rows, queries, size]` and, in its header, its SHA-256, which pictures its rows are (SHA-256 of
their bytes) and what made them. Its name is a hash of these two, so a shard that has its name and its SHA-256
is right: a run that was killed, or several processes at once, need nothing else to agree on what is left to
do.

32×768 in bf16 is 49 KB a picture, so all of ABO is 19.6 GB.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from vqa.foundation.errors import InputError
from vqa.foundation.files import read_json, undamaged

MANIFEST = "manifest.json"
DECISIVE = ("fingerprint", "processor", "dtype")  # of a model's identity
HEADER = "rows"  # of a shard: recipe, pictures, SHA-256 of the features


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


class FeatureStore:
    """Reads rows by picture name, memory-mapped: nothing is held but what was asked for."""

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
        self._files = {file: _opened(folder / file) for file in manifest["shards"]}
        self._rows = {
            picture: (file, row)
            for file, shard in self._files.items()
            for row, picture in enumerate(json.loads(shard.metadata()[HEADER])["pictures"])
        }

    @property
    def key(self) -> str:
        """Equal for stores of equal rows, whatever their model is called and wherever it came from."""
        return hashlib.sha256(json.dumps([sorted(self._files), self._images]).encode()).hexdigest()

    def __getitem__(self, image_name: str) -> Tensor:
        """One picture's features `[rows, size]`, fp32."""
        try:
            file, row = self._rows[self._images[image_name]]
        except KeyError as error:
            raise InputError(
                f"{self._folder} has no features of {image_name}; run dvc repro cache_features"
            ) from error
        return self._files[file].get_slice("features")[row].float()

    def rows(self, image_names: Sequence[str]) -> Tensor:
        """Features of several pictures `[B, rows, size]`, fp32, in the order asked for."""
        return torch.stack([self[name] for name in image_names])

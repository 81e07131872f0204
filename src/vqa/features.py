"""The feature store: what the frozen half of BLIP-2 saw in each picture, one row a picture.

A folder of safetensors shards, each with one tensor `features` `[rows, num_query_tokens, size]`, and
manifest.json, which is written last: a folder without it is not a store. Rows are found by picture
name, never by position. 32×768 in bf16 is 49 KB a picture, so all of ABO is 19.6 GB.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from vqa.errors import InputError
from vqa.files import read_json, write_json

MANIFEST = "manifest.json"


def write_features(
    folder: Path,
    rows: Iterable[tuple[str, Tensor]],
    images_per_shard: int,
    dtype: torch.dtype,
    model: dict[str, str],
) -> dict[str, Any]:
    """Write (image name, `[Q, D]`) rows as shards; `model` says what made them. Returns the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    shards: list[dict[str, Any]] = []
    for shard in _chunks(rows, images_per_shard):
        file = f"features-{len(shards):05d}.safetensors"
        tensors = torch.stack([features for _, features in shard]).to(dtype)
        save_file({"features": tensors}, folder / file)
        shards.append({"file": file, "images": [name for name, _ in shard]})
    manifest = {"model": model, "dtype": str(dtype).removeprefix("torch."), "shards": shards}
    write_json(folder / MANIFEST, manifest)
    return manifest


def _chunks(rows: Iterable[tuple[str, Tensor]], size: int) -> Iterator[list[tuple[str, Tensor]]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


class FeatureStore:
    """Reads rows by picture name, memory-mapped: nothing is held but what was asked for."""

    def __init__(self, folder: Path, model: dict[str, str]) -> None:
        """Open a store and check that `model` made it.

        Raises:
            InputError: no store there, or another model's.
        """
        if not (folder / MANIFEST).is_file():
            raise InputError(f"{folder} holds no features; run the cache_features stage first")
        manifest = read_json(folder / MANIFEST)
        if manifest["model"]["fingerprint"] != model["fingerprint"]:
            raise InputError(
                f"{folder} was made by {manifest['model']['name']} "
                f"({manifest['model']['fingerprint'][:12]}), but params.yaml's model.name is "
                f"{model['name']} ({model['fingerprint'][:12]}); run dvc repro cache_features"
            )
        self._folder = folder
        self._files = {
            shard["file"]: safe_open(folder / shard["file"], framework="pt") for shard in manifest["shards"]
        }
        self._rows = {
            name: (shard["file"], row)
            for shard in manifest["shards"]
            for row, name in enumerate(shard["images"])
        }

    def __getitem__(self, image_name: str) -> Tensor:
        """One picture's features `[Q, D]`, fp32."""
        try:
            file, row = self._rows[image_name]
        except KeyError as error:
            raise InputError(
                f"{self._folder} has no features of {image_name}; run dvc repro cache_features"
            ) from error
        return self._files[file].get_slice("features")[row].float()

    def rows(self, image_names: Sequence[str]) -> Tensor:
        """Features of several pictures `[B, Q, D]`, fp32, in the order asked for."""
        return torch.stack([self[name] for name in image_names])

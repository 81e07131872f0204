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
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vqa.errors import InputError
from vqa.files import read_json, undamaged, write_json

MANIFEST = "manifest.json"
_DECISIVE = ("fingerprint", "processor", "dtype")  # of a model's identity
_SHARDS = "features-*.safetensors"
_HEADER = "rows"  # of a shard: recipe, pictures, SHA-256 of the features


@dataclass(frozen=True)
class Recipe:
    """What decides a row's numbers: the frozen half, where it is cut, the dtype on disk, the decoder."""

    model: Mapping[str, str | None]  # Checkpoint.identity()
    level: str  # qformer or vit
    dtype: str
    decoder: int = 1  # images.DECODER: how a picture's bytes became pixels

    def fields(self) -> dict[str, Any]:
        return {**vars(self), "model": dict(self.model)}

    @property
    def key(self) -> str:
        """Equal for recipes that make equal rows, wherever the model lies."""
        parts = *(self.model[key] for key in _DECISIVE), self.level, self.dtype, self.decoder
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Shard:
    """A shard that is there or is to be made: its file's name and its rows' pictures."""

    file: str
    pictures: list[str]


@dataclass(frozen=True)
class Plan:
    """Shards to keep as they are, shards to make, files to delete at the end, rows that need no encoder."""

    kept: list[Shard]
    missing: list[Shard]
    stale: list[Path]  # also parts that earlier runs or several processes made, and whose rows are all copied
    reusable: dict[str, tuple[Path, int]]  # picture → row of a shard that will be deleted

    @property
    def new(self) -> list[str]:
        """Pictures that the encoder must be run on."""
        return [p for shard in self.missing for p in shard.pictures if p not in self.reusable]


def plan(folder: Path, work: Path, pictures: Sequence[str], recipe: Recipe, images_per_shard: int) -> Plan:
    """What is left to do so that the store in `folder` holds exactly `pictures`; the same for every process.

    `work` is where shards are made: what an earlier run left there is taken over.

    A full shard of wanted pictures stays. What other shards of this recipe hold is copied into new ones,
    so that growth by single pictures does not end in a thousand files.
    """
    wanted = set(pictures)
    kept: list[Shard] = []
    stale: dict[Path, list[str]] = {}
    reusable: dict[str, tuple[Path, int]] = {}
    covered: set[str] = set()
    for path in [*sorted(folder.glob(_SHARDS)), *sorted(work.glob(_SHARDS))]:
        rows = _pictures_in(path, recipe)
        if len(rows) == images_per_shard and wanted.issuperset(rows) and covered.isdisjoint(rows):
            kept.append(Shard(path.name, rows))
            covered.update(rows)
            continue
        stale[path] = rows
        for row, picture in enumerate(rows):
            reusable.setdefault(picture, (path, row))
    left = sorted(wanted - covered)
    missing = [
        _shard(left[start : start + images_per_shard], recipe)
        for start in range(0, len(left), images_per_shard)
    ]
    places = (folder, work)
    there = [s for s in missing if any(stale.get(place / s.file) == s.pictures for place in places)]
    new = {shard.file for shard in missing}
    return Plan(
        kept + there,
        [shard for shard in missing if shard not in there],
        [
            path
            for path, rows in stale.items()
            if path.name not in new and (path.parent == folder or wanted.issuperset(rows or [""]))
        ],
        {picture: at for picture, at in reusable.items() if picture in wanted},
    )


def write_shard(folder: Path, shard: Shard, rows: Sequence[Tensor], recipe: Recipe) -> None:
    """Write a shard whole.

    Raises:
        InputError: the disk is full or cannot be written; what was made before stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{shard.file}.tmp"
    tensors = {"features": torch.stack(list(rows)).to(getattr(torch, recipe.dtype)).contiguous()}
    try:
        # One entry: safetensors writes several in no fixed order, and equal shards should be equal bytes.
        header = {"recipe": recipe.key, "pictures": shard.pictures, "sha256": _digest(tensors["features"])}
        save_file(tensors, temporary, {_HEADER: json.dumps(header)})
        temporary.replace(folder / shard.file)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"{folder / shard.file} cannot be written ({error}); free space and run again: the "
            "shards that are there stay"
        ) from error


def finish(
    folder: Path,
    work: Path,
    done: Plan,
    images: Mapping[str, str],
    recipe: Recipe,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Move what was made in `work` into the store, write its manifest over `images` (name → picture) and
    delete what is stale; returns the manifest. Shards in `work` that other settings began stay.
    """
    shards = sorted([*done.kept, *done.missing], key=lambda shard: shard.file)
    folder.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        if (work / shard.file).is_file():  # also where the store has one: that may be damaged
            (folder / shard.file).unlink(missing_ok=True)  # perhaps a link to DVC's cache: never written into
            shutil.move(work / shard.file, folder / shard.file)
    manifest = {
        **recipe.fields(),
        "versions": dict(versions),
        "shards": [shard.file for shard in shards],
        "images": dict(sorted(images.items())),
    }
    write_json(folder / MANIFEST, manifest)
    for path in [*done.stale, *folder.glob("*.tmp"), *work.glob("*.tmp")]:
        path.unlink(missing_ok=True)
    return manifest


def part_of(pictures: Sequence[str], recipe: Recipe) -> list[Shard]:
    """A shard of any size, whose rows are copied into whole ones later; none for no pictures."""
    return [_shard(list(pictures), recipe)] if pictures else []


def row_of(path: Path, row: int) -> Tensor:
    """One row `[queries, size]` of a shard, as it is on disk."""
    with safe_open(path, framework="pt") as shard:
        return shard.get_slice("features")[row]


def _shard(pictures: list[str], recipe: Recipe) -> Shard:
    name = hashlib.sha256(json.dumps([recipe.key, pictures]).encode()).hexdigest()
    return Shard(f"features-{name[:16]}.safetensors", pictures)


def _pictures_in(path: Path, recipe: Recipe) -> list[str]:
    """The pictures of a shard made by this recipe; none of another's, of a damaged one or of no shard."""
    try:
        with safe_open(path, framework="pt") as shard:
            header = json.loads((shard.metadata() or {}).get(_HEADER, "{}"))
            digest = _digest(shard.get_tensor("features")) if header.get("recipe") == recipe.key else ""
    except (OSError, SafetensorError, ValueError):
        return []
    return list(header["pictures"]) if digest and header.get("sha256") == digest else []


def _digest(rows: Tensor) -> str:
    return hashlib.sha256(rows.view(torch.uint8).numpy().data).hexdigest()


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
        if any(made_by.get(key) != model[key] for key in _DECISIVE):
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
            for row, picture in enumerate(json.loads(shard.metadata()[_HEADER])["pictures"])
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

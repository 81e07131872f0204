"""What makes a feature store: a plan of its shards, each written whole."""

import errno
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vqa.core.errors import InputError
from vqa.core.files import whole, write_json
from vqa.core.known_hashes import KnownHashes
from vqa.features.store import DECISIVE, HEADER, MANIFEST, read_shard
from vqa.vlm.image_features import ImageFeatures

_SHARDS = "features-*.safetensors"


@dataclass(frozen=True)
class Recipe:
    """What decides a row's numbers: the image encoder, its level, the dtype on disk, the image decoder."""

    model: Mapping[str, str | None]  # Pretrained.identity()
    level: str  # qformer or vit
    dtype: str
    decoder: int = 1  # images.DECODER: how an image's bytes became pixels

    def fields(self) -> dict[str, Any]:
        return {**vars(self), "model": dict(self.model)}

    @property
    def key(self) -> str:
        """Equal for recipes that make equal rows, wherever the model lies."""
        parts = *(self.model[key] for key in DECISIVE), self.level, self.dtype, self.decoder
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Shard:
    """A shard that is there or is to be made: its file's name and its rows' images."""

    file: str
    images: list[str]


@dataclass(frozen=True)
class Plan:
    """Shards to keep as they are, shards to make, files to delete at the end, rows that need no encoder."""

    kept: list[Shard]
    missing: list[Shard]
    stored: frozenset[str]  # files of `kept` that are whole in the store; the others are whole in `work`
    stale: list[Path]  # also parts that earlier runs or several processes made, and whose rows are all copied
    reusable: dict[str, tuple[Path, int]]  # image → row of a shard that will be deleted

    @property
    def new(self) -> list[str]:
        """Images that the encoder must be run on."""
        return [p for shard in self.missing for p in shard.images if p not in self.reusable]


def plan(folder: Path, work: Path, images: Sequence[str], recipe: Recipe, images_per_shard: int) -> Plan:
    """What is left to do so that the store in `folder` holds `images`; the same for every process.

    `work` is where shards are made: what an earlier run left there is taken over.

    A full shard of which most rows are wanted stays as it is: one image less in each shard does not write
    all of ABO's 20 GB again, and the store is never twice as large as it need be. What other shards of this
    recipe hold is copied into new ones, so that growth by single images does not end in a thousand files.
    A shard is read whole where it is new here; after that, size and time tell that it is the same.
    """
    wanted = set(images)
    whole_shards: list[Shard] = []
    stored: set[str] = set()
    stale: dict[Path, list[str]] = {}
    reusable: dict[str, tuple[Path, int]] = {}
    covered: set[str] = set()
    read = KnownHashes("shards", _digest_in)
    for path in [*sorted(folder.glob(_SHARDS)), *sorted(work.glob(_SHARDS))]:
        rows = _images_in(path, recipe, read)
        useful = wanted.intersection(rows)
        if len(rows) == images_per_shard < 2 * len(useful) and covered.isdisjoint(useful):
            whole_shards.append(Shard(path.name, rows))
            stored.update({path.name} if path.parent == folder else ())
            covered.update(useful)
            continue
        stale[path] = rows
        for row, image in enumerate(rows):
            reusable.setdefault(image, (path, row))
    read.keep()
    left = sorted(wanted - covered)
    missing = [
        _shard(left[start : start + images_per_shard], recipe)
        for start in range(0, len(left), images_per_shard)
    ]
    stored.update(shard.file for shard in missing if stale.get(folder / shard.file) == shard.images)
    there = [s for s in missing if s.file in stored or stale.get(work / s.file) == s.images]
    used = {shard.file for shard in [*whole_shards, *missing]}
    return Plan(
        whole_shards + there,
        [shard for shard in missing if shard not in there],
        frozenset(stored),
        [
            path
            for path, rows in stale.items()
            if path.name not in used and (path.parent == folder or wanted.issuperset(rows or [""]))
        ],
        {image: at for image, at in reusable.items() if image in wanted},
    )


def write_shard(
    folder: Path, shard: Shard, per_image: Iterable[Tensor | ImageFeatures], recipe: Recipe
) -> None:
    """Write a shard whole; `per_image`, one for each of its images, are taken as they come.

    Raises:
        InputError: the disk is full or cannot be written; what was made before stays.
    """
    dtype, taken = getattr(torch, recipe.dtype), iter(per_image)
    first = next(taken)  # a shard has at least one image
    lies: dict[str, Any] = {}
    if isinstance(first, ImageFeatures):
        features, lies = _one_after_another(itertools.chain([first], taken), dtype)
    else:
        features = _filled(itertools.chain([first], taken), len(shard.images), dtype)
    tensors = {"features": features}
    try:
        # One entry: safetensors writes several in no fixed order, and equal shards should be equal bytes.
        header = {"recipe": recipe.key, "pictures": shard.images, "sha256": _digest(features)} | lies
        with whole(folder / shard.file) as path:
            save_file(tensors, path, {HEADER: json.dumps(header)})
    except (OSError, SafetensorError) as error:
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
    """Move what was made in `work` into the store, write its manifest over `images` (name → image) and
    delete what is stale; returns the manifest. Shards in `work` that other settings began stay.
    """
    shards = sorted([*done.kept, *done.missing], key=lambda shard: shard.file)
    folder.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        made = work / shard.file
        if shard.file in done.stored:
            made.unlink(missing_ok=True)  # another copy, or a torn one
        elif made.is_file():  # also where the store has one: that is damaged
            _move(made, folder / shard.file)
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


def _move(made: Path, to: Path) -> None:
    """Rename, or across disks copy and then rename: whatever happens, one whole file is there.

    What lies at `to` is replaced and never written into: it may be a link to DVC's cache.

    Raises:
        InputError: the disk is full or cannot be written; the shard stays where it was made.
    """
    try:
        made.replace(to)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        try:
            with whole(to) as copy:
                shutil.copyfile(made, copy)
        except OSError as full:
            raise InputError(
                f"{to} cannot be written ({full.strerror}); free space and run again: {made} stays"
            ) from full
        made.unlink()


def part_of(images: Sequence[str], recipe: Recipe) -> list[Shard]:
    """A shard of any size, whose rows are copied into whole ones later; none for no images."""
    return [_shard(list(images), recipe)] if images else []


class OpenShards:
    """Rows of shards, each file opened once: that costs as much as reading ten rows."""

    def __init__(self) -> None:
        self._features: dict[Path, Callable[[int], Tensor | ImageFeatures]] = {}

    def row(self, path: Path, row: int) -> Tensor | ImageFeatures:
        """An image's features in a shard, as they are on disk."""
        if path not in self._features:
            _, self._features[path] = read_shard(safe_open(path, framework="pt"))
        return self._features[path](row)


def _shard(images: list[str], recipe: Recipe) -> Shard:
    name = hashlib.sha256(json.dumps([recipe.key, images]).encode()).hexdigest()
    return Shard(f"features-{name[:16]}.safetensors", images)


def _images_in(path: Path, recipe: Recipe, read: KnownHashes) -> list[str]:
    """The images of a shard made by this recipe; none of another's, of a damaged one or of no shard."""
    try:
        with safe_open(path, framework="pt") as shard:
            header = json.loads((shard.metadata() or {}).get(HEADER, "{}"))
        is_whole = header.get("recipe") == recipe.key and header.get("sha256") == read.sha256_file(path)
    except (OSError, SafetensorError, ValueError):
        return []
    return list(header["pictures"]) if is_whole else []


def _digest_in(path: Path) -> str:
    with safe_open(path, framework="pt") as shard:
        return _digest(shard.get_tensor("features"))


def _one_after_another(
    per_image: Iterable[Tensor | ImageFeatures], dtype: torch.dtype
) -> tuple[Tensor, dict[str, Any]]:
    """All rows `[rows, size]`, and how they divide: how many each image has, and its grid."""
    images = [
        ImageFeatures(image_features.rows.to(dtype), image_features.grid)
        for image_features in per_image
        if isinstance(image_features, ImageFeatures)
    ]
    lies = {
        "lengths": [len(image_features.rows) for image_features in images],
        "grids": [image_features.grid for image_features in images],
    }
    return torch.cat([image_features.rows for image_features in images]), lies


def _filled(rows: Iterable[Tensor | ImageFeatures], count: int, dtype: torch.dtype) -> Tensor:
    """The rows in one tensor `[count, queries, size]`, without a second copy: at ViT level it has 1.4 GB."""
    filled: Tensor | None = None
    for number, row in enumerate(rows):
        assert isinstance(row, Tensor)
        filled = torch.empty(count, *row.shape, dtype=dtype) if filled is None else filled
        filled[number] = row
    if filled is None:
        raise ValueError("a shard has at least one row")
    return filled


def _digest(rows: Tensor) -> str:
    return hashlib.sha256(rows.view(torch.uint8).numpy().data).hexdigest()

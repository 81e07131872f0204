"""Run the frozen half of BLIP-2 once a picture: trusted pairs → cached features.

    python src/cache_features.py
    torchrun --nproc-per-node 8 src/cache_features.py      # or params.yaml: run.launcher

In: data/vqa/{train,val,test}.csv, the pictures at data.root, the model. Out: data/features and
metrics/features.json. After this stage no picture is opened while training or answering. Only pictures
whose bytes are new are computed; killed, the next run continues with the next shard.
"""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vqa import abo, features
from vqa.blip2 import ImageEncoder, PixelReader
from vqa.checkpoint import Checkpoint
from vqa.devices import (
    default_device,
    join_processes,
    leave_processes,
    rank_and_world,
    wait_for_all,
)
from vqa.errors import InputError, run_command
from vqa.features import Plan, Recipe, Shard
from vqa.files import write_json
from vqa.images import DECODER, ImageError, content_hash, load_image
from vqa.memory import TOO_LARGE, in_batches_that_fit
from vqa.pairs import read_pairs
from vqa.settings import Features, load_settings
from vqa.splits import SPLITS
from vqa.terminal import progress_bar

PAIRS = Path("data/vqa")
OUT = Path("data/features")
METRICS = Path("metrics/features.json")
_LIBRARIES = ("torch", "transformers", "pillow")


class Pixels(Dataset[Tensor]):
    """Picture i as the model's input `[3, H, W]`; decoding runs in the loader's workers."""

    def __init__(self, paths: Sequence[Path], reader: PixelReader) -> None:
        self._paths, self._reader = paths, reader

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Tensor:
        try:
            return self._reader.pixels([load_image(self._paths[index])])[0]
        except ImageError as error:
            raise InputError(
                f"{self._paths[index]} changed after validation ({error.reason}); run dvc repro validate"
            ) from error


def run() -> None:
    settings = load_settings()
    rank, world = rank_and_world()
    join_processes()
    pairs = [pair for split in SPLITS for pair in read_pairs(PAIRS / f"{split}.csv")]
    paths = {p.image_name: abo.image_path(settings.data.root, p.image_name) for p in pairs}
    images = {name: _hash_of(path) for name, path in sorted(paths.items())}
    path_of = {picture: paths[name] for name, picture in images.items()}

    device = default_device()
    checkpoint = Checkpoint.of(settings.model)
    checkpoint.check()
    recipe = Recipe(checkpoint.identity(device), settings.features.level, settings.features.dtype, DECODER)
    todo = features.plan(OUT, list(path_of), recipe, settings.features.images_per_shard)
    wait_for_all()  # every process has planned from the same files before one writes the first
    mine = todo.missing[rank::world]
    if any(picture not in todo.reusable for shard in mine for picture in shard.pictures):
        encoder = checkpoint.load_encoder(device, settings.features.level)
        _make(mine, todo, path_of, encoder, recipe, settings.features)
    else:
        for shard in mine:
            features.write_shard(OUT, shard, [_copied(todo, p) for p in shard.pictures], recipe)
    wait_for_all()
    if rank == 0:
        versions = {library: version(library) for library in _LIBRARIES}
        manifest = features.finish(OUT, todo, images, recipe, versions)
        made = [picture for shard in todo.missing for picture in shard.pictures]
        computed = sum(picture not in todo.reusable for picture in made)
        sizes = [(OUT / file).stat().st_size for file in manifest["shards"]]
        metrics = {"images": len(images), "pictures": len(path_of), "computed": computed}
        metrics |= {"reused": len(path_of) - computed, "shards": len(sizes), "bytes": sum(sizes)}
        write_json(METRICS, metrics | recipe.fields())
        print(f"{OUT} holds the features of {len(images)} images; {computed} pictures were computed")
    leave_processes()


def _hash_of(path: Path) -> str:
    found = content_hash(path)
    if not found:
        raise InputError(f"{path} is gone since validation; restore it or run dvc repro validate")
    return found


def _copied(todo: Plan, picture: str) -> Tensor:
    return features.row_of(*todo.reusable[picture])


def _make(
    mine: Sequence[Shard],
    todo: Plan,
    path_of: dict[str, Path],
    encoder: ImageEncoder,
    recipe: Recipe,
    limits: Features,
) -> None:
    """Compute and write shards one by one; a batch never crosses shards, so each can be made anywhere."""
    new = [[picture for picture in shard.pictures if picture not in todo.reusable] for shard in mine]
    computed = _features(new, path_of, encoder, limits)
    for shard, pictures in zip(mine, new, strict=True):
        rows = {picture: next(computed) for picture in pictures}
        missing = [rows[p] if p in rows else _copied(todo, p) for p in shard.pictures]
        features.write_shard(OUT, shard, missing, recipe)


@torch.inference_mode()
def _features(
    groups: Sequence[Sequence[str]], path_of: dict[str, Path], encoder: ImageEncoder, limits: Features
) -> Iterator[Tensor]:
    """Rows `[queries, size]` of the groups' pictures, in their order."""
    flat = [picture for group in groups for picture in group]
    batches, start = [], 0
    for group in groups:
        numbers = range(start, start + len(group))
        batches += [numbers[i : i + limits.batch_size] for i in range(0, len(group), limits.batch_size)]
        start += len(group)
    pixels = Pixels([path_of[picture] for picture in flat], encoder.reader)
    loader = DataLoader(pixels, batch_sampler=batches, num_workers=limits.workers)  # type: ignore[arg-type]
    with progress_bar(len(flat), "image", "features", is_shown=rank_and_world()[0] == 0) as progress:
        for batch in loader:

            def look(count: int, batch: Tensor = batch) -> Tensor:
                return encoder.features(batch[:count]).cpu()

            yield from in_batches_that_fit(look, len(batch), "pictures", "features.batch_size", TOO_LARGE)
            progress.update(len(batch))


if __name__ == "__main__":
    run_command(run)

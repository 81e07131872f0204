"""Run the frozen half of BLIP-2 once a picture: trusted pairs → cached features.

    python src/cache_features.py
    torchrun --nproc-per-node 8 src/cache_features.py      # or params.yaml: run.launcher

In: data/vqa/{train,val,test}.csv, the pictures at data.root, the model. Out: data/features and
metrics/features.json. After this stage no picture is opened while training or answering. Only pictures
whose bytes are new are computed; killed, the next run continues with the next shard.
"""

from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

from vqa import abo, features
from vqa.checkpoint import Checkpoint
from vqa.devices import (
    default_device,
    join_processes,
    leave_processes,
    rank_and_world,
    wait_for_all,
)
from vqa.durable import durable_folder
from vqa.encoding import make_shards
from vqa.errors import InputError, run_command
from vqa.features import Plan, Recipe
from vqa.files import locked, write_json
from vqa.images import DECODER, content_hash
from vqa.pairs import read_pairs
from vqa.settings import load_settings
from vqa.splits import SPLITS

PAIRS = Path("data/vqa")
OUT = Path("data/features")
METRICS = Path("metrics/features.json")
_LIBRARIES = ("torch", "transformers", "pillow")


def run() -> None:
    settings = load_settings()
    device, limits = default_device(), settings.features
    rank, world = rank_and_world()
    join_processes()
    pairs = [pair for split in SPLITS for pair in read_pairs(PAIRS / f"{split}.csv")]
    paths = {p.image_name: abo.image_path(settings.data.root, p.image_name) for p in pairs}
    images = {name: _hash_of(path) for name, path in sorted(paths.items())}
    path_of = {picture: paths[name] for name, picture in images.items()}

    checkpoint = Checkpoint.of(settings.model)
    checkpoint.check()
    recipe = Recipe(checkpoint.identity(device), limits.level, limits.dtype, DECODER)
    work = durable_folder("features")  # shards are made where no checkout reaches them
    with locked(work / "lock") if rank == 0 else nullcontext():  # experiments side by side share it
        todo = features.plan(OUT, work, list(path_of), recipe, limits.images_per_shard)
        wait_for_all()  # every process has planned from the same files before one writes the first
        make_shards(
            work,
            todo.missing[rank::world],
            todo,
            path_of,
            recipe,
            lambda: checkpoint.load_encoder(device, limits.level),
            limits.batch_size,
            limits.workers,
        )
        wait_for_all()
        if rank == 0:
            _finish(work, todo, images, recipe)
    leave_processes()


def _finish(work: Path, todo: Plan, images: dict[str, str], recipe: Recipe) -> None:
    """Put the store together and say what it took."""
    versions = {library: version(library) for library in _LIBRARIES}
    manifest = features.finish(OUT, work, todo, images, recipe, versions)
    pictures = len(set(images.values()))
    made = [picture for shard in todo.missing for picture in shard.pictures]
    computed = sum(picture not in todo.reusable for picture in made)
    sizes = [(OUT / file).stat().st_size for file in manifest["shards"]]
    metrics = {"images": len(images), "pictures": pictures, "computed": computed}
    metrics |= {"reused": pictures - computed, "shards": len(sizes), "bytes": sum(sizes)}
    write_json(METRICS, metrics | recipe.fields())
    print(f"{OUT} holds the features of {len(images)} images; {computed} pictures were computed")


def _hash_of(path: Path) -> str:
    found = content_hash(path)
    if not found:
        raise InputError(f"{path} is gone since validation; restore it or run dvc repro validate")
    return found


if __name__ == "__main__":
    run_command(run)

"""Run the image encoder once an image: trusted pairs → cached features.

    python src/cache_features.py
    torchrun --nproc-per-node 8 src/cache_features.py      # or params.yaml: run.launcher

In: data/vqa/{train,val,test}.csv, the images at data.root, the model. Out: data/features and
metrics/features.json. After this stage no image is opened while training or answering. Only images
whose bytes are new are computed; killed, the next run continues with the next shard.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path

from vqa.catalogue import abo
from vqa.catalogue.images import DECODER
from vqa.catalogue.manifest import read_tree
from vqa.core.devices import (
    default_device,
    from_first,
    join_processes,
    leave_processes,
    rank_and_world,
    wait_for_all,
)
from vqa.core.errors import run_stage
from vqa.core.files import locked, write_json
from vqa.core.state_dir import state_folder
from vqa.features import shards
from vqa.features.encoding import content_hashes, make_shards
from vqa.features.shards import Plan, Recipe, Shard
from vqa.pairs.pair import SPLITS, read_pairs
from vqa.settings import load_settings
from vqa.vlm.loading import Pretrained

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
    root = read_tree(settings.data.root)
    paths = {p.image_name: abo.image_path(root, p.image_name) for p in pairs}
    pretrained = Pretrained.of(settings.model)
    pretrained.check()
    images = from_first(lambda: content_hashes(paths))
    path_of = {image: paths[name] for name, image in images.items()}
    recipe = Recipe(pretrained.identity(device), limits.level, limits.dtype, DECODER)
    work = state_folder("features")  # shards are made where no checkout reaches them

    def plan() -> Plan:
        return from_first(lambda: shards.plan(OUT, work, list(path_of), recipe, limits.images_per_shard))

    def make(wanted: Sequence[Shard], todo: Plan) -> None:
        encoder = partial(pretrained.load_encoder, device, limits.level)
        make_shards(work, wanted, todo, path_of, recipe, encoder, limits.batch_size, limits.workers)
        wait_for_all()

    # Experiments side by side share what is made.
    with locked(work / "lock", waits=True) if rank == 0 else nullcontext():
        first = todo = plan()
        if 0 < len(todo.missing) < world:  # too few to share out whole
            make(shards.part_of(todo.new[rank::world], recipe), todo)
            todo = plan()
        make(todo.missing[rank::world], todo)
        if rank == 0:
            _finish(work, todo, images, recipe, len(first.new))
    leave_processes()


def _finish(work: Path, todo: Plan, images: dict[str, str], recipe: Recipe, computed: int) -> None:
    """Finish the store, and write and print what was computed."""
    versions = {library: version(library) for library in _LIBRARIES}
    manifest = shards.finish(OUT, work, todo, images, recipe, versions)
    distinct_images = len(set(images.values()))
    sizes = [(OUT / file).stat().st_size for file in manifest["shards"]]
    metrics = {"images": len(images), "distinct_images": distinct_images, "computed": computed}
    metrics |= {"reused": distinct_images - computed, "shards": len(sizes), "bytes": sum(sizes)}
    write_json(METRICS, metrics | recipe.fields())
    print(f"{OUT} holds the features of {len(images)} images; {computed} images were computed")


if __name__ == "__main__":
    run_stage(run)

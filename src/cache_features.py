"""Run the frozen half of BLIP-2 once a picture: trusted pairs → cached features.

    python src/cache_features.py
    torchrun --nproc-per-node 8 src/cache_features.py      # or params.yaml: run.launcher

In: data/vqa/{train,val,test}.csv, the pictures at data.root, the model. Out: data/features and
metrics/features.json. After this stage no picture is opened while training or answering. Only pictures
whose bytes are new are computed; killed, the next run continues with the next shard.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path

from vqa.catalogue import abo
from vqa.catalogue.pictures import DECODER
from vqa.catalogue.stamp import tree_of
from vqa.features import shards
from vqa.features.encoding import content_hashes, make_shards
from vqa.features.shards import Plan, Recipe, Shard
from vqa.foundation.devices import (
    default_device,
    from_first,
    join_processes,
    leave_processes,
    rank_and_world,
    wait_for_all,
)
from vqa.foundation.durable import durable_folder
from vqa.foundation.errors import run_stage
from vqa.foundation.files import locked, write_json
from vqa.pairs.pair import SPLITS, read_pairs
from vqa.settings import load_settings
from vqa.vlm.pretrained import Pretrained

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
    root = tree_of(settings.data.root)
    paths = {p.image_name: abo.image_path(root, p.image_name) for p in pairs}
    pretrained = Pretrained.of(settings.model)
    pretrained.check()
    images = from_first(lambda: content_hashes(paths))
    path_of = {picture: paths[name] for name, picture in images.items()}
    recipe = Recipe(pretrained.identity(device), limits.level, limits.dtype, DECODER)
    work = durable_folder("features")  # shards are made where no checkout reaches them

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
    """Put the store together and say what it took."""
    versions = {library: version(library) for library in _LIBRARIES}
    manifest = shards.finish(OUT, work, todo, images, recipe, versions)
    pictures = len(set(images.values()))
    sizes = [(OUT / file).stat().st_size for file in manifest["shards"]]
    metrics = {"images": len(images), "pictures": pictures, "computed": computed}
    metrics |= {"reused": pictures - computed, "shards": len(sizes), "bytes": sum(sizes)}
    write_json(METRICS, metrics | recipe.fields())
    print(f"{OUT} holds the features of {len(images)} images; {computed} pictures were computed")


if __name__ == "__main__":
    run_stage(run)

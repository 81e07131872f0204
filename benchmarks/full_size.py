"""The stages that a CPU does, one after another, on a made-up catalogue of ABO's size: seconds and memory.

    python benchmarks/full_size.py [--images 398212]

Draws tiny images and their listings in a temporary folder (2 GB at full size), then runs generate
(metadata) and validate twice, plans the features, and guesses and bounds what evaluate does without a model.
Memory is each process's peak.
"""

import argparse
import gzip
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))
SHARDS = 16
COLORS = "black white red blue green yellow brown gray pink purple orange beige".split()
MATERIALS = "wood metal glass plastic cotton leather ceramic steel paper rubber".split()
SHAPES = "round square oval rectangular long triangular hexagonal curved".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=398_212)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_catalogue(folder / "data/abo", images)
        params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
        params["data"]["root"] = "data/abo"
        params["generate"] |= {"images": images, "questions_per_image": 3}
        YAML().dump(params, folder / "params.yaml")
        (folder / "models").symlink_to(ROOT / "models")
        os.chdir(folder)
        print(f"{'stage':<22} {'seconds':>8} {'GB':>6}")
        for stage in ("generate", "validate", "validate again"):
            _run_stage(stage)
        for name, work in {
            "plan of features": plan,
            "question-only": question_only,
            "bootstrap": bootstrap,
        }.items():
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                pool.submit(_weighed, name, work).result()


def _run_stage(stage: str) -> None:
    start, script = time.perf_counter(), str(ROOT / "src" / f"{stage.split(maxsplit=1)[0]}.py")
    with Path("log").open("w") as log:
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, script],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)],
        )
        _, status, usage = os.wait4(child, 0)
    said = Path("log").read_text().splitlines()
    if status:
        sys.exit("\n".join(said[-5:]))
    _print(stage, time.perf_counter() - start, usage.ru_maxrss, "")


def _weighed(name: str, work: Callable[[], str]) -> None:
    start = time.perf_counter()
    found = work()
    _print(name, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, found)


def _print(name: str, seconds: float, peak: int, found: str) -> None:
    print(f"{name:<22} {seconds:>8.1f} {peak / 2**20:>6.2f}  {found}", flush=True)


def plan() -> str:
    """What cache_features does before it encodes: the images' hashes, and which shards are to be made."""
    from cache_features import PAIRS
    from vqa.catalogue.abo import image_path
    from vqa.features import shards
    from vqa.features.encoding import content_hashes
    from vqa.pairs.pair import SPLITS, read_pairs

    pairs = [pair for split in SPLITS for pair in read_pairs(PAIRS / f"{split}.csv")]
    names = {pair.image_name for pair in pairs}
    hashes = content_hashes({name: image_path(Path("data/abo"), name) for name in names})
    recipe = shards.Recipe({"fingerprint": "f", "processor": "p", "dtype": "float32"}, "qformer", "bfloat16")
    todo = shards.plan(Path("data/features"), Path("work"), list(set(hashes.values())), recipe, 1000)
    return f"{len(todo.missing)} shards of {len(pairs):,} pairs' images"


def question_only() -> str:
    from vqa.evaluation.guesses import majority_guesses, question_only_guesses
    from vqa.pairs.pair import read_pairs

    train, test = (read_pairs(Path(f"data/vqa/{split}.csv")) for split in ("train", "test"))
    question_only_guesses(train, test)
    majority_guesses(train, test)
    return f"{len(test):,} questions by {len(train):,} pairs"


def bootstrap() -> str:
    from vqa.pairs.pair import read_pairs
    from vqa.stats.bootstrap import ClusterBootstrap

    test, rng = read_pairs(Path("data/vqa/test.csv")), np.random.default_rng(0)
    columns = ClusterBootstrap(test)
    for _ in range(92):
        columns.add(rng.random(len(test)), "mean", rng.random(len(test)) < 0.5)
    columns.intervals(10_000, 0)
    return f"10,000 draws of {len({pair.image_name for pair in test}):,} images"


def write_catalogue(root: Path, images: int) -> None:
    """Noise of 16×16 pixels, so that no two are near duplicates; one listing each."""
    rng, numbers = random.Random(0), np.random.default_rng(0)
    names = [f"{number * 2654435761 % 2**32:08x}.png" for number in range(images)]
    for number in range(256):
        (root / f"images/small/{number:02x}").mkdir(parents=True)
    for name in names:
        pixels = numbers.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images/small" / name[:2] / name, compress_level=0)
    for folder in ("images/metadata", "listings/metadata"):
        (root / folder).mkdir(parents=True)
    with gzip.open(root / "images/metadata/images.csv.gz", "wt") as file:
        file.write("image_id,height,width,path\n")
        file.writelines(f"71{n:07d}+L,16,16,{name[:2]}/{name}\n" for n, name in enumerate(names))
    for shard in range(SHARDS):
        with gzip.open(root / f"listings/metadata/listings_{shard:x}.json.gz", "wt") as file:
            file.writelines(json.dumps(_listing(n, rng)) + "\n" for n in range(shard, images, SHARDS))


def _listing(number: int, rng: random.Random) -> dict[str, object]:
    def text(value: str) -> list[dict[str, str]]:
        return [{"language_tag": "en_US", "value": value}]

    return {
        "item_id": f"B{number:09d}",
        "item_name": text(f"Thing number {number}"),
        "product_type": [{"value": f"KIND{number % 573}"}],
        "color": text(rng.choice(COLORS)),
        "material": text(rng.choice(MATERIALS)),
        "item_shape": text(rng.choice(SHAPES)),
        "main_image_id": f"71{number:07d}+L",
    }


if __name__ == "__main__":
    main()

"""Seconds and memory of what could grow with the square of the images or pairs, at ABO's size and a tenth.

    python benchmarks/growth.py [near_duplicates …]

Data are made up: 398,212 images as alike as ABO's. Each part runs in a process of its own; its memory is
that process's peak, libraries and the made-up data included.
"""

import random
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
IMAGES = 398_212


def main() -> None:
    chosen = sys.argv[1:] or list(PARTS)
    print(f"{'part':<14} {'images':>9} {'seconds':>8} {'GB':>6}")
    for name in chosen:
        for share in (0.1, 1.0):
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                pool.submit(_weighed, name, int(share * IMAGES)).result()


def _weighed(name: str, images: int) -> None:
    seconds, found = PARTS[name](images)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:<14} {images:>9,} {seconds:>8.1f} {peak:>6.2f}  {found}")


def near_duplicates(images: int) -> tuple[float, str]:
    from vqa.validation import near_duplicates

    hashes = _hashes(images)
    start = time.perf_counter()
    found = near_duplicates.near_duplicates(hashes, 10)
    return time.perf_counter() - start, f"{found.pairs:,} pairs of near duplicates"


def splits(images: int) -> tuple[float, str]:
    """With a chain of near duplicates that holds a fifth of the images."""
    from vqa.catalogue.images import ImageRecord
    from vqa.validation.splits import SplitConfig, split_images

    hashes = _hashes(images - images // 5) + _chain(images // 5)
    found = {f"{i:08x}.jpg": ImageRecord(f"{i:064x}", 256, 256, text) for i, text in enumerate(hashes)}
    types = {name: f"TYPE{i % 573}" for i, name in enumerate(found)}
    start = time.perf_counter()
    split_assignment = split_images(found, types, [], SplitConfig(0.1, 0.25, 10, 0), Path("no splits.json"))
    seconds = time.perf_counter() - start
    cut = f"largest group {split_assignment.largest_share:.1%}, {split_assignment.groups_cut} cut"
    return seconds, f"{cut}, {len(split_assignment.left_out):,} images left out"


def store(images: int) -> tuple[float, str]:
    """Plan and copy after one image of each shard, and two of three of every tenth, went; small rows."""
    import torch

    from vqa.features.shards import OpenShards, Recipe, plan, write_shard

    recipe = Recipe({"fingerprint": "f", "processor": "p", "dtype": "float32"}, "qformer", "float32")
    names, row = [f"{number:064x}" for number in range(images)], torch.zeros(1, 64)
    with TemporaryDirectory() as folder:
        place, work = Path(folder, "store"), Path(folder, "work")
        for shard in plan(place, work, names, recipe, 1000).missing:
            write_shard(place, shard, (row for _ in shard.images), recipe)
        left = [n for i, n in enumerate(names) if i % 1000 and (i // 1000 % 10 or i % 3 == 0)]
        start = time.perf_counter()
        todo = plan(place, work, left, recipe, 1000)
        for shard in todo.missing:
            there = OpenShards()
            write_shard(work, shard, (there.row(*todo.reusable[name]) for name in shard.images), recipe)
        seconds = time.perf_counter() - start
    return seconds, f"{len(todo.kept)} shards stay, {len(todo.missing)} are copied from {len(todo.stale)}"


def question_only(images: int) -> tuple[float, str]:
    """2.5 known questions an image and a tenth as many asked, all distinct: a million and 100,000."""
    from vqa.label_checks.question_only import KnownQuestions

    known, asked = int(2.5 * images), int(2.5 * images) // 10
    questions = _questions(known + asked)
    start = time.perf_counter()
    nearest = KnownQuestions(questions[:known]).nearest(questions[known:], 20)
    found = sum(len(numbers) for numbers, _ in nearest)
    return time.perf_counter() - start, f"{found:,} neighbours of {asked:,} questions among {known:,}"


def checks(images: int) -> tuple[float, str]:
    """2.5 pairs an image, three of ten questions distinct, a product an image: all free label checks."""
    from vqa.catalogue.abo import Product
    from vqa.label_checks.checks import run_label_checks
    from vqa.label_checks.listing import Catalogue
    from vqa.pairs.pair import Pair

    count, rng = int(2.5 * images), np.random.default_rng(0)
    pool = [*_questions(int(0.3 * count)), "what color is the rug", "what material is the rug"]
    answers = [f"w{rank}" for rank in np.minimum(rng.zipf(1.3, count), 5000).tolist()]
    colors = rng.choice(["red", "blue", "navy", "black", "white", "gray"], (count, 2)).tolist()
    asked = rng.integers(len(pool), size=count).tolist()
    pairs = []
    for i, (number, answer, (color, _)) in enumerate(zip(asked, answers, colors, strict=True)):
        name, is_color = f"{i * 2 // 5:08x}.jpg", i % 5 == 0
        question, kind = (pool[-2], "color") if is_color else (pool[number], "other")
        pairs.append(Pair(name, question, color if is_color else answer, kind))
    products = [
        Product(f"B{i}", f"{i:08x}.jpg", "RUG", f"Rug {i}, Soft", colors[i][1], None, None, None, None, ())
        for i in range(images)
    ]
    start = time.perf_counter()
    listed = Catalogue.of(products)
    checks_run = run_label_checks(pairs, pairs, pairs, listed, {}, lambda a, _: [0.0] * len(a), 5, 0.5)
    support_levels = checks_run.support_levels()
    seconds = time.perf_counter() - start
    said = sum(support.support != "unknown" for support in support_levels)
    return seconds, f"{said:,} of {count:,} pairs supported or conflicting, {len(pool):,} distinct questions"


def bootstrap(images: int) -> tuple[float, str]:
    """A quarter of the images held out, 2.5 pairs each; the columns of six systems and seven types."""
    from vqa.pairs.pair import Pair
    from vqa.stats.bootstrap import ClusterBootstrap

    held_out, rng = images // 4, np.random.default_rng(0)
    pairs = [Pair(f"{i * 2 // 5:08x}.jpg", "", "") for i in range(held_out * 5 // 2)]
    start = time.perf_counter()
    columns = ClusterBootstrap(pairs)
    for _ in range(92):
        columns.add(rng.random(len(pairs)), "mean", rng.random(len(pairs)) < 0.5)
    columns.intervals(1000, 0)
    return time.perf_counter() - start, f"1,000 draws of {held_out:,} images; 10,000 take ten times as long"


def _questions(count: int) -> list[str]:
    """Distinct ones in a few forms, of words whose number falls as their rank."""
    rng = np.random.default_rng(0)
    forms = (
        "what is {a} of {n}",
        "what is {a} of {b} {n}",
        "how many {n} are visible on {b} {m}",
        "is {n} {b} or {a}",
        "what {a} is {b} part of {n} near {m}",
        "which {a} has {n} on {b} {m} in image",
    )
    found: dict[str, None] = {}
    while len(found) < count:
        words = {
            letter: np.minimum(rng.zipf(1.2, count), most)
            for letter, most in {"n": 1500, "m": 1500, "a": 60, "b": 240}.items()
        }
        columns = (words[letter].tolist() for letter in "nmab")
        for form, n, m, a, b in zip(rng.choice(forms, count).tolist(), *columns, strict=True):
            found[form.format(n=f"n{n}", m=f"m{m}", a=f"a{a}", b=f"b{b}")] = None
    return list(found)[:count]


def _hashes(images: int) -> list[str]:
    """Perceptual hashes: four images a design, each bit as often set as in ABO's, up to nine changed."""
    rng = np.random.default_rng(0)
    often = rng.choice([0.15, 0.25, 0.35, 0.4, 0.43, 0.45, 0.55], 256)
    designs = rng.random((-(-images // 4), 256), dtype=np.float32) < often
    bits = np.repeat(designs, 4, axis=0)[:images]
    for most in range(9):
        rows = np.flatnonzero(rng.integers(9, size=images) > most)
        bits[rows, rng.integers(256, size=len(rows))] ^= True
    return [row.tobytes().hex() for row in np.packbits(bits, axis=1)]


def _chain(images: int) -> list[str]:
    """Each is eight bits from one of the three before it."""
    rng = random.Random(0)
    bits = [rng.getrandbits(256)]
    while len(bits) < images:
        bits.append(rng.choice(bits[-3:]) ^ sum(1 << bit for bit in rng.sample(range(256), 8)))
    return [f"{number:064x}" for number in bits]


PARTS: dict[str, Callable[[int], tuple[float, str]]] = {
    "near_duplicates": near_duplicates,
    "splits": splits,
    "store": store,
    "question_only": question_only,
    "label_checks": checks,
    "bootstrap": bootstrap,
}

if __name__ == "__main__":
    main()

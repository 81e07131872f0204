"""Read a synthetic ABO of full size: 147,702 listings, 398,212 images.csv rows, 123,511 main images.

    python benchmarks/abo_reader.py

Prints seconds and peak memory of reading the catalogue and sampling 1,000 products. The tree is made in a
temporary folder (about 30 s); image files are empty, since the reader never opens them.
"""

import csv
import gzip
import io
import json
import random
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from vqa.catalogue.abo import image_path, read_catalogue, sample

LISTINGS, IMAGES, MAIN_IMAGES = 147_702, 398_212, 123_511
LANGUAGES = ["en_US", "en_GB", "en_IN", "de_DE", "nl_NL", "es_MX", "ja_JP"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_tree(root, random.Random(0))
        start = time.perf_counter()
        catalogue = read_catalogue(root, ["en_US", "en"], 20)
        read = time.perf_counter() - start
        sampled = sample(catalogue.products, 1000, seed=0)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
    print(f"listings {LISTINGS:,}, products {len(catalogue.products):,}, left out {catalogue.left_out}")
    print(f"read {read:.1f} s, with a sample of {len(sampled)} {seconds:.1f} s, peak {peak:.0f} MB")


def write_tree(root: Path, rng: random.Random) -> None:
    names = [f"{number * 2654435761 % 2**32:08x}.jpg" for number in range(IMAGES)]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("image_id", "height", "width", "path"))
    writer.writerows((f"71{n:07d}+L", 500, 500, f"{name[:2]}/{name}") for n, name in enumerate(names))
    (root / "images/metadata").mkdir(parents=True)
    (root / "images/metadata/images.csv.gz").write_bytes(gzip.compress(table.getvalue().encode(), 1))
    for folder in {name[:2] for name in names}:
        (root / "images/small" / folder).mkdir(parents=True)
    for name in names[:MAIN_IMAGES]:
        image_path(root, name).touch()
    (root / "listings/metadata").mkdir(parents=True)
    with ExitStack() as files:
        paths = [root / f"listings/metadata/listings_{digit:x}.json.gz" for digit in range(16)]
        shards = [files.enter_context(gzip.open(path, "wt", 1)) for path in paths]
        for number in range(LISTINGS):
            shards[number % 16].write(json.dumps(listing(number, rng)) + "\n")


def listing(number: int, rng: random.Random) -> dict[str, object]:
    """A line of the usual length (about 3 KB): 44 % phone cases, a fifth of all images shared."""

    def text(words: int) -> list[dict[str, str]]:
        value = " ".join(rng.choices(("amp &amp; cable", "blue", "case", "cotton", "für", "large"), k=words))
        return [{"language_tag": tag, "value": value} for tag in rng.sample(LANGUAGES, 2)]

    kind = "CELLULAR_PHONE_CASE" if rng.random() < 0.44 else f"TYPE_{rng.randrange(575)}"
    image = number if number < MAIN_IMAGES else rng.randrange(MAIN_IMAGES)
    return {
        "item_id": f"B{number:09d}",
        "item_name": text(12),
        "color": text(1),
        "bullet_point": [entry for _ in range(5) for entry in text(14)],
        "item_keywords": [entry for _ in range(6) for entry in text(2)],
        "product_type": [{"value": kind}],
        "main_image_id": f"71{image:07d}+L",
        "country": "US",
    }


if __name__ == "__main__":
    main()

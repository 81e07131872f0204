"""Seconds and memory of the validate stage on 628,000 rows about 10,000 images, decoded before.

    python benchmarks/validate_rows.py

Draws the images and rows in a temporary folder, runs the stage once to decode them, then times it. The
aim is under 60 s and 2 GB on 2 cores; 628,000 rows on 10,000 images is a real Gemini data set's size.
"""

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
IMAGES, ROWS = 10_000, 628_000
WORDS = "left right top bottom front back small large round flat main outer inner upper lower second".split()
ANSWERS = [f"{color}{i}" for color in ("red", "blue", "wood", "steel", "cotton") for i in range(400)]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params = (ROOT / "params.yaml").read_text().replace("data/demo", "catalogue")
        params = params.replace("models/blip2-tiny", str(ROOT / "models/blip2-tiny"))
        (folder / "params.yaml").write_text(params)
        image_names = _draw_images(folder / "catalogue/images/small")
        _write_rows(folder / "data/vqa/generated.csv", image_names)
        print(f"first run, decoding: {_stage(folder):.1f} s")
        seconds = _stage(folder)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        print(f"second run, {ROWS:,} rows: {seconds:.1f} s, {peak:.2f} GB at most in both")


def _draw_images(folder: Path) -> list[str]:
    """Noise of 16×16 blocks at 128 pixels, so that no two are near duplicates."""
    rng = np.random.default_rng(0)
    names = [f"{number:08x}.jpg" for number in rng.choice(2**31, IMAGES, replace=False)]
    for name in names:
        (folder / name[:2]).mkdir(parents=True, exist_ok=True)
        blocks = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((128, 128)).save(folder / name[:2] / name)
    return names


def _write_rows(path: Path, image_names: list[str]) -> None:
    rng = random.Random(0)
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        file.write("image_name,question,answer\n")
        for i in range(ROWS):
            asked = " ".join(rng.sample(WORDS, 3))
            file.write(f"{image_names[i % IMAGES]},What is the {asked} part?,{rng.choice(ANSWERS)}\n")


def _stage(folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, ROOT / "src/validate.py"], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

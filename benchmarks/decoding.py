"""What colour profiles cost: microseconds to decode an image without one, with sRGB's and with another.

    python benchmarks/decoding.py

Draws 300 images of 256 pixels a side as JPEG and decodes them in turn: with Pillow alone, which looks at no
profile (open, decode, turn upright, RGB), and as the pipeline does. Only an image whose profile is not sRGB
should pay; the ratios are to Pillow alone.
"""

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path[:0] = [
    str(Path(__file__).parents[1] / folder) for folder in ("src", "models/recipes", "tests/helpers")
]

import numpy as np
from PIL import Image, ImageOps

import profiles
from vqa.catalogue.images import decoded

IMAGES, TURNS = 300, 5


def main() -> None:
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (IMAGES, 24, 24, 3), dtype=np.uint8)
    images = [Image.fromarray(block).resize((256, 256)) for block in blocks]
    kinds = {"no profile": None, "sRGB": profiles.srgb(), "Adobe RGB": profiles.adobe_rgb()}
    for name, profile in kinds.items():
        contents = [saved(image, profile) for image in images]
        ours, bare = zip(*((fastest(decoded, c), fastest(by_pillow_alone, c)) for c in contents), strict=True)
        ratio = median(one / other for one, other in zip(ours, bare, strict=True))
        print(f"{name:10}  {median(ours) * 1e6:4.0f} µs an image, {ratio:.2f} times Pillow alone")


def saved(image: Image.Image, profile: bytes | None) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, icc_profile=profile)
    return buffer.getvalue()


def by_pillow_alone(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def fastest(decode: Callable[[bytes], Image.Image], content: bytes) -> float:
    """Seconds of the fastest of a few turns, so that what else runs here counts little."""
    times = []
    for _ in range(TURNS):
        start = time.perf_counter()
        decode(content)
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()

"""Write the drawn catalogue in ABO's own layout, so that the ABO reader is its only reader."""

import csv
import gzip
import hashlib
import io
import json
import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter

from vqa.synthetic.drawing import ATTRIBUTES, Item, image

IMAGE_SIZE = 128  # pixels a side


def draw_items(count: int, seed: int) -> list[Item]:
    """`count` items in which every value of an attribute occurs equally often, independently.

    Balance is what keeps a question-only guess at chance: no value is the commonest, none predicts another.
    """
    rng = random.Random(seed)
    columns = {}
    for name, table in ATTRIBUTES.items():
        values = list(table)
        column = [values[i % len(values)] for i in range(count)]
        rng.shuffle(column)
        columns[name] = column
    return [Item(**{name: column[i] for name, column in columns.items()}) for i in range(count)]


def write_catalogue(root: Path, items: list[Item], seed: int) -> None:
    """Images, images.csv.gz and sixteen listing shards below `root`; byte-identical for a seed."""
    shards: dict[str, list[dict[str, Any]]] = {digit: [] for digit in "0123456789abcdef"}
    image_rows = []
    for number, item in enumerate(items):
        digest = hashlib.sha256(f"{seed}/{number}".encode()).hexdigest()
        stem, image_id = digest[:8], f"71{digest[8:14]}+{digest[14]}L"  # ABO's ids have "+" and "-"
        path = root / "images" / "small" / stem[:2] / f"{stem}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = random.Random(f"{seed}/{number}/picture")
        drawn = image(item, IMAGE_SIZE, rng)
        _photographed(drawn, rng).save(path, quality=rng.randint(60, 90))
        image_rows.append((image_id, IMAGE_SIZE, IMAGE_SIZE, f"{stem[:2]}/{stem}.jpg"))
        shards[stem[0]].append(_listing(item, f"B0{digest[16:24].upper()}", image_id))
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(
        [("image_id", "height", "width", "path"), *sorted(image_rows)]
    )
    _write_gzip(root / "images" / "metadata" / "images.csv.gz", table.getvalue())
    for digit, listings in shards.items():
        lines = "".join(json.dumps(listing) + "\n" for listing in listings)
        _write_gzip(root / "listings" / "metadata" / f"listings_{digit}.json.gz", lines)


def _photographed(drawn: Image.Image, rng: random.Random) -> Image.Image:
    """The drawing as a careless seller would show it: off centre, soft, unevenly lit, grainy.

    Pre-training saw clean drawings only, so the catalogue is as far from it as a shop is from a textbook.
    """
    size = drawn.width
    margin = rng.randint(0, size // 8)
    box = (rng.randint(0, margin), rng.randint(0, margin))
    cut = size - margin
    image = drawn.crop((*box, box[0] + cut, box[1] + cut)).resize((size, size), Image.Resampling.BICUBIC)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.0, 1.4)))
    shade = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180, 270))).resize((size, size))
    dark = image.point(lambda value: int(value * 0.62))
    image = Image.composite(image, dark, shade.point(lambda value: 110 + value * 145 // 255))
    grain = Image.frombytes("RGB", (size, size), rng.randbytes(size * size * 3))
    return Image.blend(image, grain, rng.uniform(0.02, 0.12))


def _listing(item: Item, item_id: str, image_id: str) -> dict[str, Any]:
    """One line in the shape of ABO's listings."""
    set_of = f", Set of {item.count}" if item.count != "1" else ""
    name = f"{item.pattern} {item.shape} {item.material} {item.product} in {item.color}{set_of}"
    return {
        "brand": _text("Drawn Goods"),
        "bullet_point": _text(f"Number of items: {item.count}"),
        "color": [{**_text(item.color.title())[0], "standardized_values": [item.color.title()]}],
        "item_id": item_id,
        "item_name": _text(name[0].upper() + name[1:]),
        "item_shape": _text(item.shape.title()),
        "material": _text(item.material.title()),
        "pattern": _text(item.pattern.title()),
        "product_type": [{"value": item.product.upper()}],
        "main_image_id": image_id,
        "country": "US",
        "marketplace": "Amazon",
        "domain_name": "amazon.com",
        "node": [{"node_id": 1055398, "node_name": "/Categories/Home & Kitchen"}],
    }


def _text(value: str) -> list[dict[str, Any]]:
    return [{"language_tag": "en_US", "value": value}]


def _write_gzip(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        file.write(text.encode())

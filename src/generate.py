"""Ask about every picture: products → pairs.

    python src/generate.py

In: the catalogue at data.root (ABO's layout), or generate.csv. Out: data/vqa/generated.csv and
metrics/generate.json. The metadata annotator costs nothing; 150,000 listings take under a minute.
"""

from collections import Counter
from pathlib import Path

from vqa import abo
from vqa.annotators import csv, metadata
from vqa.errors import InputError, run_command
from vqa.files import write_json
from vqa.pairs import Pair, write_pairs
from vqa.settings import Settings, load_settings

GENERATED = Path("data/vqa/generated.csv")
METRICS = Path("metrics/generate.json")


def run() -> None:
    settings = load_settings()
    pairs, left_out = _pairs(settings)
    write_pairs(GENERATED, pairs)
    write_json(
        METRICS,
        {
            "annotator": settings.generate.annotator,
            "images": len({pair.image_name for pair in pairs}),
            "pairs": len(pairs),
            "by_type": dict(Counter(pair.question_type for pair in pairs).most_common()),
            "listings_left_out": left_out,
        },
    )
    print(f"wrote {len(pairs)} pairs to {GENERATED}")


def _pairs(settings: Settings) -> tuple[list[Pair], dict[str, int]]:
    """The pairs and, for a catalogue, how many listings were left out by reason."""
    if settings.generate.annotator == "csv":
        return csv.pairs_from(settings.generate.csv), {}
    catalogue = abo.read_catalogue(
        settings.data.root, settings.generate.languages, settings.generate.max_listings_per_image
    )
    products = abo.sample(catalogue.products, settings.generate.images, settings.generate.seed)
    pairs = [
        pair
        for product in products
        for pair in metadata.pairs_for(product, settings.generate.questions_per_image, settings.generate.seed)
    ]
    if not pairs:
        raise InputError(
            f"{settings.data.root} gave no pair: {len(products)} products have a usable picture and "
            f"none a usable attribute (listings left out: {catalogue.left_out})"
        )
    return pairs, catalogue.left_out


if __name__ == "__main__":
    run_command(run)

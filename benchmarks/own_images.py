"""The pairs of so many photographs, as if they were somebody's own: docs/results/own_images.md.

    python benchmarks/own_images.py 400      # data/photos and data/pairs/photos.csv → data/pairs/mine.csv

Photographs that models/blip2-small has not seen come first, since it has not seen yours; only a draw of more
than there are of them (1,500 of 6,000) takes others too.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import image_id_of_content
from vqa.core.files import sha256_file
from vqa.core.seeding import seeded_rank
from vqa.pairs.pair import read_pairs, write_pairs
from vqa.validation.splits import images_seen


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("images", type=int)
    parser.add_argument("--photos", type=Path, default=Path("data/photos"))
    parser.add_argument("--pairs", type=Path, default=Path("data/pairs/photos.csv"))
    parser.add_argument("--out", type=Path, default=Path("data/pairs/mine.csv"))
    arguments = parser.parse_args()
    seen = images_seen(ROOT / "models/blip2-small") or frozenset()

    def order(name: str) -> tuple[bool, str]:
        return image_id_of_content(sha256_file(image_path(arguments.photos, name))) in seen, seeded_rank(
            0, name
        )

    pairs = read_pairs(arguments.pairs)
    drawn = set(sorted({pair.image_name for pair in pairs}, key=order)[: arguments.images])
    write_pairs(arguments.out, [pair for pair in pairs if pair.image_name in drawn])
    of_seen = sum(order(name)[0] for name in drawn)
    print(f"{len(drawn)} photographs, {of_seen} of them seen, into {arguments.out}")


if __name__ == "__main__":
    main()

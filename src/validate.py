"""Judge every pair and split the good ones by picture: pairs → trusted pairs.

    python src/validate.py

In: data/vqa/generated.csv and the pictures at data.root. Out: data/vqa/{train,val,test,rejected}.csv
and metrics/data.json. Decodes each picture once.
"""

from collections import Counter
from dataclasses import asdict, fields
from pathlib import Path

from vqa import abo
from vqa.errors import InputError, run_command
from vqa.files import write_json
from vqa.images import ImageError, content_hash, load_image
from vqa.pairs import Pair, normal_form, read_pairs, write_pairs, write_rows
from vqa.rules import Rejected, judge
from vqa.settings import load_settings
from vqa.splits import SPLITS, split_of

GENERATED = Path("data/vqa/generated.csv")
OUT = Path("data/vqa")
REJECTED = OUT / "rejected.csv"
METRICS = Path("metrics/data.json")


def run() -> None:
    settings = load_settings()
    root = settings.data.root
    if not root.is_dir():
        raise InputError(f"params.yaml: data.root is {str(root)!r}, but there is no such folder")

    def check_image(image_name: str) -> None:
        image = load_image(abo.image_path(root, image_name))
        if min(image.size) < settings.validate.min_image_side:
            raise ImageError("image_too_small", f"{image.width}×{image.height} pixels")

    def split(image_name: str) -> str:
        picture = content_hash(abo.image_path(root, image_name))
        return split_of(
            picture, settings.validate.val_share, settings.validate.test_share, settings.validate.seed
        )

    pairs = read_pairs(GENERATED)
    kept, rejected = judge(pairs, check_image)
    splits = {image_name: split(image_name) for image_name in {pair.image_name for pair in kept}}
    by_split = {name: [pair for pair in kept if splits[pair.image_name] == name] for name in SPLITS}
    _check_not_empty(by_split, rejected)

    for name, of_split in by_split.items():
        write_pairs(OUT / f"{name}.csv", of_split)
    columns = [field.name for field in fields(Pair)] + ["reason", "detail"]
    rows = ({**asdict(r.pair), "reason": r.reason, "detail": r.detail} for r in rejected)
    write_rows(REJECTED, columns, rows)
    write_json(METRICS, _metrics(by_split, rejected))
    print(f"kept {len(kept)} of {len(pairs)} pairs; the others are in {REJECTED} with reasons")


def _check_not_empty(by_split: dict[str, list[Pair]], rejected: list[Rejected]) -> None:
    for name, pairs in by_split.items():
        if not pairs:
            reasons = dict(Counter(reject.reason for reject in rejected).most_common(3))
            raise InputError(
                f"{GENERATED}: no pair is left for the {name} split (rejected: {reasons or 'none'}); "
                "give more pictures, or mend what is rejected"
            )


def _metrics(by_split: dict[str, list[Pair]], rejected: list[Rejected]) -> dict[str, object]:
    kept = [pair for pairs in by_split.values() for pair in pairs]
    answers = Counter(normal_form(pair.answer) for pair in kept)
    return {
        "pairs": len(kept) + len(rejected),
        "kept": len(kept),
        "rejected": dict(Counter(reject.reason for reject in rejected).most_common()),
        "splits": {
            name: {"pairs": len(pairs), "images": len({pair.image_name for pair in pairs})}
            for name, pairs in by_split.items()
        },
        "by_type": dict(Counter(pair.question_type for pair in kept).most_common()),
        "distinct_answers": len(answers),
        "commonest_answers": dict(answers.most_common(10)),
    }


if __name__ == "__main__":
    run_command(run)

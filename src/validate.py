"""Judge every pair and split the good ones by picture: pairs → trusted pairs.

    python src/validate.py

In: data/vqa/generated.csv, the pictures at data.root, what people decided in data/review/*.csv, and from
metrics/generate.json what became of the lines of generate.csv. Out: data/vqa/{train,val,test,rejected}.csv,
review.html to look at a sample, metrics/data.json, and two files that the next run builds on: pictures.jsonl
(each file is decoded once) and splits.json (in git: no picture ever moves to another split). Costs about
1 ms a new picture and 60 µs a pair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vqa.catalogue import abo
from vqa.catalogue.pictures import Picture
from vqa.foundation.csv_tables import write_rows
from vqa.foundation.errors import InputError, run_command
from vqa.foundation.files import read_json, whole_file, write_json
from vqa.pairs.pair import SPLITS, Pair, columns_of, pairs_and_lines, row_of, write_pairs
from vqa.settings import Settings, Validate, load_settings
from vqa.validation.inspection import inspect_pictures
from vqa.validation.review import acceptance, read_decisions
from vqa.validation.review_page import review_page
from vqa.validation.screening import Rejected, counts_by_reason, screen
from vqa.validation.splits import Division, Draw, divided, pictures_seen
from vqa.validation.statistics import census, label_noise, leak_protection, type_agreement
from vqa.vlm.tokens import limit_of

GENERATED = Path("data/vqa/generated.csv")
GENERATION = Path("metrics/generate.json")
DECISIONS = Path("data/review")
OUT = Path("data/vqa")
REJECTED = OUT / "rejected.csv"
REVIEW = OUT / "review.html"
PICTURES = OUT / "pictures.jsonl"
MEMORY = OUT / "splits.json"
METRICS = Path("metrics/data.json")


def run() -> None:
    settings = load_settings()
    root = settings.data.root
    if not root.is_dir():
        raise InputError(f"params.yaml: data.root is {str(root)!r}, but there is no such folder")
    pairs, lines = pairs_and_lines(GENERATED, lambda: abo.image_names(root))
    decisions = read_decisions(DECISIONS)

    pictures: dict[str, Picture] = {}

    def inspect(image_names: Sequence[str]) -> Mapping[str, Picture]:
        pictures.update(inspect_pictures(root, image_names, PICTURES))
        return pictures

    room = settings.evaluate.max_new_tokens
    too_long = limit_of(settings.model.name, settings.model.revision, settings.model.prompt, room)
    kept, rejected = screen(pairs, decisions, inspect, settings.validate, too_long)
    usable = {pair.image_name: pictures[pair.image_name] for pair in kept}
    listings = abo.read_listings(root, usable, settings.generate.max_listings_per_image)
    seen = pictures_seen(Path(settings.model.name))
    division = _division(usable, listings, seen, settings.validate)
    left_out = [(pair, division.left_out.get(pair.image_name)) for pair in kept]
    rejected += [Rejected(pair, "links_two_splits", detail) for pair, detail in left_out if detail]
    kept = [pair for pair in kept if pair.image_name in division.split_of]
    by_split = {
        name: [pair for pair in kept if division.split_of[pair.image_name] == name] for name in SPLITS
    }
    _write_rejected(rejected)  # also when nothing is left: it says why
    _check_not_empty(by_split, rejected)
    write_json(MEMORY, division.record)

    for name, of_split in by_split.items():
        write_pairs(OUT / f"{name}.csv", of_split)
    _write_review_page(kept, rejected, settings)
    metrics = {"pairs": len(pairs), "kept": len(kept), "rejected": counts_by_reason(rejected)}
    metrics["lines"] = _lines_of_csv() | {"generated": asdict(lines)}
    metrics |= census(by_split) | {"labels": label_noise(pairs), "types": type_agreement(pairs)}
    protection = leak_protection(division, usable, listings, seen)
    write_json(METRICS, metrics | {"leak_protection": protection, "review": acceptance(decisions, pairs)})
    _say_what_is_missing(protection["listings"], root)
    print(f"kept {len(kept)} of {len(pairs)} pairs; the others are in {REJECTED} with reasons")
    print(f"look at a sample of both in {REVIEW}")


def _lines_of_csv() -> dict[str, Any]:
    """What became of each line of generate.csv, where the pairs come from there."""
    generation = read_json(GENERATION) if GENERATION.is_file() else {}
    return {"csv": generation["lines"]} if "lines" in generation else {}


def _division(
    usable: Mapping[str, Picture],
    listings: abo.Listings | None,
    seen: frozenset[str] | None,
    limits: Validate,
) -> Division:
    draw = Draw(limits.val_share, limits.test_share, limits.near_copy_bits, limits.seed)
    types, together = (listings.types, listings.together) if listings else ({}, [])
    return divided(usable, types, together, draw, MEMORY, seen or frozenset())


def _say_what_is_missing(listings: Mapping[str, int] | None, root: Path) -> None:
    if listings is None:
        unread = [f"{path.name} is not read, unpack it there" for path in abo.like_listings(root)]
        print(
            f"{root} has no listings: only their looks (copies and near copies) keep pictures of one product "
            f"in one split; listings would lie in {root / 'listings/metadata'}"
            + "".join(f"; {sentence}" for sentence in unread)
        )
    elif listings["pictures_on_none"]:
        print(
            f"{listings['pictures_on_none']} pictures are on none of the {listings['read']} listings found: "
            "only their looks keep them with others of their product"
        )


def _check_not_empty(by_split: dict[str, list[Pair]], rejected: list[Rejected]) -> None:
    for name, pairs in by_split.items():
        if not pairs:
            reasons = dict(list(counts_by_reason(rejected).items())[:3])
            raise InputError(
                f"{GENERATED}: no pair is left for the {name} split (rejected: {reasons or 'none'}); "
                f"give more pictures, or mend what is in {REJECTED}"
            )


def _write_rejected(rejected: Sequence[Rejected]) -> None:
    """By reason, then picture and question, so that rows in conflict stand together."""

    def row(reject: Rejected) -> dict[str, str]:
        return row_of(reject.pair) | {"reason": reject.reason, "detail": reject.detail}

    ordered = sorted(rejected, key=lambda r: (r.reason, r.pair.image_name, r.pair.question.lower()))
    columns = [*columns_of([reject.pair for reject in rejected]), "reason", "detail"]
    write_rows(REJECTED, list(dict.fromkeys(columns)), map(row, ordered))


def _write_review_page(kept: Sequence[Pair], rejected: Sequence[Rejected], settings: Settings) -> None:
    def path_of(image_name: str) -> Path:
        return abo.image_path(settings.data.root, image_name)

    refused = [(reject.pair, reject.reason, reject.detail) for reject in rejected]
    limits = settings.validate
    with whole_file(REVIEW) as file:
        file.write(review_page(kept, refused, path_of, limits.review_pairs, limits.seed))


if __name__ == "__main__":
    run_command(run)

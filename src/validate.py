"""Screen every pair and split the good ones by picture: pairs → trusted pairs.

    python src/validate.py

In: data/vqa/generated.csv, the pictures at data.root, what people decided in data/review/*.csv, and from
metrics/generate.json what became of the lines of generate.csv. Out: data/vqa/{train,val,test,rejected}.csv,
metrics/data.json, and two files that the next run builds on: pictures.jsonl
(each file is decoded once) and splits.json (in git: no picture ever moves to another split). Costs about
1 ms a new picture and 60 µs a pair.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vqa.catalogue import abo
from vqa.catalogue.stamp import tree_of
from vqa.foundation.errors import InputError, run_command
from vqa.foundation.files import write_json
from vqa.pairs.enough import too_few
from vqa.pairs.pair import SPLITS, Pair, pairs_and_lines, write_pairs
from vqa.settings import load_settings
from vqa.validation import screening, statistics
from vqa.validation.inspection import inspect_pictures
from vqa.validation.review import acceptance, read_decisions
from vqa.validation.rules import RULES_ON_PICTURES, RULES_ON_TEXT, Context
from vqa.validation.splits import Division, Draw, divided, pictures_seen
from vqa.vlm.tokens import limit_of

GENERATED = Path("data/vqa/generated.csv")
GENERATION = Path("metrics/generate.json")
DECISIONS = Path("data/review")
OUT = Path("data/vqa")
REJECTED = OUT / "rejected.csv"
PICTURES = OUT / "pictures.jsonl"
MEMORY = OUT / "splits.json"
METRICS = Path("metrics/data.json")


def run() -> None:
    settings = load_settings()
    root, limits = tree_of(settings.data.root), settings.validate
    if not root.is_dir():
        raise InputError(f"params.yaml: data.root is {str(root)!r}, but there is no such folder")
    pairs, lines = pairs_and_lines(GENERATED, lambda: abo.image_names(root))
    decisions = read_decisions(DECISIONS)
    room = settings.decoding.max_new_tokens
    too_long = limit_of(settings.model.name, settings.model.revision, settings.model.prompt, room)

    candidates, rejected = screening.candidates_of(pairs, decisions)
    context = Context(limits, too_long)
    readable, refused = screening.screen(candidates, RULES_ON_TEXT, context)
    pictures = inspect_pictures(root, screening.images_of(readable), PICTURES)
    context = replace(context, pictures=pictures)
    standing, unusable = screening.screen(readable, RULES_ON_PICTURES, context)
    kept, rejected = screening.trusted(standing), [*rejected, *refused, *unusable]

    usable = {name: pictures[name] for name in screening.images_of(standing)}
    listings = abo.read_listings(root, usable, settings.generate.max_listings_per_image)
    types, together = (listings.types, listings.together) if listings else ({}, [])
    seen = pictures_seen(Path(settings.model.name))
    draw = Draw(limits.val_share, limits.test_share, limits.max_hash_distance, limits.seed)
    division = divided(usable, types, together, draw, MEMORY, seen or frozenset())
    kept, left_out = screening.leave_out(kept, division.left_out)
    rejected += left_out
    screening.write_rejected(REJECTED, rejected)  # also when nothing is left: it says why
    by_split = _by_split(kept, division, rejected)
    write_json(MEMORY, division.record)

    for name, of_split in by_split.items():
        write_pairs(OUT / f"{name}.csv", of_split)
    metrics = {"pairs": len(pairs), "kept": len(kept), "rejected": screening.counts_by_reason(rejected)}
    metrics["lines"] = statistics.lines_accounted(GENERATION, lines)
    metrics |= statistics.census(by_split) | statistics.trust(pairs)
    metrics["leak_protection"] = statistics.leak_protection(division, usable, listings, seen)
    metrics["review"] = acceptance(decisions, pairs)
    write_json(METRICS, metrics)
    few = too_few(len(by_split["test"]), len(by_split["val"]))
    for sentence in [*abo.missing_in(root, listings, usable), *statistics.cuts_in(division), *few]:
        print(sentence)
    print(f"kept {len(kept)} of {len(pairs)} pairs ({REJECTED} says why not the others)")


def _by_split(
    kept: Sequence[Pair], division: Division, rejected: Sequence[screening.Rejected]
) -> dict[str, list[Pair]]:
    by_split: dict[str, list[Pair]] = {name: [] for name in SPLITS}
    for pair in kept:
        of_group = replace(pair, split_group=division.group_of[pair.image_name])
        by_split[division.split_of[pair.image_name]].append(of_group)
    if empty := next((name for name, pairs in by_split.items() if not pairs), None):
        reasons = dict(list(screening.counts_by_reason(rejected).items())[:3])
        sentence = f"no pair is left for the {empty} split (rejected: {reasons or 'none'})"
        raise InputError(f"{GENERATED}: {sentence}; give more pictures, or mend what is in {REJECTED}")
    return by_split


if __name__ == "__main__":
    run_command(run)

"""Screen every pair and split the good ones by picture: pairs → trusted pairs.

    python src/validate.py

In: data/vqa/generated.csv, the pictures at data.root, what people decided in data/review/*.csv, and from
metrics/generate.json what became of the lines of generate.csv. Out: data/vqa/{train,val,test,rejected}.csv,
answer_vocabulary/true.csv (the training answers), metrics/data.json, and two files that the next run builds
on: pictures.jsonl (each file is decoded once) and splits.json (in git: no picture ever moves to another
split). Costs about 1 ms a new picture and 60 µs a pair.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vqa.catalogue import abo
from vqa.catalogue.stamp import tree_of
from vqa.foundation.errors import InputError, run_stage
from vqa.foundation.files import write_json
from vqa.foundation.hand_edits import hand_edits_kept
from vqa.pairs.answer_vocabulary import write_vocabulary
from vqa.pairs.enough import too_few
from vqa.pairs.pair import SPLITS, Pair, pairs_and_lines, write_pairs
from vqa.settings import load_settings
from vqa.validation import screening, statistics
from vqa.validation.assignment import assign_splits
from vqa.validation.inspection import changed_images, contents_before, image_id, inspect_pictures
from vqa.validation.review import acceptance
from vqa.validation.review_files import read_reviews
from vqa.validation.rules import RULES_ON_PICTURES, RULES_ON_TEXT, Context
from vqa.validation.splits import pictures_seen
from vqa.vlm.tokens import limit_of

GENERATED = Path("data/vqa/generated.csv")
GENERATION = Path("metrics/generate.json")
DECISIONS = Path("data/review")
OUT = Path("data/vqa")
SPLIT_FILES = {name: OUT / f"{name}.csv" for name in SPLITS}
REJECTED = OUT / "rejected.csv"
VOCABULARY = OUT / "answer_vocabulary/true.csv"
PICTURES = OUT / "pictures.jsonl"
MEMORY = OUT / "splits.json"
METRICS = Path("metrics/data.json")


@hand_edits_kept([*SPLIT_FILES.values(), REJECTED], "corrections belong into data/review (docs/pairs.md)")
def run() -> None:
    settings = load_settings()
    root, limits = tree_of(settings.data.root), settings.validate
    if not root.is_dir():
        raise InputError(f"params.yaml: data.root is {str(root)!r}, but there is no such folder")
    pairs, lines = pairs_and_lines(GENERATED, lambda: abo.image_names(root))
    reviews = read_reviews(DECISIONS, partial(image_id, root))
    room = settings.decoding.max_new_tokens
    too_long = limit_of(settings.model.name, settings.model.revision, settings.model.prompt, room)

    candidates, rejected = screening.candidates_of(pairs, reviews.decisions)
    context = Context(limits, too_long)
    readable, refused = screening.screen(candidates, RULES_ON_TEXT, context)
    before = contents_before(PICTURES)
    pictures = inspect_pictures(root, screening.images_to_inspect(readable, rejected), PICTURES)
    context = replace(context, pictures=pictures)
    standing, unusable = screening.screen(readable, RULES_ON_PICTURES, context)
    kept, rejected = screening.trusted(standing), [*rejected, *refused, *unusable]

    usable = {name: pictures[name] for name in screening.images_of(standing)}
    listings = abo.read_listings(root, usable, settings.generate.max_listings_per_image)
    seen = pictures_seen(Path(settings.model.name))
    assigned = assign_splits(GENERATED, pairs, kept, usable, listings, limits, MEMORY, seen)
    division, by_split = assigned.division, assigned.by_split
    rejected += assigned.rejected
    screening.write_rejected(REJECTED, rejected)  # also when nothing is left: it says why
    _check_none_empty(by_split, rejected)
    write_json(MEMORY, division.record)

    for name, of_split in by_split.items():
        write_pairs(SPLIT_FILES[name], of_split)
    write_vocabulary(VOCABULARY, by_split["train"])
    metrics = _metrics(pairs, by_split, rejected)
    metrics["lines"] = statistics.lines_accounted(GENERATION, lines)
    protection = statistics.leak_protection(division, usable, listings, seen)
    metrics["leak_protection"] = protection | assigned.metrics
    metrics["review"] = acceptance(reviews.decisions, pairs) | reviews.counts()
    write_json(METRICS, metrics)
    for sentence in [
        *statistics.spreadsheet_sentences(pairs),
        *statistics.changed_image_sentences(changed_images(before, pictures), pairs, reviews.decisions),
        *reviews.sentences(),
        *statistics.missing_image_sentences(rejected),
        *assigned.sentences,
        *abo.missing_in(root, listings, usable),
        *statistics.cuts_in(division),
        *too_few(len(by_split["test"]), len(by_split["val"])),
        f"kept {metrics['kept']} of {len(pairs)} pairs ({REJECTED} says why not the others)",
    ]:
        print(sentence)


def _metrics(
    pairs: Sequence[Pair], by_split: dict[str, list[Pair]], rejected: Sequence[screening.Rejected]
) -> dict[str, Any]:
    kept = sum(map(len, by_split.values()))
    counts = {"pairs": len(pairs), "kept": kept, "rejected": screening.counts_by_reason(rejected)}
    counts["spreadsheet_values"] = statistics.spreadsheet_counts(pairs)
    return counts | statistics.census(by_split) | statistics.trust(pairs)


def _check_none_empty(by_split: dict[str, list[Pair]], rejected: Sequence[screening.Rejected]) -> None:
    if empty := next((name for name, pairs in by_split.items() if not pairs), None):
        reasons = dict(list(screening.counts_by_reason(rejected).items())[:3])
        sentence = f"no pair is left for the {empty} split (rejected: {reasons or 'none'})"
        where = "; ".join(statistics.missing_image_sentences(rejected))
        remedy = where or f"give more pictures, or mend what is in {REJECTED}"
        raise InputError(f"{GENERATED}: {sentence}; {remedy}")


if __name__ == "__main__":
    run_stage(run)

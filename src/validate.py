"""Filter the pairs and split those that are kept by image: pairs → trusted pairs.

    python src/validate.py

In: data/vqa/generated.csv, the images at data.root, what people decided in data/review/*.csv, and from
metrics/generate.json what became of the lines of generate.csv. Out: data/vqa/{train,val,test,rejected}.csv,
answer_vocabulary/true.csv (the training answers), metrics/data.json, and two files that the next run builds
on: images.jsonl (each file is decoded once) and splits.json (in git: no image ever moves to another
split). Costs about 1 ms a new image and 60 µs a pair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vqa.catalogue import abo
from vqa.catalogue.images import ImageRecord
from vqa.catalogue.manifest import tree_at_hand
from vqa.core.csv_tables import Lines
from vqa.core.errors import InputError, run_stage
from vqa.core.files import write_json
from vqa.core.hand_edits import hand_edits_kept
from vqa.pairs.pair import SPLITS, Pair, pairs_and_lines, too_few, write_pairs, write_vocabulary
from vqa.settings import Settings, load_settings
from vqa.validation import filtering, statistics
from vqa.validation.assignment import assign_splits
from vqa.validation.image_checks import (
    adopt_old_record,
    changed_images,
    check_images,
    contents_before,
    image_id,
)
from vqa.validation.review import Decision, Key, acceptance
from vqa.validation.review_files import read_reviews
from vqa.validation.rules import RULES_ON_IMAGES, RULES_ON_TEXT, Candidate, Context
from vqa.validation.splits import images_seen
from vqa.vlm.tokens import token_limit

GENERATED = Path("data/vqa/generated.csv")
GENERATION = Path("metrics/generate.json")
DECISIONS = Path("data/review")
OUT = Path("data/vqa")
SPLIT_FILES = {name: OUT / f"{name}.csv" for name in SPLITS}
REJECTED = OUT / "rejected.csv"
VOCABULARY = OUT / "answer_vocabulary/true.csv"
IMAGES = OUT / "images.jsonl"
MEMORY = OUT / "splits.json"
METRICS = Path("metrics/data.json")


@hand_edits_kept([*SPLIT_FILES.values(), REJECTED], "corrections belong into data/review (docs/pairs.md)")
def run() -> None:
    settings = load_settings()
    root, limits = tree_at_hand(settings.data.root), settings.validate
    pairs, lines = pairs_and_lines(GENERATED, lambda: abo.image_names(root))
    reviews = read_reviews(DECISIONS, partial(image_id, root))

    adopt_old_record(IMAGES)
    before = contents_before(IMAGES)
    standing, rejected, images = _filter(pairs, reviews.decisions, settings, root)
    kept_pairs = filtering.trusted(standing)

    usable = {name: images[name] for name in filtering.image_names(standing)}
    listings = abo.read_listings(root, usable, abo.MOST_LISTINGS)
    images_of_model = images_seen(Path(settings.model.name))
    assigned = assign_splits(GENERATED, pairs, kept_pairs, usable, listings, limits, MEMORY, images_of_model)
    split_assignment, by_split = assigned.split_assignment, assigned.by_split
    rejected += assigned.rejected
    filtering.write_rejected(REJECTED, rejected)  # also when nothing is left: it says why
    _check_none_empty(by_split, rejected)
    write_json(MEMORY, split_assignment.record)

    _write_splits(by_split)
    protection = statistics.leak_protection(split_assignment, usable, listings, images_of_model)
    metrics = _metrics(pairs, by_split, rejected, lines) | {"leak_protection": protection | assigned.metrics}
    metrics["review"] = acceptance(reviews.decisions, pairs) | reviews.counts()
    write_json(METRICS, metrics)
    sentences = [
        *statistics.spreadsheet_sentences(pairs),
        *statistics.changed_image_sentences(changed_images(before, images), pairs, reviews.decisions),
        *reviews.sentences(),
        *statistics.missing_image_sentences(rejected),
        *assigned.sentences,
        *abo.missing_parts(root, listings, usable),
        *statistics.count_cuts(split_assignment),
        *too_few(len(by_split["test"]), len(by_split["val"])),
        f"kept {metrics['kept']} of {len(pairs)} pairs ({REJECTED} says why not the others)",
    ]
    print(*sentences, sep="\n")


def _filter(
    pairs: Sequence[Pair], decisions: Mapping[Key, Decision], settings: Settings, root: Path
) -> tuple[list[Candidate], list[filtering.Rejected], dict[str, ImageRecord]]:
    """What passes all rules, what does not, and the images by name, but for pairs that fail by text."""
    room = settings.decoding.max_new_tokens
    too_long = token_limit(settings.model.name, settings.model.revision, settings.model.prompt, room)
    context = Context(settings.validate, too_long)
    candidates, rejected = filtering.build_candidates(pairs, decisions)
    readable, refused = filtering.filter_pairs(candidates, RULES_ON_TEXT, context)
    images = check_images(root, filtering.images_to_inspect(readable, rejected), IMAGES)
    standing, unusable = filtering.filter_pairs(readable, RULES_ON_IMAGES, replace(context, images=images))
    return standing, [*rejected, *refused, *unusable], images


def _write_splits(by_split: Mapping[str, Sequence[Pair]]) -> None:
    for name, of_split in by_split.items():
        write_pairs(SPLIT_FILES[name], of_split)
    write_vocabulary(VOCABULARY, by_split["train"])


def _metrics(
    pairs: Sequence[Pair],
    by_split: dict[str, list[Pair]],
    rejected: Sequence[filtering.Rejected],
    lines: Lines,
) -> dict[str, Any]:
    kept_count = sum(map(len, by_split.values()))
    counts = {"pairs": len(pairs), "kept": kept_count, "rejected": filtering.counts_by_reason(rejected)}
    counts["spreadsheet_values"] = statistics.spreadsheet_counts(pairs)
    counts |= statistics.census(by_split) | statistics.trust(pairs)
    return counts | {"lines": statistics.lines_accounted(GENERATION, lines)}


def _check_none_empty(by_split: dict[str, list[Pair]], rejected: Sequence[filtering.Rejected]) -> None:
    if empty := next((name for name, pairs in by_split.items() if not pairs), None):
        reasons = dict(list(filtering.counts_by_reason(rejected).items())[:3])
        sentence = f"no pair is left for the {empty} split (rejected: {reasons or 'none'})"
        where = "; ".join(statistics.missing_image_sentences(rejected))
        remedy = where or f"give more images, or mend what is in {REJECTED}"
        raise InputError(f"{GENERATED}: {sentence}; {remedy}")


if __name__ == "__main__":
    run_stage(run)

"""Assign each kept pair to a split: by a draw, or as the pairs' own column states."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vqa.catalogue.abo import Listings
from vqa.catalogue.images import ImageRecord
from vqa.pairs.pair import SPLITS, Pair
from vqa.settings import Validate
from vqa.validation.declared_splits import (
    DeclaredSplits,
    check_declared_splits,
    draw_val,
    pairs_trained_on,
    read_declared_splits,
    rows_across_splits,
    unused_sentences,
)
from vqa.validation.filtering import Rejected, leave_out, leave_out_rows
from vqa.validation.splits import SplitAssignment, SplitConfig, split_images


@dataclass(frozen=True)
class Assignment:
    """Kept pairs in their splits, and how they were assigned."""

    split_assignment: SplitAssignment
    by_split: dict[str, list[Pair]]
    rejected: list[Rejected]  # pairs of images that link two splits
    metrics: dict[str, Any]  # on the pairs' own column of splits
    sentences: list[str]  # on that column, to be printed


def assign_splits(
    source: Path,
    pairs: Sequence[Pair],
    kept: Sequence[Pair],
    usable: Mapping[str, ImageRecord],
    listings: Listings | None,
    limits: Validate,
    memory: Path,
    seen: Collection[str] | None,
) -> Assignment:
    """Assign the images of `kept`, with their pairs, to splits; `pairs`: all that were read from `source`.

    Raises:
        InputError: see `split_images` and `check_declared_splits`.
    """
    types, together = (listings.types, listings.together) if listings else ({}, [])
    draw = SplitConfig(limits.val_share, limits.test_share, limits.max_hash_distance, limits.seed)
    deal = partial(split_images, usable, types, together, draw, memory, seen or frozenset())
    declared, rejected = read_declared_splits(pairs), list[Rejected]()
    is_declared = limits.splits == "column"
    if is_declared:
        check_declared_splits(str(source), pairs, declared)
        split_assignment = deal(declared.of_image)
        if "val" not in declared.of_image.values():
            split_assignment = deal(
                draw_val(declared.of_image, split_assignment.group_of, limits.val_share, limits.seed)
            )
        kept, rejected = leave_out_rows(kept, rows_across_splits(pairs, declared))
    else:
        split_assignment = deal()
    kept, left_out = leave_out(kept, split_assignment.left_out)
    rejected += left_out
    by_split = _by_split(kept, split_assignment)
    if is_declared:
        metrics, sentences = _on_declared(source, declared, len(rejected))
    else:
        split_of = {pair.key: split for split, of_split in by_split.items() for pair in of_split}
        sentences = unused_sentences(str(source), declared, pairs, split_of)
        metrics = {"own_test_pairs_trained_on": pairs_trained_on(declared, pairs, split_of)}
    return Assignment(split_assignment, by_split, rejected, metrics, sentences)


def _by_split(kept: Sequence[Pair], split_assignment: SplitAssignment) -> dict[str, list[Pair]]:
    by_split: dict[str, list[Pair]] = {name: [] for name in SPLITS}
    for pair in kept:
        of_group = replace(pair, split_group=split_assignment.group_of[pair.image_name])
        by_split[split_assignment.split_of[pair.image_name]].append(of_group)
    return by_split


def _on_declared(source: Path, declared: DeclaredSplits, left_out: int) -> tuple[dict[str, Any], list[str]]:
    """Metrics and sentences where the pairs' own column states the splits."""
    sentences = [f"{source}: column {declared.column} says which split each image is in (validate.splits)"]
    if not left_out:
        return {}, sentences
    sentences += [
        f"{left_out} pairs are left out: their images belong together with images that column "
        f"{declared.column} puts into another split (links_two_splits in rejected.csv)"
    ]
    return {"left_out_across_splits": left_out}, sentences

"""Kept pairs → splits: as a column of theirs says, or by a draw."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filtered_pairs import LIMITS
from vqa.catalogue.abo import Listings
from vqa.catalogue.images import ImageRecord
from vqa.core.errors import InputError
from vqa.pairs.pair import Pair
from vqa.validation.assignment import Assignment, assign_splits

SOURCE = Path("pairs.csv")


def declared(image_name: str, split: str, question: str = "What?") -> Pair:
    return Pair(image_name, question, "red", extra=(("split", split),))


def assigned(
    folder: Path, pairs: Sequence[Pair], listings: Listings | None = None, **limits: Any
) -> Assignment:
    """All pairs are kept, and no two of their images are alike: hashes are random."""
    usable = {}
    for name in sorted({pair.image_name for pair in pairs}):
        bits = random.Random(name)
        usable[name] = ImageRecord(f"{bits.getrandbits(256):064x}", 9, 9, f"{bits.getrandbits(256):064x}")
    settings = replace(LIMITS, **limits)
    return assign_splits(SOURCE, pairs, pairs, usable, listings, settings, folder / "splits.json", None)


def images(assignment: Assignment) -> dict[str, list[str]]:
    return {split: [pair.image_name for pair in pairs] for split, pairs in assignment.by_split.items()}


def test_a_column_puts_each_pair_where_it_says(tmp_path: Path) -> None:
    pairs = [declared("a.jpg", "training"), declared("b.jpg", "dev"), declared("c.jpg", "test")]
    found = assigned(tmp_path, pairs, splits="column")
    assert images(found) == {"train": ["a.jpg"], "val": ["b.jpg"], "test": ["c.jpg"]}
    assert found.by_split["train"] == [replace(pairs[0], split_group="a.jpg")]
    assert found.sentences == ["pairs.csv: column split says which split each image is in (validate.splits)"]
    assert (found.rejected, found.metrics) == ([], {})


def test_a_row_that_declares_another_split_than_its_image_has_is_rejected(tmp_path: Path) -> None:
    pairs = [
        declared("a.jpg", "train"),
        declared("a.jpg", "test", "Who?"),
        declared("b.jpg", "train"),
        declared("c.jpg", "val"),
    ]
    found = assigned(tmp_path, pairs, splits="column")
    assert images(found) == {"train": ["b.jpg"], "val": ["c.jpg"], "test": ["a.jpg"]}
    assert [(reject.pair, reject.reason) for reject in found.rejected] == [(pairs[0], "links_two_splits")]
    assert found.metrics == {"left_out_across_splits": 1}
    assert found.sentences[1].startswith("1 pairs are left out: their images belong together")


def test_a_column_without_val_has_it_drawn_from_train(tmp_path: Path) -> None:
    pairs = [declared(f"{number}.jpg", "test" if number % 4 == 0 else "train") for number in range(40)]
    found = images(assigned(tmp_path, pairs, splits="column", val_share=0.5, test_share=0.25))
    assert found["test"] == [f"{number}.jpg" for number in range(0, 40, 4)]
    assert 5 <= len(found["val"]) <= 25  # about half of 30
    assert len(found["train"]) + len(found["val"]) == 30


def test_a_draw_keeps_images_of_a_listing_together_and_says_what_the_column_would_have_held_out(
    tmp_path: Path,
) -> None:
    pairs = [declared(f"{number:02}.jpg", "test") for number in range(40)]
    tied = Listings({pair.image_name: "LAMP" for pair in pairs}, [["03.jpg", "07.jpg", "30.jpg"]], 1, 0)
    found = assigned(tmp_path, pairs, tied, splits="draw")
    assert sum(map(len, found.by_split.values())) == 40
    (of_listing,) = [split for split, names in images(found).items() if "03.jpg" in names]
    assert {"07.jpg", "30.jpg"} <= set(images(found)[of_listing])
    groups = {pair.image_name: pair.split_group for of in found.by_split.values() for pair in of}
    assert groups["07.jpg"] == groups["30.jpg"] == "03.jpg"
    trained_on = len(found.by_split["train"])
    assert 0 < trained_on < 40
    assert found.metrics == {"own_test_pairs_trained_on": trained_on}
    assert f"{trained_on} of its 40 test pairs are trained on" in found.sentences[0]


def test_a_column_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"validate\.splits is column, but pairs\.csv has no column that"):
        assigned(tmp_path, [Pair("a.jpg", "What?", "red")], splits="column")

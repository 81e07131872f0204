import random
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vqa.catalogue.abo import image_path, read_listings
from vqa.catalogue.images import ImageRecord, image_id_of_content, inspect
from vqa.core.errors import InputError
from vqa.core.files import write_json
from vqa.validation.splits import SplitAssignment, SplitConfig, images_seen, split_images

DRAW = SplitConfig(val_share=0.1, test_share=0.2, near_copy_bits=10, seed=0)


def images(count: int, first: int = 0) -> dict[str, ImageRecord]:
    """Images with random hashes: no two are near."""
    return {f"{i:04d}.jpg": image(i) for i in range(first, first + count)}


def image(number: int, flipped_bits: int = 0) -> ImageRecord:
    rng = random.Random(number)
    bits = rng.getrandbits(256) ^ ((1 << flipped_bits) - 1)
    return ImageRecord(f"{rng.getrandbits(256):064x}", 10, 10, f"{bits:064x}")


def split(
    tmp_path: Path, found: dict[str, ImageRecord], draw: SplitConfig = DRAW, **options: object
) -> SplitAssignment:
    """As the validate stage does: divide and remember."""
    types = options.get("types", {})
    together = options.get("together", [])
    seen = options.get("seen", set())
    memory = tmp_path / "splits.json"
    split_assignment = split_images(found, types, together, draw, memory, seen)  # type: ignore[arg-type]
    write_json(memory, split_assignment.record)
    return split_assignment


def test_shares_hold_over_all_and_within_each_type(tmp_path: Path) -> None:
    found = images(1000)
    types = {name: f"TYPE{int(name[:4]) % 7}" for name in found}
    split_of = split(tmp_path, found, types=types).split_of
    assert Counter(split_of.values()) == {"train": 700, "test": 200, "val": 100}
    for kind in set(types.values()):
        counts = Counter(split_of[name] for name in found if types[name] == kind)
        assert abs(counts["test"] - 0.2 * counts.total()) <= 2
        assert abs(counts["val"] - 0.1 * counts.total()) <= 2


def test_a_mirrored_copy_and_a_name_made_of_another_stay_with_it_unless_they_were_dealt_before(
    tmp_path: Path,
) -> None:
    values = np.random.default_rng(0).integers(0, 256, (60, 17, 17), dtype=np.uint8)
    plain = {
        name: replace(of_one, grey=grey.tobytes().hex())
        for (name, of_one), grey in zip(images(60).items(), values, strict=True)
    }
    mirrored = {
        f"m{name}": replace(image(1000 + number), grey=values[number][:, ::-1].tobytes().hex())
        for number, name in enumerate(plain)
    }
    named = {f"{name[:4]}_crop.jpg": image(2000 + number) for number, name in enumerate(plain)}
    split_assignment = split(tmp_path, plain | mirrored | named)
    for name in plain:
        splits = {split_assignment.split_of[of_one] for of_one in (name, f"m{name}", f"{name[:4]}_crop.jpg")}
        assert len(splits) == 1
    assert (
        split_assignment.transformed_duplicates,
        split_assignment.names_tied,
        split_assignment.dealt_apart,
    ) == (60, 60, 0)
    before = split(tmp_path / "before", plain | {name: replace(m, grey="") for name, m in mirrored.items()})
    again = split(tmp_path / "before", plain | mirrored)
    assert again.split_of == before.split_of
    assert (
        again.dealt_apart == sum(before.split_of[name] != before.split_of[f"m{name}"] for name in plain) > 0
    )


def test_images_that_are_away_for_a_while_keep_their_splits(tmp_path: Path) -> None:
    everything = images(200)
    before = split(tmp_path, everything).split_of
    split(tmp_path, images(20, first=50))
    assert split(tmp_path, everything).split_of == before


def test_images_that_the_model_was_made_with_are_trained_on(tmp_path: Path) -> None:
    found = images(40)
    seen = {image_id_of_content(image.sha256) for image in list(found.values())[:30]}
    split_of = split(tmp_path, found, seen=seen).split_of
    assert all(split_of[name] == "train" for name in list(found)[:30])
    assert {"val", "test"} <= set(split_of.values())
    held_out = next(name for name, of in split_of.items() if of == "test")
    with pytest.raises(InputError, match=rf"made with the image {held_out}, which .* holds out for test"):
        split(tmp_path, found, seen={image_id_of_content(found[held_out].sha256)})


def test_a_group_is_called_by_its_first_image(tmp_path: Path) -> None:
    found = images(30) | {"copy.jpg": image(7, flipped_bits=3)}
    split_assignment = split(tmp_path, found, together=[["0005.jpg", "0003.jpg"]])
    assert split_assignment.group_of == {name: name for name in found} | {
        "copy.jpg": "0007.jpg",
        "0005.jpg": "0003.jpg",
    }


def test_types_of_one_image_reach_every_split(tmp_path: Path) -> None:
    found = images(100)
    split_of = split(tmp_path, found, types={name: name for name in found}).split_of
    assert Counter(split_of.values()) == {"train": 70, "test": 20, "val": 10}


def test_more_images_move_none_wherever_they_are_added(tmp_path: Path) -> None:
    before = split(tmp_path, images(100, first=100)).split_of
    after = split(tmp_path, images(300)).split_of
    assert {name: after[name] for name in before} == before
    assert Counter(after.values())["test"] == 60


def test_a_renamed_image_keeps_its_split(tmp_path: Path) -> None:
    before = split(tmp_path, images(50)).split_of
    renamed = {"x" + name: found for name, found in images(50).items()}
    assert split(tmp_path, renamed).split_of == {"x" + name: where for name, where in before.items()}


def test_the_seed_draws_another_split_and_the_same_seed_the_same(tmp_path: Path) -> None:
    first = split(tmp_path, images(100))
    other = split(tmp_path, images(100), SplitConfig(0.1, 0.2, 10, seed=1))
    assert other.split_of != first.split_of
    assert split(tmp_path, images(100)).split_of == first.split_of


def test_copies_near_duplicates_and_images_of_a_listing_share_a_split(tmp_path: Path) -> None:
    found = images(40)
    near = {f"n{i:04d}.jpg": image(i, flipped_bits=10) for i in range(40)}
    listing = [["0000.jpg", "0001.jpg", "absent.jpg", "0002.jpg"]]
    split_assignment = split(tmp_path, found | near, together=[*listing, ["0003.jpg", "absent.jpg"]])
    split_of = split_assignment.split_of
    assert (split_assignment.near_duplicates, split_assignment.tying_listings, split_assignment.groups) == (
        40,
        1,
        38,
    )
    assert all(split_of[name] == split_of["n" + name] for name in found)
    assert len({split_of[f"{i:04d}.jpg"] for i in range(3)}) == 1


def test_a_new_image_that_would_join_two_splits_is_left_out(tmp_path: Path) -> None:
    bits = [0, (1 << 16) - 1, (1 << 8) - 1]  # the third is 8 bits from both, which are 16 apart
    found = {f"{i}.jpg": ImageRecord(f"{i:02x}" * 32, 9, 9, f"{b:064x}") for i, b in enumerate(bits)}
    first_two = {name: found[name] for name in ("0.jpg", "1.jpg")}
    for seed in range(20):
        draw = SplitConfig(0.3, 0.3, 10, seed)
        before = split(tmp_path, first_two, draw).split_of
        if len(set(before.values())) == 2:
            break
    after = split(tmp_path, found, draw)
    assert after.split_of == before
    assert list(after.left_out) == ["2.jpg"]


def chain(count: int) -> dict[str, ImageRecord]:
    """Images of which each is 8 bits from one of the three before it: all are linked, most are unlike."""
    rng = random.Random("chain")
    bits = [rng.getrandbits(256)]
    while len(bits) < count:
        bits.append(rng.choice(bits[-3:]) ^ sum(1 << bit for bit in rng.sample(range(256), 8)))
    return {
        f"c{i:04d}.jpg": ImageRecord(f"{rng.getrandbits(256):064x}", 9, 9, f"{b:064x}")
        for i, b in enumerate(bits)
    }


def check_that_no_near_duplicate_is_in_two_splits(
    found: dict[str, ImageRecord], split_of: dict[str, str]
) -> None:
    names = list(split_of)
    bits = np.array([[int(c, 16) for c in found[name].perceptual_hash] for name in names], dtype=np.uint8)
    for i, name in enumerate(names):  # counted another way than the code does: digit by digit
        for j in np.flatnonzero(np.bitwise_count(bits[i] ^ bits).sum(axis=1) <= 10):
            assert split_of[name] == split_of[names[j]]


def test_a_chain_of_unlike_images_does_not_tie_the_catalogue_together(tmp_path: Path) -> None:
    found = chain(60) | images(140)
    whole = split(tmp_path / "whole", found)
    assert (whole.groups, whole.groups_cut, whole.left_out) == (141, 0, {})
    assert whole.largest_share == 0.3

    found = chain(3000)
    split_assignment = split(tmp_path / "cut", found)
    assert (split_assignment.groups_cut, split_assignment.largest_share) == (1, 1.0)
    check_that_no_near_duplicate_is_in_two_splits(found, split_assignment.split_of)
    assert 0 < len(split_assignment.left_out) < 0.02 * len(found)
    assert split_assignment.left_out.keys().isdisjoint(split_assignment.split_of)
    counts = Counter(split_assignment.split_of.values())
    assert abs(counts["test"] / counts.total() - 0.2) < 0.02
    assert abs(counts["val"] / counts.total() - 0.1) < 0.02


def test_a_chain_that_grows_moves_no_image_and_still_keeps_near_duplicates_together(tmp_path: Path) -> None:
    found = chain(3000)
    before = split(tmp_path, dict(list(found.items())[:2500])).split_of
    split_assignment = split(tmp_path, found)
    assert {name: split_assignment.split_of[name] for name in before} == before
    check_that_no_near_duplicate_is_in_two_splits(found, split_assignment.split_of)
    assert len(split_assignment.left_out) < 0.05 * len(found)


def test_memory_grows_with_the_images_of_a_chain_and_not_with_its_square() -> None:
    peaks = []
    for count in (500, 4000):
        found = chain(count)
        tracemalloc.start()
        split_images(found, {}, [], DRAW, Path("none"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 12 * peaks[0]  # eight times the images; their pairs are 64 times as many


def test_a_leak_stops_the_stage(tmp_path: Path) -> None:
    before = split(tmp_path, images(30)).split_of
    one = next(name for name, where in before.items() if where == "train")
    other = next(name for name, where in before.items() if where == "test")
    with pytest.raises(InputError, match=r"copies or share a listing.*delete that file"):
        split(tmp_path, images(30), together=[[one, other]])


def test_a_splits_file_with_conflict_markers_is_named(tmp_path: Path) -> None:
    (tmp_path / "splits.json").write_text("<<<<<<< HEAD\n")
    with pytest.raises(InputError, match=r"splits\.json is not JSON"):
        split(tmp_path, images(30))


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ([], r"splits\.json is not a record of splits; restore it"),
        ({"draw": None, "pictures": ["a"]}, r"splits\.json is not a record of splits; restore it"),
        (
            {"draw": vars(DRAW), "pictures": {"trian": {}}},
            r"splits\.json is not a record of splits; restore it",
        ),
        ({"draw": vars(DRAW), "pictures": {"val": {"abc": "12"}}}, r"splits\.json is not a record of splits"),
    ],
)
def test_a_splits_file_of_another_shape_is_named(tmp_path: Path, record: object, sentence: str) -> None:
    write_json(tmp_path / "splits.json", record)
    with pytest.raises(InputError, match=sentence):
        split(tmp_path, images(30))


def test_a_model_that_lists_no_images_says_nothing_and_a_broken_list_is_named(tmp_path: Path) -> None:
    assert images_seen(tmp_path) is None
    listed = tmp_path / "photographs.txt"
    listed.write_text(f"{'a1' * 8}\n{'b2' * 6}\n")  # of sixteen digits, as there were, and of twelve
    assert images_seen(tmp_path) == frozenset({"a1" * 6, "b2" * 6})
    listed.write_text("")
    with pytest.raises(InputError, match=r"photographs\.txt is empty; restore it"):
        images_seen(tmp_path)
    listed.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match=r"photographs\.txt holds 'version', which is no image's id"):
        images_seen(tmp_path)


@pytest.mark.parametrize("tree", ["abo", "abo_photos"])
def test_on_real_products_no_copy_or_near_duplicate_is_in_two_splits(
    tmp_path: Path, shared: Path, tree: str
) -> None:
    root = shared / tree
    names = sorted(path.name for path in (root / "images/small").glob("*/*"))[:2000]
    found = {name: inspect(image_path(root, name)) for name in names}
    listings = read_listings(root, found, 20)
    assert listings is not None
    split_of = split(tmp_path, found, types=listings.types, together=listings.together).split_of
    check_that_no_near_duplicate_is_in_two_splits(found, split_of)
    by_hash: dict[str, set[str]] = {}
    for name in names:
        by_hash.setdefault(found[name].sha256, set()).add(split_of[name])
    assert all(len(where) == 1 for where in by_hash.values())

import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vqa.catalogue.images import inspect
from vqa.validation.near_duplicates import near_duplicates


def flipped(text: str, bits: int) -> str:
    return f"{int(text, 16) ^ ((1 << bits) - 1):064x}"


def random_hashes(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [f"{rng.getrandbits(256):064x}" for _ in range(count)]


def all_with_all(hashes: list[str], most_bits: int) -> set[tuple[int, int, int]]:
    """Counted another way than the code does: digit by digit, every pair."""
    digits: NDArray[np.uint8] = np.array([[int(c, 16) for c in text] for text in hashes], dtype=np.uint8)
    found = set()
    for i, row in enumerate(digits):
        distance = np.bitwise_count(row ^ digits[i + 1 :]).sum(axis=1)
        for j in np.flatnonzero(distance <= most_bits):
            found.add((i, i + 1 + int(j), int(distance[j])))
    return found


def test_eleven_bits_apart_are_two_images() -> None:
    (first,) = random_hashes(1)
    hashes = [first, flipped(first, 10), flipped(first, 11)]
    found = near_duplicates(hashes, 10)
    assert found.links.tolist() == [[0, 1, 10], [1, 2, 1]]  # the last two differ in one bit
    assert found.pairs == 2
    assert near_duplicates(hashes, 0).links.tolist() == []


@pytest.mark.parametrize("most_bits", [0, 1, 2, 3, 7, 10, 32])
def test_the_bands_miss_no_pair_wherever_its_bits_differ_and_count_none_twice(most_bits: int) -> None:
    rng = random.Random(most_bits)
    hashes = []
    for text in random_hashes(40):
        for _ in range(6):
            changed = sum(1 << bit for bit in rng.sample(range(256), rng.randint(1, most_bits + 2)))
            hashes.append(f"{int(text, 16) ^ changed:064x}")
    hashes = list(dict.fromkeys(hashes))
    links = [tuple(link) for link in near_duplicates(hashes, most_bits).links.tolist()]
    assert len(set(links)) == len(links)
    assert set(links) == all_with_all(hashes, most_bits)


def test_real_photographs_have_the_pairs_that_comparing_all_with_all_finds(shared: Path) -> None:
    paths = sorted((shared / "abo_photos/images/small").glob("*/*"))[:2000]
    hashes = list(dict.fromkeys(inspect(path).perceptual_hash for path in paths))
    links = {tuple(link) for link in near_duplicates(hashes, 10).links.tolist()}
    assert links == all_with_all(hashes, 10)
    assert len(links) > 10


def test_a_thousand_copies_are_one_look_and_half_a_million_pairs() -> None:
    one, other = random_hashes(2)
    found = near_duplicates([one] * 1000 + [flipped(one, 3), other], 10)
    assert found.content_of.tolist() == [0] * 1000 + [1, 2]
    assert found.links.tolist() == [[0, 1, 3]]
    assert found.pairs == 1000 * 999 // 2 + 1000


def test_memory_grows_with_the_images_not_with_their_pairs() -> None:
    peaks = []
    for count in (4_000, 32_000):
        hashes = random_hashes(count)
        tracemalloc.start()
        near_duplicates(hashes, 10)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 10 * peaks[0]  # eight times the images; their pairs are 64 times as many

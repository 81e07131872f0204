"""Images that look alike: perceptual hashes few bits apart, found exactly without comparing all with all.

Hashes that differ in at most k bits agree in at least one of k + 1 bands, so only images that share a
band are compared. The bits of a band come from all over the image: product photographs have white
corners in common, and bands of neighbouring bits would compare fifty times as many of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa.catalogue.images import HASH_BITS

Integers = NDArray[np.int64]
_KEY_BITS = 64  # a band's bits, at most, are one number
IsSame = Callable[[Integers, Integers], NDArray[np.bool_]]  # numbers of hashes, pair by pair → which are kept


@dataclass(frozen=True)
class NearDuplicates:
    """Which images have the same content, and which contents are near each other.

    A content is one distinct perceptual hash, so that a thousand copies of an image are one content and not
    half a million pairs.
    """

    content_of: Integers  # [images] its content, numbered by first appearance
    links: Integers  # [links, 3] two contents, the smaller first, and in how many bits they differ
    pairs: int  # of images, those of one content included


def near_duplicates(hashes: Sequence[str], most_bits: int) -> NearDuplicates:
    """Images whose hashes (64 hex digits) differ in at most `most_bits` bits; equal bytes have equal ones.

    Time grows with the images that share a band, memory with images and links: 400,000 hashes as alike as
    ABO's take seconds at 10 bits (benchmarks/growth.py); twice the bits take many times as long.
    """
    number: dict[str, int] = {}
    content_of = np.array([number.setdefault(text, len(number)) for text in hashes], dtype=np.int64)
    packed = np.frombuffer(bytes.fromhex("".join(number)), dtype=np.uint8).reshape(-1, HASH_BITS // 8)
    links = near_links(packed, most_bits)
    copies = np.bincount(content_of, minlength=len(number))
    pairs = copies @ (copies - 1) // 2 + copies[links[:, 0]] @ copies[links[:, 1]]
    return NearDuplicates(content_of, links, int(pairs))


def near_links(packed: NDArray[np.uint8], most_bits: int, is_same: IsSame | None = None) -> Integers:
    """Hashes `packed` [hashes, bytes] that differ in at most `most_bits` bits, as `NearDuplicates.links`.

    `is_same` decides on each candidate pair before it is kept in memory.
    """
    blocks = [*_links(packed, most_bits, is_same), np.empty((0, 3), dtype=np.int64)]
    links = np.concatenate(blocks)
    return links[np.lexsort((links[:, 1], links[:, 0]))]


def _links(packed: NDArray[np.uint8], most_bits: int, is_same: IsSame | None) -> Iterator[Integers]:
    """Rows of `NearDuplicates.links`, each once."""
    words = packed.view(np.uint64)  # [hashes, 4] of 256 bits
    keys = _band_keys(packed, most_bits + 1)  # [contents, bands]
    for band in range(keys.shape[1]):
        order = np.argsort(keys[:, band], kind="stable")
        sorted_keys, sorted_words = keys[order, band], words[order]
        place, step = np.arange(len(order)), 0
        while len(place):  # those that share the band with the one `step` places on
            step += 1
            place = place[place + step < len(order)]
            place = place[sorted_keys[place] == sorted_keys[place + step]]
            bits = np.bitwise_count(sorted_words[place] ^ sorted_words[place + step]).sum(axis=1)
            near = bits <= most_bits
            one, other = order[place[near]], order[place[near] + step]
            is_first = (keys[one] == keys[other]).argmax(axis=1) == band  # other bands find it again
            ends = np.stack([one[is_first], other[is_first]], axis=1)
            of_ends = bits[near][is_first]
            if is_same and len(ends):
                is_kept = is_same(ends[:, 0], ends[:, 1])
                ends, of_ends = ends[is_kept], of_ends[is_kept]
            if len(ends):
                yield np.column_stack([np.sort(ends, axis=1), of_ends]).astype(np.int64)


def _band_keys(packed: NDArray[np.uint8], bands: int) -> NDArray[np.uint64]:
    """Each hash's bits as at least `bands` numbers `[hashes, bands]`, every bit in one of them."""
    count = packed.shape[1] * 8
    bits = np.unpackbits(packed, axis=1)[:, np.random.default_rng(0).permutation(count)]
    keys = []
    for band in np.array_split(bits, max(bands, count // _KEY_BITS), axis=1):
        padded = np.pad(band, ((0, 0), (_KEY_BITS - band.shape[1], 0)))
        keys.append(np.ascontiguousarray(np.packbits(padded, axis=1)).view(np.uint64))
    return np.concatenate(keys, axis=1)

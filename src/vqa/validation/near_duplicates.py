"""Images that look alike: perceptual hashes few bits apart, found exactly without comparing all with all.

Hashes that differ in at most k bits agree in at least one of k + 1 bands, so only images that share a
band are compared. The bits of a band come from all over the image: product photographs have white
corners in common, and bands of neighbouring bits would compare fifty times as many of them.

Images that are mirrored, turned by 90° or brightened copies of others, found in small grey values.

Each image is turned to one of its eight orientations by where its brightness is, so that turned copies
become alike and one search is enough. Where that decides nothing (a bottle is as bright on the left as on the
right), the image has several orientations. Two tests find copies, each with a second condition on the values:

- difference hashes few bits apart, and few beside the bits that are set: mirrored and turned copies;
- coarse hashes of the cosine transform few bits apart, and slopes that do not contradict each other:
  brightened copies, whose light places are clipped to white and flat.

What neither finds (crops, turns by other angles) is in docs/pairs.md with the measured shares.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from vqa.catalogue.images import GREY_SIDE, HASH_BITS

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


_UNDECIDED = 0.01  # of the greatest moment that an image's contrast could have
_STEP = 1  # of 255: a smaller one between neighbours is noise
_SHARE_OF_BITS = 0.12  # of the bits that either hash has set, that may differ
_COSINES = 8  # of each direction
_COSINE = dct(np.eye(GREY_SIDE, dtype=np.float32), axis=0, norm="ortho")[:_COSINES]
_COARSE_BITS = 0.4  # of the bits that difference hashes may differ in
_BRIGHTER = np.minimum(np.arange(256) * 1.25, 255).astype(np.uint8)  # grey value → a lighter one
_SLOPE = 2  # of 255: what a slope has at least
_CONTRADICTING, _AGREEING, _FEWEST = (
    0.04,
    0.7,
    40,
)  # of the fewer slopes; and these
_CHUNK = 50_000  # images whose values are worked on at once

Greys = NDArray[np.uint8]  # [images, GREY_SIDE, GREY_SIDE]


def grey_values(texts: Sequence[str]) -> Greys:
    """`ImageRecord.grey` of each image as numbers."""
    return np.frombuffer(bytes.fromhex("".join(texts)), dtype=np.uint8).reshape(-1, GREY_SIDE, GREY_SIDE)


def transformed_links(greys: Greys, most_bits: int) -> Integers:
    """Images that look alike once they are turned: [links, 3] two numbers, the smaller first, and bits.

    Args:
        most_bits: that difference hashes of 256 may differ in; 0 finds hardly anything.
    """
    if not len(greys):
        return np.empty((0, 3), dtype=np.int64)
    owner, upright = _oriented(greys)
    hashes = _difference_hashes(upright)
    words = hashes.view(np.uint64)

    def shares_bits(one: Integers, other: Integers) -> NDArray[np.bool_]:
        differing = np.bitwise_count(words[one] ^ words[other]).sum(axis=1)
        return differing <= _SHARE_OF_BITS * np.bitwise_count(words[one] | words[other]).sum(axis=1)

    def slopes_agree(one: Integers, other: Integers) -> NDArray[np.bool_]:
        return _slopes_agree(upright, one % len(upright), other % len(upright))

    # Unchanged and brightened: a brightened copy is nearer to the latter.
    coarse = np.concatenate([_coarse_hashes(values) for values in (upright, _BRIGHTER[upright])])
    links_of_tests = [
        near_links(hashes, most_bits, shares_bits),
        near_links(coarse, int(_COARSE_BITS * most_bits), slopes_agree),
    ]
    links = np.concatenate(links_of_tests)
    links[:, :2] = np.sort(owner[links[:, :2] % len(upright)], axis=1)
    links = links[links[:, 0] != links[:, 1]]
    links = links[np.lexsort((links[:, 2], links[:, 1], links[:, 0]))]
    is_first = np.ones(len(links), dtype=bool)
    is_first[1:] = (links[1:, :2] != links[:-1, :2]).any(axis=1)
    return links[is_first]


def _oriented(greys: Greys) -> tuple[Integers, Greys]:
    """Each image in the orientations that its brightness allows: owners [n] and values [n, side, side]."""
    place = np.arange(GREY_SIDE) - GREY_SIDE // 2
    across, down, scale = (np.empty(len(greys)) for _ in range(3))
    for start in range(0, len(greys), _CHUNK):
        part = slice(start, start + _CHUNK)
        values = greys[part].astype(np.float32)
        values -= values.mean(axis=(1, 2), keepdims=True)
        across[part], down[part] = values.sum(axis=1) @ place, values.sum(axis=2) @ place
        scale[part] = np.abs(values).sum(axis=(1, 2)) * (GREY_SIDE // 2) * _UNDECIDED
    owners, oriented = [], []
    for is_flipped, is_upside_down, is_transposed in product((False, True), repeat=3):
        fits = _fits(across, is_flipped, scale) & _fits(down, is_upside_down, scale)
        fits &= _fits(np.abs(across) - np.abs(down), is_transposed, scale)
        chosen = np.flatnonzero(fits)
        turned = greys[chosen]
        turned = turned[:, :, ::-1] if is_flipped else turned
        turned = turned[:, ::-1] if is_upside_down else turned
        owners.append(chosen)
        oriented.append(turned.transpose(0, 2, 1) if is_transposed else turned)
    return np.concatenate(owners), np.concatenate(oriented)


def _fits(moment: NDArray[np.float64], is_turned: bool, least: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether turning (or not) makes `moment` positive, or it is too small to decide."""
    return ((moment < 0) == is_turned) | (np.abs(moment) <= least)


def _difference_hashes(greys: Greys) -> NDArray[np.uint8]:
    """[n, 32]: is each of 16×16 places lighter than its left neighbour by more than noise?

    The middle row is left out, so that every orientation compares the same places.
    """
    rows = np.delete(greys, GREY_SIDE // 2, axis=1).astype(np.int16)
    return np.packbits((rows[:, :, 1:] - rows[:, :, :-1] > _STEP).reshape(len(greys), -1), axis=1)


def _coarse_hashes(greys: Greys) -> NDArray[np.uint8]:
    """[n, 8]: is each of the lowest cosines above their median? The first, the brightness, is left out.

    Source: N. Krawetz, "Looks like it", https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html
    """
    hashes = np.zeros((len(greys), _COSINES * _COSINES), dtype=bool)
    for start in range(0, len(greys), _CHUNK):
        part = slice(start, start + _CHUNK)
        cosines = _COSINE @ greys[part].astype(np.float32) @ _COSINE.T
        lowest = cosines.reshape(len(cosines), -1)[:, 1:]
        hashes[part, 1:] = lowest > np.median(lowest, axis=1, keepdims=True)
    return np.packbits(hashes, axis=1)


def _slopes_agree(greys: Greys, one: Integers, other: Integers) -> NDArray[np.bool_]:
    """Whether places that get lighter in one image get lighter or stay flat in the other."""
    is_same = np.zeros(len(one), dtype=bool)
    for start in range(0, len(one), _CHUNK):
        part = slice(start, start + _CHUNK)
        first, second = _slopes(greys[one[part]]), _slopes(greys[other[part]])
        signs = first * second
        fewest = np.minimum(np.abs(first).sum(axis=1), np.abs(second).sum(axis=1))
        is_agreed = (signs > 0).sum(axis=1) >= _AGREEING * fewest
        is_contradicted = (signs < 0).sum(axis=1) > _CONTRADICTING * fewest
        is_same[part] = is_agreed & ~is_contradicted & (fewest >= _FEWEST)
    return is_same


def _slopes(greys: Greys) -> NDArray[np.int8]:
    """[n, 2 · 17 · 16]: 1 where a place is lighter than its left or upper neighbour, -1 where darker."""
    values = greys.astype(np.int16)
    steps = [np.diff(values, axis=axis).reshape(len(values), -1) for axis in (2, 1)]
    slopes = np.concatenate(steps, axis=1)
    return np.where(np.abs(slopes) > _SLOPE, np.sign(slopes), 0).astype(np.int8)

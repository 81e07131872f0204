"""Links between contents → groups that go to one split, none so large that chance decides a split's images.

Among many images near duplicates form chains: neighbours look alike, the two ends do not. At the density of
all of ABO one chain would hold a fifth of the images. It is cut where its links are weakest. Where two sides
of a cut go to different splits, the few images at the cut are left out, so that no near duplicates are in two
splits. A content is one distinct perceptual hash (`NearDuplicates`).

What ties images together: hashes, listings and names → links between contents, sure and likely ones.

Names that show that one image was made of another: lamp_flip.jpg, lamp_jpg.rf.0f3a….jpg.

lamp (1).jpg may be a copy, another view or another lamp: such names are only reported.
"""

import heapq
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from vqa.catalogue.images import ImageRecord
from vqa.validation.near_duplicates import grey_values, near_duplicates, transformed_links

Integers = NDArray[np.int64]

# What programs that multiply images append; a number may follow.
_MADE = (
    "aug augmented augmentation flip flipped hflip vflip fliplr flipud mirror mirrored rot rotate rotated "
    "rotation crop cropped bright brighter brightness dark darker contrast blur blurred noise noisy pad "
    "padded gray grey grayscale greyscale jitter shear sheared zoom zoomed scale scaled cutout mosaic hue "
    "saturation sharpen sharpened small resized copy edited"
).split()
_SUFFIX = re.compile(rf"(.+?)((?:[-_. ](?:{'|'.join(_MADE)})(?:[-_ ]?\d+)?)+)", re.IGNORECASE)
_ROBOFLOW = re.compile(r"(.+?)(?:_(?:jpe?g|png|webp|bmp))?\.rf\.[0-9a-z]{8,}", re.IGNORECASE)
_NUMBERED = re.compile(r"(.+?)[ _]?\(\d+\)")
_FEW = 3

StemOf = Callable[[str], tuple[str, bool]]  # name without ending → stem, and whether that left something out


def names_made_of(names: Sequence[str]) -> list[list[int]]:
    """Numbers of those names that are made of one: tied whatever the images look like."""
    return [of_stem for of_stem, is_tied in _stems(names, _source).values() if is_tied and len(of_stem) > 1]


def numbered_apart(split_of: Mapping[str, str]) -> list[str]:
    """A sentence on images whose names differ by (1), (2) and that stand in two splits; [] where none do.

    They are not tied, since renaming a folder's files on Windows gives "photo (1)" to "photo (900)".
    """
    names = sorted(split_of)
    stems = [of_stem for of_stem, is_marked in _stems(names, _unnumbered).values() if is_marked]
    apart = [stem for stem in stems if len({split_of[names[number]] for number in stem}) > 1]
    if not apart:
        return []
    shown = ", ".join(names[number] for number in apart[0][:_FEW])
    return [
        f"{sum(map(len, apart))} images have names that differ by (1), (2) or so and stand in two "
        f"splits ({shown}): where they are copies or views of one thing, tie them (docs/pairs.md)"
    ]


def _stems(names: Iterable[str], stem_of: StemOf) -> dict[str, tuple[list[int], bool]]:
    """Stem → the numbers of its names, and whether one of them has a suffix."""
    numbers_of: dict[str, list[int]] = defaultdict(list)
    marked = set()
    for number, name in enumerate(names):
        stem, has_suffix = stem_of(os.path.splitext(name)[0])  # noqa: PTH122 - a Path costs three times as much
        numbers_of[stem.casefold()].append(number)
        if has_suffix:
            marked.add(stem.casefold())
    return {stem: (numbers, stem in marked) for stem, numbers in numbers_of.items()}


def _source(stem: str) -> tuple[str, bool]:
    if match := _ROBOFLOW.fullmatch(stem):
        return match[1], True
    match = _SUFFIX.fullmatch(stem)
    return (match[1], True) if match else (stem, False)


def _unnumbered(stem: str) -> tuple[str, bool]:
    match = _NUMBERED.fullmatch(stem)
    return (match[1], True) if match else (stem, False)


@dataclass(frozen=True)
class Links:
    """Links `[links, 3]` as `near_duplicates` gives them; a link by a listing or name is -1 bits long."""

    content_of: Integers  # [images]
    sure: Integers  # near duplicates, and images of one product
    likely: Integers  # turned or brightened copies, and names that were made of one
    pairs: int  # of images that are near duplicates
    counts: tuple[int, int, int]  # products that tie, turned copies, names that tie


def link_images(
    images: Mapping[str, ImageRecord], names: Sequence[str], together: Iterable[Sequence[str]], most_bits: int
) -> Links:
    """The links of `images` (by name, here in the order of `names`).

    `together`: names of images of one product; `most_bits`: the most bits in which hashes of near duplicates
    differ.
    """
    copies = near_duplicates([images[name].perceptual_hash for name in names], most_bits)
    ties, named = _ties(names, together), names_made_of(names)
    turned = _turned(images, names, copies.content_of, copies.links, most_bits)
    return Links(
        copies.content_of,
        np.concatenate([_tie_links(ties, copies.content_of), copies.links]),
        np.concatenate([turned, _tie_links(named, copies.content_of)]),
        copies.pairs,
        (len(ties), len(turned), len(named)),
    )


def are_apart(links: Integers, known: Mapping[int, str]) -> NDArray[np.bool_]:
    """Which links join contents that were assigned to two splits before; they stay there."""
    splits = [(known.get(one), known.get(other)) for one, other in links[:, :2].tolist()]
    return np.array([None not in both and both[0] != both[1] for both in splits], dtype=bool)


def _turned(
    images: Mapping[str, ImageRecord],
    names: Sequence[str],
    content_of: Integers,
    near: Integers,
    most_bits: int,
) -> Integers:
    """Links between turned or brightened copies that are not in `near`, as `near_duplicates` gives them."""
    first = np.unique(content_of, return_index=True)[1].tolist()
    greys = {content: images[names[number]].grey for content, number in enumerate(first)}
    contents = np.array([content for content, grey in greys.items() if grey], dtype=np.int64)
    links = transformed_links(grey_values([grey for grey in greys.values() if grey]), most_bits)
    links[:, :2] = contents[links[:, :2]]
    is_known = np.isin(links[:, 0] * len(first) + links[:, 1], near[:, 0] * len(first) + near[:, 1])
    return links[~is_known]


def _ties(names: Sequence[str], together: Iterable[Sequence[str]]) -> list[list[int]]:
    """For each listing that ties two or more of `names`, their indices."""
    index = {name: i for i, name in enumerate(names)}
    present = ([index[name] for name in listing if name in index] for listing in together)
    return [tie for tie in present if len(tie) > 1]


def _tie_links(ties: Iterable[Sequence[int]], content_of: Integers) -> Integers:
    """Links as `near_duplicates` gives them, nearer than any copies."""
    rows = [(content_of[one], content_of[other], -1) for tie in ties for one, other in pairwise(tie)]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


@dataclass(frozen=True)
class Groups:
    of_content: Integers  # [contents] the number of its group, from 0
    largest: int  # images of the largest one, before any was cut
    cut: int  # how many were


def grouped(links: Integers, sizes: Integers, known: Mapping[int, str], most: int) -> Groups:
    """Connected contents, cut where they have more than `most` images or tie two splits.

    A group is cut by Kruskal's spanning tree with a capacity: parts grow along links, nearest first, as long
    as they stay within both bounds.

    Args:
        links: [links, 3] as `near_duplicates` gives them; a link by a listing is -1 bits long.
        sizes: [contents] images that have each.
        known: split by content, of those that were dealt before.
    """
    graph = coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(len(sizes), len(sizes)))
    _, of_content = connected_components(graph, directed=False)
    images = np.bincount(of_content, weights=sizes)
    to_cut = (images > most) | _are_of_two_splits(of_content, known)
    is_in_cut = to_cut[of_content]
    parts = _parts(links[is_in_cut[links[:, 0]]], sizes, known, most)
    of_content = np.unique(np.where(is_in_cut, parts, of_content + len(sizes)), return_inverse=True)[1]
    return Groups(of_content.astype(np.int64), int(images.max(initial=0)), int(to_cut.sum()))


def _are_of_two_splits(of_content: Integers, known: Mapping[int, str]) -> NDArray[np.bool_]:
    """Which groups hold contents of two splits `[groups]`."""
    splits: dict[int, set[str]] = {}
    for content, split in known.items():
        splits.setdefault(int(of_content[content]), set()).add(split)
    is_of_two = np.zeros(of_content.max(initial=-1) + 1, dtype=bool)
    is_of_two[[group for group, of_group in splits.items() if len(of_group) > 1]] = True
    return is_of_two


def _parts(links: Integers, sizes: Integers, known: Mapping[int, str], most: int) -> Integers:
    """For each content `[contents]` one content that stands for its part; itself if it has no link."""
    parent, size = list(range(len(sizes))), sizes.tolist()
    split = [known.get(content) for content in range(len(sizes))]

    def root(content: int) -> int:
        while parent[content] != content:
            parent[content] = content = parent[parent[content]]
        return content

    for one, other in links[np.argsort(links[:, 2], kind="stable"), :2].tolist():
        a, b = root(one), root(other)
        is_of_two = len({split[a], split[b]} - {None}) == 2
        if a != b and size[a] + size[b] <= most and not is_of_two:
            parent[b], size[a], split[a] = a, size[a] + size[b], split[a] or split[b]
    return np.array([root(content) for content in range(len(sizes))], dtype=np.int64)


def uncrossed(links: Integers, split_of: Sequence[str], known: Mapping[int, str]) -> dict[int, set[str]]:
    """Contents to leave out so that no link joins two splits, each with the splits that it would join.

    The content with most such links is left out first. One that was assigned before stays, so a link between
    two of these remains.
    """
    crossing: dict[int, set[int]] = {}
    for one, other in links[:, :2].tolist():
        if split_of[one] != split_of[other]:
            crossing.setdefault(one, set()).add(other)
            crossing.setdefault(other, set()).add(one)
    queue = [(-len(others), content) for content, others in crossing.items() if content not in known]
    heapq.heapify(queue)
    joined: dict[int, set[str]] = {}
    while queue:
        count, content = heapq.heappop(queue)
        others = crossing[content]
        if others and len(others) < -count:  # some were left out since it was queued
            heapq.heappush(queue, (-len(others), content))
        elif others:
            joined[content] = {split_of[other] for other in (content, *others)}
            for other in others:
                crossing[other].discard(content)
            others.clear()
    return joined

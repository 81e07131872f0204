"""What ties images together: hashes, listings and names → links between contents, sure and likely ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vqa.catalogue.images import ImageRecord
from vqa.validation.near_duplicates import Integers, near_duplicates
from vqa.validation.similar_names import names_made_of
from vqa.validation.transformed_duplicates import grey_values, transformed_links


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

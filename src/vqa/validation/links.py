"""What ties pictures together: looks, listings and names → links between looks, sure ones and likely ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vqa.catalogue.pictures import Picture
from vqa.validation.alike_names import made_of
from vqa.validation.near_copies import Integers, near_copies
from vqa.validation.turned_copies import grey_values, turned_links


@dataclass(frozen=True)
class Links:
    """Links `[links, 3]` as `near_copies` gives them; one by a listing or a name is -1 bits long."""

    look_of: Integers  # [pictures]
    sure: Integers  # near copies, and pictures of one product
    likely: Integers  # turned or brightened copies, and names that were made of one
    pairs: int  # of pictures that are near copies
    counts: tuple[int, int, int]  # products that tie, turned copies, names that tie


def linked_looks(
    pictures: Mapping[str, Picture], names: Sequence[str], together: Iterable[Sequence[str]], most_bits: int
) -> Links:
    """The links of `pictures` (by name, here in the order of `names`).

    `together`: names of pictures that are of one product; `most_bits`: that hashes of near copies differ in.
    """
    copies = near_copies([pictures[name].perceptual_hash for name in names], most_bits)
    ties, named = _ties(names, together), made_of(names)
    turned = _turned(pictures, names, copies.look_of, copies.links, most_bits)
    return Links(
        copies.look_of,
        np.concatenate([_links_of(ties, copies.look_of), copies.links]),
        np.concatenate([turned, _links_of(named, copies.look_of)]),
        copies.pairs,
        (len(ties), len(turned), len(named)),
    )


def are_apart(links: Integers, known: Mapping[int, str]) -> NDArray[np.bool_]:
    """Which links join looks that were dealt to two splits: what was dealt stays."""
    splits = [(known.get(one), known.get(other)) for one, other in links[:, :2].tolist()]
    return np.array([None not in both and both[0] != both[1] for both in splits], dtype=bool)


def _turned(
    pictures: Mapping[str, Picture], names: Sequence[str], look_of: Integers, near: Integers, most_bits: int
) -> Integers:
    """Looks that are turned or brightened copies, and not in `near`; as `near_copies` gives links."""
    first = np.unique(look_of, return_index=True)[1].tolist()
    greys = {look: pictures[names[number]].grey for look, number in enumerate(first)}
    looks = np.array([look for look, grey in greys.items() if grey], dtype=np.int64)
    found = turned_links(grey_values([grey for grey in greys.values() if grey]), most_bits)
    found[:, :2] = looks[found[:, :2]]
    is_known = np.isin(found[:, 0] * len(first) + found[:, 1], near[:, 0] * len(first) + near[:, 1])
    return found[~is_known]


def _ties(names: Sequence[str], together: Iterable[Sequence[str]]) -> list[list[int]]:
    """Indices of those pictures that a listing ties to another one here."""
    index = {name: i for i, name in enumerate(names)}
    present = ([index[name] for name in listing if name in index] for listing in together)
    return [tie for tie in present if len(tie) > 1]


def _links_of(ties: Iterable[Sequence[int]], look_of: Integers) -> Integers:
    """As `near_copies` gives them, nearer than any copies."""
    rows = [(look_of[one], look_of[other], -1) for tie in ties for one, other in pairwise(tie)]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)

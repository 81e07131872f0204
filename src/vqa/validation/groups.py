"""Links between looks → groups that go to one split, none so large that chance decides what a split holds.

Among many pictures near copies form chains: neighbours look alike, the two ends do not. At the density that
all of ABO would have, one chain would hold a fifth of the pictures. It is cut where its links are weakest;
where two sides of a cut come to different splits, the few pictures at it are left out, so that no near copy
is in two splits all the same.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Groups:
    of_look: Integers  # [looks] the number of its group, from 0
    largest: int  # pictures of the largest one, before any was cut
    cut: int  # how many were


def grouped(links: Integers, sizes: Integers, known: Mapping[int, str], most: int) -> Groups:
    """Connected looks, cut where that makes more than `most` pictures or ties two splits.

    A cut group is Kruskal's spanning tree with a capacity: parts grow along links, the nearest first, as long
    as they stay within both bounds.

    Args:
        links: [links, 3] as `near_copies` gives them; one by a listing is -1 bits long.
        sizes: [looks] pictures that have each.
        known: split by look, of those that were dealt before.
    """
    graph = coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(len(sizes), len(sizes)))
    _, of_look = connected_components(graph, directed=False)
    pictures = np.bincount(of_look, weights=sizes)
    to_cut = (pictures > most) | _are_of_two_splits(of_look, known)
    is_in_cut = to_cut[of_look]
    parts = _parts(links[is_in_cut[links[:, 0]]], sizes, known, most)
    of_look = np.unique(np.where(is_in_cut, parts, of_look + len(sizes)), return_inverse=True)[1]
    return Groups(of_look.astype(np.int64), int(pictures.max(initial=0)), int(to_cut.sum()))


def _are_of_two_splits(of_look: Integers, known: Mapping[int, str]) -> NDArray[np.bool_]:
    """Which groups hold looks of two splits `[groups]`."""
    splits: dict[int, set[str]] = {}
    for look, split in known.items():
        splits.setdefault(int(of_look[look]), set()).add(split)
    found = np.zeros(of_look.max(initial=-1) + 1, dtype=bool)
    found[[group for group, of_group in splits.items() if len(of_group) > 1]] = True
    return found


def _parts(links: Integers, sizes: Integers, known: Mapping[int, str], most: int) -> Integers:
    """One look of its part for each look `[looks]`, itself where no link of it is given."""
    parent, size = list(range(len(sizes))), sizes.tolist()
    split = [known.get(look) for look in range(len(sizes))]

    def root(look: int) -> int:
        while parent[look] != look:
            parent[look] = look = parent[parent[look]]
        return look

    for one, other in links[np.argsort(links[:, 2], kind="stable"), :2].tolist():
        a, b = root(one), root(other)
        is_of_two = len({split[a], split[b]} - {None}) == 2
        if a != b and size[a] + size[b] <= most and not is_of_two:
            parent[b], size[a], split[a] = a, size[a] + size[b], split[a] or split[b]
    return np.array([root(look) for look in range(len(sizes))], dtype=np.int64)


def uncrossed(links: Integers, split_of: Sequence[str], known: Mapping[int, str]) -> dict[int, set[str]]:
    """Looks to leave out so that no link joins two splits, each with the splits that it would have joined.

    The look with most such links goes first. One that was dealt before stays: a link between two of these
    remains.
    """
    crossing: dict[int, set[int]] = {}
    for one, other in links[:, :2].tolist():
        if split_of[one] != split_of[other]:
            crossing.setdefault(one, set()).add(other)
            crossing.setdefault(other, set()).add(one)
    queue = [(-len(others), look) for look, others in crossing.items() if look not in known]
    heapq.heapify(queue)
    joined: dict[int, set[str]] = {}
    while queue:
        count, look = heapq.heappop(queue)
        others = crossing[look]
        if others and len(others) < -count:  # some were left out since it was queued
            heapq.heappush(queue, (-len(others), look))
        elif others:
            joined[look] = {split_of[other] for other in (look, *others)}
            for other in others:
                crossing[other].discard(look)
            others.clear()
    return joined

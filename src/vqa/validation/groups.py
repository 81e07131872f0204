"""Links between contents → groups that go to one split, none so large that chance decides a split's images.

Among many images near duplicates form chains: neighbours look alike, the two ends do not. At the density of
all of ABO one chain would hold a fifth of the images. It is cut where its links are weakest. Where two sides
of a cut go to different splits, the few images at the cut are left out, so that no near duplicates are in two
splits. A content is one distinct perceptual hash (`NearDuplicates`).
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

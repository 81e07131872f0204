"""Pictures → train, val or test, by groups that must stay together; what was drawn once stays.

A group is a connected component: pictures with equal bytes, near-equal perceptual hashes, or on one
listing. Groups are dealt out by product type, so that each type has its share in each split. What was
dealt is kept in splits.json, which git versions: more pictures never move one that was there.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from vqa.catalogue.pictures import HASH_BITS, ID_LENGTH, Picture, picture_id
from vqa.foundation.errors import InputError
from vqa.foundation.files import read_json
from vqa.foundation.seeded import rank_of
from vqa.pairs.pair import SPLITS

PICTURES_SEEN = "photographs.txt"  # of a model's folder
_BLOCK = 2048  # rows of the distance matrix held at once: 2048 × pictures × 4 bytes
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")


@dataclass(frozen=True)
class Draw:
    """How splits are drawn; another draw starts afresh."""

    val_share: float
    test_share: float
    near_copy_bits: int
    seed: int


@dataclass(frozen=True)
class Division:
    """Who goes where, and what it rests on."""

    split_of: dict[str, str]  # by picture name
    left_out: dict[str, str]  # new pictures that would have joined two splits, with the reason
    record: dict[str, Any]  # for splits.json, once all is well
    groups: int  # of pictures that stay together, single ones too
    near_copies: int  # pairs of pictures
    tying_listings: int  # listings with two or more of the pictures


def divided(
    pictures: Mapping[str, Picture],
    types: Mapping[str, str],
    together: Iterable[Sequence[str]],
    draw: Draw,
    memory: Path,
    seen: Container[str] = frozenset(),
) -> Division:
    """Deal the pictures out, as `memory` (splits.json) says where it knows one.

    Args:
        pictures: usable pictures by name.
        types: product type by picture name; "" is assumed where there is none.
        together: picture names that share a listing.
        seen: ids of pictures that the model was made with, which go to train.

    Raises:
        InputError: two pictures that belong together are in two splits of `memory`, or a picture that the
            model has seen is to be held out.
    """
    names = sorted(pictures)
    copies = list(near_copies([pictures[name].perceptual_hash for name in names], draw.near_copy_bits))
    ties = _ties(names, together)
    links = [*copies, *(link for tie in ties for link in pairwise(tie))]
    groups = _groups(names, links)
    before = _remembered(memory, draw)
    ids = {name: picture_id(pictures[name].sha256) for name in names}
    old = {name: before[ids[name]] for name in names if ids[name] in before}
    old = {name: "train" for name in names if ids[name] in seen} | old
    split_of: dict[str, str] = dict(old)
    left_out: dict[str, str] = {}
    fresh: list[list[str]] = []
    for group in groups:
        known = {old[name] for name in group if name in old}
        if len(known) > 1:
            reason = f"linked to pictures of {' and '.join(sorted(known))}"
            left_out.update({name: reason for name in group if name not in old})
        elif known:
            split_of.update(dict.fromkeys(group, known.pop()))
        else:
            fresh.append(group)
    split_of.update(_dealt(fresh, types, draw, split_of))
    _check_no_leak(names, links, split_of, memory)
    _check_unseen({name: split for name, split in split_of.items() if ids[name] in seen}, memory)
    # What is not asked about now keeps its split: it may come back.
    record = before | {ids[name]: split for name, split in split_of.items()}
    whole = {"draw": vars(draw), "pictures": dict(sorted(record.items()))}
    return Division(split_of, left_out, whole, len(groups), len(copies), len(ties))


def _dealt(
    groups: list[list[str]], types: Mapping[str, str], draw: Draw, already: Mapping[str, str]
) -> dict[str, str]:
    """Each group to the split that lacks most, within its product type and over all; large ones first."""
    shares = np.array([1 - draw.val_share - draw.test_share, draw.val_share, draw.test_share])
    column = {split: i for i, split in enumerate(SPLITS)}
    have: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(SPLITS)))
    overall = np.zeros(len(SPLITS))
    for name, split in already.items():
        have[types.get(name, "")][column[split]] += 1
        overall[column[split]] += 1

    def order(group: list[str]) -> tuple[int, str]:
        return -len(group), rank_of(draw.seed, min(group))

    dealt: dict[str, str] = {}
    for group in sorted(groups, key=order):
        kind = Counter(types.get(name, "") for name in sorted(group)).most_common(1)[0][0]
        lack = shares * (have[kind].sum() + len(group)) - have[kind]
        lack += shares * (overall.sum() + len(group)) - overall
        chosen = int(lack.argmax())
        have[kind][chosen] += len(group)
        overall[chosen] += len(group)
        dealt.update(dict.fromkeys(group, SPLITS[chosen]))
    return dealt


def near_copies(hashes: Sequence[str], most_bits: int) -> Iterator[tuple[int, int]]:
    """Index pairs of perceptual hashes that differ in at most `most_bits` bits; equal bytes have equal ones.

    Compares all with all: as ±1 vectors, differing bits are (256 - dot product) / 2. 10,000 take about
    two seconds, 100,000 a few minutes.
    """
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(-1, HASH_BITS // 8)
    signs = np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1  # [pictures, 256]
    for start in range(0, len(signs), _BLOCK):
        dots = signs[start : start + _BLOCK] @ signs[start:].T
        rows, columns = np.nonzero(dots >= HASH_BITS - 2 * most_bits)
        later = columns > rows
        yield from zip((rows[later] + start).tolist(), (columns[later] + start).tolist(), strict=True)


def _ties(names: Sequence[str], together: Iterable[Sequence[str]]) -> list[list[int]]:
    """Indices of those pictures that a listing ties to another one here."""
    index = {name: i for i, name in enumerate(names)}
    present = ([index[name] for name in listing if name in index] for listing in together)
    return [tie for tie in present if len(tie) > 1]


def _groups(names: Sequence[str], links: Sequence[tuple[int, int]]) -> list[list[str]]:
    rows, columns = zip(*links, strict=True) if links else ((), ())
    graph = coo_matrix((np.ones(len(links)), (rows, columns)), shape=(len(names), len(names)))
    _, labels = connected_components(graph, directed=False)
    groups: dict[int, list[str]] = defaultdict(list)
    for name, label in zip(names, labels.tolist(), strict=True):
        groups[label].append(name)
    return list(groups.values())


def _check_no_leak(
    names: Sequence[str], links: Sequence[tuple[int, int]], split_of: Mapping[str, str], memory: Path
) -> None:
    for one, other in ((names[i], names[j]) for i, j in links):
        if one in split_of and other in split_of and split_of[one] != split_of[other]:
            raise InputError(
                f"{one} ({split_of[one]}) and {other} ({split_of[other]}) are copies or share a listing, but "
                f"are in two splits of {memory}; delete that file to draw all splits afresh"
            )


def _check_unseen(split_of: Mapping[str, str], memory: Path) -> None:
    for name, split in split_of.items():
        if split != "train":
            raise InputError(
                f"params.yaml's model.name was made with the picture {name}, which {memory} holds out for "
                f"{split}; name another model, or delete that file to draw all splits afresh"
            )


def _remembered(memory: Path, draw: Draw) -> dict[str, str]:
    """Picture id → split of the same draw; nothing where there is none."""
    record = read_json(memory) if memory.is_file() else {"draw": None, "pictures": {}}
    try:
        of_draw, splits = record["draw"], dict(record["pictures"])
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"{memory} is not a record of splits; restore it with git checkout") from error
    strange = next((picture for picture, split in splits.items() if split not in SPLITS), None)
    if strange is not None:
        raise InputError(
            f"{memory} has the picture {strange} in {splits[strange]!r}, which is no split; restore it with "
            "git checkout"
        )
    return splits if of_draw == vars(draw) else {}


def pictures_seen(model: Path) -> frozenset[str] | None:
    """Ids of the pictures that the model in this folder was made with; None where it does not say.

    The small model that looked at photographs lists them; no published one does.

    Raises:
        InputError: the list is empty or holds something else, and would protect nothing.
    """
    path = model / PICTURES_SEEN
    if not path.is_file():
        return None
    seen = path.read_text(encoding="utf-8", errors="replace").split()
    strange = next((text for text in seen if not _ID.fullmatch(text)), None)
    if strange is not None or not seen:
        what = "is empty" if strange is None else f"holds {strange[:40]!r}, which is no picture's id"
        raise InputError(f"{path} {what}; restore it, so that no picture the model saw is held out")
    return frozenset(seen)

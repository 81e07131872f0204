"""Pictures → train, val or test, by groups that must stay together; what was drawn once stays.

A group is a connected component: pictures with equal bytes, near-equal perceptual hashes (once turned or
brightened, too), on one product's listings, or with a name made of another's; very large ones are cut
(`groups.grouped`). Groups are dealt out by product type, so that each type has its share in each split. What
was dealt is kept in splits.json, which git versions: more pictures never move one that was there.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa.catalogue.pictures import ID_LENGTH, Picture, picture_id
from vqa.catalogue.split_memory import read_splits, record_of
from vqa.foundation.errors import InputError
from vqa.foundation.seeded import rank_of
from vqa.pairs.pair import SPLITS
from vqa.validation.declared_splits import images_across_splits
from vqa.validation.groups import Integers, grouped, uncrossed
from vqa.validation.links import are_apart, linked_looks

PICTURES_SEEN = "photographs.txt"  # of a model's folder
_LARGEST_SHARE = 0.01  # of all pictures, that one group may hold
_SMALL = 100  # pictures that a group may hold in any case: a small catalogue has few groups
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH},}}")


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
    group_of: dict[str, str]  # likewise: the first name of those that stay together
    left_out: dict[str, str]  # new pictures that would have joined two splits, with the reason
    record: dict[str, Any]  # for splits.json, once all is well
    groups: int  # of pictures that stay together, single ones too
    largest_share: float  # of all pictures that the largest group held before any was cut
    groups_cut: int  # that were too large, or tied pictures of two splits
    near_copies: int  # pairs of pictures
    tying_listings: int  # products whose listings have two or more of the pictures
    turned_copies: int = 0  # pairs of looks beside near copies, once they are turned or brightened
    names_tied: int = 0  # groups of pictures whose names are made of one
    dealt_apart: int = 0  # pairs of these two kinds that were dealt to two splits before


def divided(
    pictures: Mapping[str, Picture],
    types: Mapping[str, str],
    together: Iterable[Sequence[str]],
    draw: Draw,
    memory: Path,
    seen: Container[str] = frozenset(),
    declared: Mapping[str, str] | None = None,
) -> Division:
    """Deal usable `pictures` (by name) out, as `memory` (splits.json) says where it knows one.

    `types`: product type by picture name, "" where there is none; `together`: picture names that share a
    listing; `seen`: ids of pictures that the model was made with, which go to train; `declared`: splits by
    picture name that the pairs themselves state and that hold whatever was dealt before.

    Raises:
        InputError: two pictures that belong together are in two splits of `memory`, or a picture that the
            model has seen is to be held out.
    """
    names = sorted(pictures)
    linked = linked_looks(pictures, names, together, draw.near_copy_bits)
    look_of_picture, every = linked.look_of, np.concatenate([linked.sure, linked.likely])
    if declared and (crossing := images_across_splits(names, look_of_picture, every, declared)):
        rest = {name: picture for name, picture in pictures.items() if name not in crossing}
        division = divided(rest, types, together, draw, memory, seen, declared)
        return replace(division, left_out=division.left_out | crossing)
    ids = {name: picture_id(pictures[name].sha256) for name in names}
    drawn = vars(draw) | ({} if declared is None else {"splits": "column"})
    stated = {ids[name]: split for name, split in (declared or {}).items() if name in ids}
    before = _remembered(memory, drawn) | stated
    known = _known_looks(names, look_of_picture, _old(ids, before, seen), memory)
    is_apart = are_apart(linked.likely, known)
    links = np.concatenate([linked.sure, linked.likely[~is_apart]])
    most = max(_SMALL, int(_LARGEST_SHARE * len(names)))
    groups = grouped(links, np.bincount(look_of_picture), known, most)
    members = _members(names, groups.of_look[look_of_picture])
    split_of_look = _dealt_looks(members, types, draw, known, groups.of_look, links)
    joined = uncrossed(links, split_of_look, known)
    look_of = dict(zip(names, look_of_picture.tolist(), strict=True))
    split_of = {name: split_of_look[look] for name, look in look_of.items() if look not in joined}
    left_out = {name: _crossing(joined[look]) for name, look in look_of.items() if look in joined}
    _check_no_leak(names, look_of_picture, links, split_of, memory)
    _check_unseen({name: split for name, split in split_of.items() if ids[name] in seen}, memory)
    # What is not asked about now keeps its split: it may come back.
    record = record_of(drawn, before | {ids[name]: split for name, split in split_of.items()})
    group_of = {name: of_group[0] for of_group in members for name in of_group}
    share = groups.largest / max(len(names), 1)
    counts = len(members), share, groups.cut, linked.pairs, *linked.counts, int(is_apart.sum())
    return Division(split_of, group_of, left_out, record, *counts)


def _old(ids: Mapping[str, str], before: Mapping[str, str], seen: Container[str]) -> dict[str, str]:
    """Picture name → its split of before; what the model has seen goes to train. `ids`: by picture name."""
    to_train = {name: "train" for name, identity in ids.items() if identity in seen}
    return to_train | {name: before[identity] for name, identity in ids.items() if identity in before}


def _dealt_looks(
    members: Sequence[Sequence[str]],
    types: Mapping[str, str],
    draw: Draw,
    known: Mapping[int, str],
    of_look: Integers,
    links: Integers,
) -> list[str]:
    """Split of each look, those of `known` as they are; `members` by group, `of_look` [looks] the groups."""
    already = {int(of_look[look]): split for look, split in known.items()}
    split_of_group = _dealt(members, types, draw, already, _neighbours(of_look, links))
    return [split_of_group[group] for group in of_look.tolist()]


def _members(names: Sequence[str], group_of: Integers) -> list[list[str]]:
    """Pictures of each group, by its number, in order; `group_of` [pictures]."""
    members: list[list[str]] = [[] for _ in range(group_of.max(initial=-1) + 1)]
    for name, group in zip(names, group_of.tolist(), strict=True):
        members[group].append(name)
    return members


def _crossing(splits: Iterable[str]) -> str:
    return f"linked to pictures of {' and '.join(sorted(splits))}"


def _dealt(
    groups: Sequence[Sequence[str]],
    types: Mapping[str, str],
    draw: Draw,
    already: Mapping[int, str],
    neighbours: Mapping[int, Mapping[int, int]],
) -> dict[int, str]:
    """Each group, by number, to the split that lacks most, within its product type and over all; large ones
    first.

    A link to a group that has its split counts as a picture that this split lacks: the parts of a group that
    was cut come together again as far as the shares allow, and few pictures are left out between them.
    """
    shares = np.array([1 - draw.val_share - draw.test_share, draw.val_share, draw.test_share])
    column = {split: i for i, split in enumerate(SPLITS)}
    have: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(SPLITS)))
    overall = np.zeros(len(SPLITS))
    for group, split in already.items():
        for name in groups[group]:
            have[types.get(name, "")][column[split]] += 1
        overall[column[split]] += len(groups[group])

    def order(group: int) -> tuple[int, str]:
        return -len(groups[group]), rank_of(draw.seed, min(groups[group]))

    dealt = dict(already)
    for group in sorted(set(range(len(groups))) - already.keys(), key=order):
        size = len(groups[group])
        kind = Counter(types.get(name, "") for name in sorted(groups[group])).most_common(1)[0][0]
        lack = shares * (have[kind].sum() + size) - have[kind]
        lack += shares * (overall.sum() + size) - overall
        for other, links in neighbours.get(group, {}).items():
            if other in dealt:
                lack[column[dealt[other]]] += links
        chosen = int(lack.argmax())
        have[kind][chosen] += size
        overall[chosen] += size
        dealt[group] = SPLITS[chosen]
    return dealt


def _neighbours(of_look: Integers, links: Integers) -> dict[int, dict[int, int]]:
    """Group → the groups that links were cut to, and how many."""
    found: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    ends = of_look[links[:, :2]]
    for one, other in ends[ends[:, 0] != ends[:, 1]].tolist():
        found[one][other] += 1
        found[other][one] += 1
    return found


def _known_looks(
    names: Sequence[str], look_of: Integers, old: Mapping[str, str], memory: Path
) -> dict[int, str]:
    """Look → split of those of its pictures that were dealt before."""
    first: dict[int, str] = {}
    for name, look in zip(names, look_of.tolist(), strict=True):
        if name in old and old[first.setdefault(look, name)] != old[name]:
            raise _leak(first[look], name, old, memory)
    return {look: old[name] for look, name in first.items()}


def _check_no_leak(
    names: Sequence[str], look_of: Integers, links: Integers, split_of: Mapping[str, str], memory: Path
) -> None:
    name_of = {look: name for name, look in zip(names, look_of.tolist(), strict=True) if name in split_of}
    for one, other in links[:, :2].tolist():
        if one in name_of and other in name_of and split_of[name_of[one]] != split_of[name_of[other]]:
            raise _leak(name_of[one], name_of[other], split_of, memory)


def _leak(one: str, other: str, split_of: Mapping[str, str], memory: Path) -> InputError:
    return InputError(
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


def _remembered(memory: Path, draw: Mapping[str, Any]) -> dict[str, str]:
    """Picture id → split of the same draw; nothing where there is none."""
    of_draw, splits = read_splits(memory) if memory.is_file() else (None, {})
    return splits if of_draw == draw else {}


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
    return frozenset(text[:ID_LENGTH] for text in seen)

"""Images → train, val or test, by groups that must stay together; an assignment is kept for ever.

A group is a connected component: images with equal bytes, with near-equal perceptual hashes (also once turned
or brightened), on one product's listings, or with a name made of another's. Very large groups are cut
(`groups.grouped`). Groups are assigned by product type, so that each type has its share in each split. The
assignment is kept in splits.json, which git versions: adding images never moves an earlier image.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa.catalogue.images import ID_LENGTH, ImageRecord, image_id_of_content
from vqa.core.errors import InputError
from vqa.core.seeding import seeded_rank
from vqa.pairs.pair import SPLITS
from vqa.validation.declared_splits import images_across_splits, read_splits, splits_record
from vqa.validation.groups import Integers, are_apart, grouped, link_images, uncrossed

IMAGES_SEEN = "photographs.txt"  # of a model's folder
_LARGEST_SHARE = 0.01  # of all images, that one group may hold
_SMALL = 100  # images that a group may hold in any case: a small catalogue has few groups
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH},}}")


@dataclass(frozen=True)
class SplitConfig:
    """How splits are drawn; with another configuration all are drawn afresh."""

    val_share: float
    test_share: float
    near_copy_bits: int
    seed: int


@dataclass(frozen=True)
class SplitAssignment:
    """The split of each image, and what it depends on."""

    split_of: dict[str, str]  # by image name
    group_of: dict[str, str]  # likewise: the first name of those that stay together
    left_out: dict[str, str]  # new images that would have joined two splits, with the reason
    record: dict[str, Any]  # for splits.json, written after all checks
    groups: int  # of images that stay together, single ones too
    largest_share: float  # of all images that the largest group held before any was cut
    groups_cut: int  # that were too large, or tied images of two splits
    near_duplicates: int  # pairs of images
    tying_listings: int  # products whose listings have two or more of the images
    transformed_duplicates: int = 0  # pairs of contents that are near only once they are turned or brightened
    names_tied: int = 0  # groups of images whose names are made of one
    dealt_apart: int = 0  # pairs of these two kinds that were assigned to two splits before


def split_images(
    images: Mapping[str, ImageRecord],
    types: Mapping[str, str],
    together: Iterable[Sequence[str]],
    draw: SplitConfig,
    memory: Path,
    seen: Container[str] = frozenset(),
    declared: Mapping[str, str] | None = None,
) -> SplitAssignment:
    """Assign usable `images` (by name) to splits; those that `memory` (splits.json) knows keep theirs.

    `types`: product type by image name, "" where there is none; `together`: image names that share a
    listing; `seen`: ids of images that the model was trained on, which go to train; `declared`: splits by
    image name that the pairs themselves state, which override earlier assignments.

    Raises:
        InputError: two images that belong together are in two splits of `memory`, or an image that the
            model has seen is to be held out.
    """
    names = sorted(images)
    linked = link_images(images, names, together, draw.near_copy_bits)
    content_of_image, every = linked.content_of, np.concatenate([linked.sure, linked.likely])
    if declared and (crossing := images_across_splits(names, content_of_image, every, declared)):
        rest = {name: image for name, image in images.items() if name not in crossing}
        split_assignment = split_images(rest, types, together, draw, memory, seen, declared)
        return replace(split_assignment, left_out=split_assignment.left_out | crossing)
    ids = {name: image_id_of_content(images[name].sha256) for name in names}
    drawn = vars(draw) | ({} if declared is None else {"splits": "column"})
    stated = {ids[name]: split for name, split in (declared or {}).items() if name in ids}
    before = _remembered(memory, drawn) | stated
    split_before = _known_contents(
        names, content_of_image, _old(ids, before, seen), memory, declared is not None
    )
    is_apart = are_apart(linked.likely, split_before)
    links = np.concatenate([linked.sure, linked.likely[~is_apart]])
    most = max(_SMALL, int(_LARGEST_SHARE * len(names)))
    groups = grouped(links, np.bincount(content_of_image), split_before, most)
    members = _members(names, groups.of_content[content_of_image])
    split_of_content = _assign_contents(members, types, draw, split_before, groups.of_content, links)
    joined = uncrossed(links, split_of_content, split_before)
    split_of, left_out = _by_name(names, content_of_image, split_of_content, joined)
    _check_no_leak(names, content_of_image, links, split_of, memory, declared is not None)
    _check_unseen({name: split for name, split in split_of.items() if ids[name] in seen}, memory)
    # Images without pairs now keep their split, since their pairs may come back.
    record = splits_record(drawn, before | {ids[name]: split for name, split in split_of.items()})
    group_of = {name: of_group[0] for of_group in members for name in of_group}
    share = groups.largest / max(len(names), 1)
    counts = len(members), share, groups.cut, linked.pairs, *linked.counts, int(is_apart.sum())
    return SplitAssignment(split_of, group_of, left_out, record, *counts)


def _by_name(
    names: Sequence[str],
    content_of_image: Integers,
    split_of_content: Sequence[str],
    joined: Mapping[int, Iterable[str]],
) -> tuple[dict[str, str], dict[str, str]]:
    """The split of each image; and those whose content would join two splits, each with the reason."""
    split_of, left_out = dict[str, str](), dict[str, str]()
    for name, content in zip(names, content_of_image.tolist(), strict=True):
        if content in joined:
            left_out[name] = _crossing(joined[content])
        else:
            split_of[name] = split_of_content[content]
    return split_of, left_out


def _old(ids: Mapping[str, str], before: Mapping[str, str], seen: Container[str]) -> dict[str, str]:
    """Image name → its earlier split; images that the model has seen go to train. `ids`: by image name."""
    to_train = {name: "train" for name, identity in ids.items() if identity in seen}
    return to_train | {name: before[identity] for name, identity in ids.items() if identity in before}


def _assign_contents(
    members: Sequence[Sequence[str]],
    types: Mapping[str, str],
    draw: SplitConfig,
    known: Mapping[int, str],
    of_content: Integers,
    links: Integers,
) -> list[str]:
    """The split of each content; `known` ones stay.

    `members`: images by group; `of_content`: [contents] the group of each.
    """
    already = {int(of_content[content]): split for content, split in known.items()}
    split_of_group = _dealt(members, types, draw, already, _neighbours(of_content, links))
    return [split_of_group[group] for group in of_content.tolist()]


def _members(names: Sequence[str], group_of: Integers) -> list[list[str]]:
    """Images of each group, by its number, in order; `group_of` [images]."""
    members: list[list[str]] = [[] for _ in range(group_of.max(initial=-1) + 1)]
    for name, group in zip(names, group_of.tolist(), strict=True):
        members[group].append(name)
    return members


def _crossing(splits: Iterable[str]) -> str:
    return f"linked to images of {' and '.join(sorted(splits))}"


def _dealt(
    groups: Sequence[Sequence[str]],
    types: Mapping[str, str],
    draw: SplitConfig,
    already: Mapping[int, str],
    neighbours: Mapping[int, Mapping[int, int]],
) -> dict[int, str]:
    """Assign each group, large ones first, to the split that lacks most, within its type and over all.

    A link to an assigned group counts as an image that its split lacks: so the parts of a cut group come
    together again as far as the shares allow, and few images are left out between them.
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
        return -len(groups[group]), seeded_rank(draw.seed, min(groups[group]))

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


def _neighbours(of_content: Integers, links: Integers) -> dict[int, dict[int, int]]:
    """Group → the groups that links were cut to, and how many."""
    neighbours: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    ends = of_content[links[:, :2]]
    for one, other in ends[ends[:, 0] != ends[:, 1]].tolist():
        neighbours[one][other] += 1
        neighbours[other][one] += 1
    return neighbours


def _known_contents(
    names: Sequence[str], content_of: Integers, old: Mapping[str, str], memory: Path, is_declared: bool
) -> dict[int, str]:
    """Content → the split to which images of it were assigned before."""
    first: dict[int, str] = {}
    for name, content in zip(names, content_of.tolist(), strict=True):
        if name in old and old[first.setdefault(content, name)] != old[name]:
            raise _leak(first[content], name, old, memory, is_declared)
    return {content: old[name] for content, name in first.items()}


def _check_no_leak(
    names: Sequence[str],
    content_of: Integers,
    links: Integers,
    split_of: Mapping[str, str],
    memory: Path,
    is_declared: bool,
) -> None:
    name_of = {
        content: name for name, content in zip(names, content_of.tolist(), strict=True) if name in split_of
    }
    for one, other in links[:, :2].tolist():
        if one in name_of and other in name_of and split_of[name_of[one]] != split_of[name_of[other]]:
            raise _leak(name_of[one], name_of[other], split_of, memory, is_declared)


def _leak(one: str, other: str, split_of: Mapping[str, str], memory: Path, is_declared: bool) -> InputError:
    remedy = (
        "state one split for both in the pairs' own column (validate.splits is column)"
        if is_declared
        else "delete that file to draw all splits afresh"
    )
    return InputError(
        f"{one} ({split_of[one]}) and {other} ({split_of[other]}) are copies or share a listing, but "
        f"are in two splits of {memory}; {remedy}"
    )


def _check_unseen(split_of: Mapping[str, str], memory: Path) -> None:
    for name, split in split_of.items():
        if split != "train":
            raise InputError(
                f"params.yaml's model.name was made with the image {name}, which {memory} holds out for "
                f"{split}; name another model, or delete that file to draw all splits afresh"
            )


def _remembered(memory: Path, draw: Mapping[str, Any]) -> dict[str, str]:
    """Image id → split of the same draw; nothing where there is none."""
    of_draw, splits = read_splits(memory) if memory.is_file() else (None, {})
    return splits if of_draw == draw else {}


def images_seen(model: Path) -> frozenset[str] | None:
    """Ids of the images that the model in this folder was trained on; None if it has no such list.

    The small model that was trained on photographs lists them; no published model does.

    Raises:
        InputError: the list is empty or holds something else, so that it would protect nothing.
    """
    path = model / IMAGES_SEEN
    if not path.is_file():
        return None
    ids = path.read_text(encoding="utf-8", errors="replace").split()
    strange = next((text for text in ids if not _ID.fullmatch(text)), None)
    if strange is not None or not ids:
        what = "is empty" if strange is None else f"holds {strange[:40]!r}, which is no image's id"
        raise InputError(f"{path} {what}; restore it, so that no image the model saw is held out")
    return frozenset(text[:ID_LENGTH] for text in ids)

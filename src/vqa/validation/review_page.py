"""A page to review a sample of the kept and the rejected pairs."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from vqa.catalogue.images import image_data_url, image_id_of_content, problem_of_name
from vqa.core.files import content_hash, whole_file
from vqa.core.seeding import seeded_rank
from vqa.pages.page import page
from vqa.pairs.pair import SUPPORT_LEVELS, Pair, Support
from vqa.pairs.question_types import infer_question_type
from vqa.validation.filtering import Rejected
from vqa.validation.review_files import Conflict

_Item = TypeVar("_Item")


def stratified(
    items: Sequence[_Item],
    stratum: Callable[[_Item], Hashable],
    identity: Callable[[_Item], str],
    count: int,
    seed: int,
) -> list[_Item]:
    """About `count` items, each stratum by its share and at least once; the draw ignores their order."""

    def draw(item: _Item) -> str:
        return seeded_rank(seed, identity(item))

    strata: dict[Hashable, list[_Item]] = defaultdict(list)
    for item in items:
        strata[stratum(item)].append(item)
    chosen = []
    for members in strata.values():
        quota = max(1, round(count * len(members) / len(items)))
        chosen += sorted(members, key=draw)[:quota]
    return sorted(chosen, key=draw)


def write_review_page(
    path: Path,
    kept: Sequence[Pair],
    support_levels: Sequence[Support],
    votes_of: Callable[[int], Sequence[str]],
    rejected: Sequence[Rejected],
    conflicts: Sequence[Conflict],
    path_of: Callable[[str], Path],
    count: int,
    seed: int,
) -> None:
    """Write a sample of the kept pairs by support level and type, and of the rejected ones by reason.

    Conflicting labels come first. `votes_of`: sentences on the votes on a kept pair, by its number;
    `conflicts`: all pairs on which reviewers differ.
    """
    numbers = stratified(
        range(len(kept)),
        lambda number: (support_levels[number].support, kept[number].question_type),
        lambda number: _identity(kept[number]),
        count,
        seed,
    )
    numbers.sort(key=lambda number: SUPPORT_LEVELS.index(support_levels[number].support))
    sample = [kept[number] for number in numbers]
    refused = stratified(rejected, attrgetter("reason"), lambda reject: _identity(reject.pair), count, seed)
    shown = {pair.image_name for pair in sample} | {reject.pair.image_name for reject in refused}
    shown |= {conflict.key[0] for conflict in conflicts}
    listed = "".join(_identity(pair) for pair in [*sample, *(reject.pair for reject in refused)])
    data = {
        "identity": hashlib.sha256(listed.encode()).hexdigest()[:12],
        "kept": [
            _shown(kept[number], kept[number].question_type)
            | {"support": support_levels[number].support, "votes": votes_of(number)}
            for number in numbers
        ],
        "rejected": [
            _shown(reject.pair, reject.reason) | {"reason": reject.reason, "detail": reject.detail}
            for reject in refused
        ],
        "conflicts": list(map(_in_conflict, conflicts)),
        **_images(shown, path_of),
    }
    with whole_file(path) as file:
        file.write(page("review.html", {"data": data}))


def _images(names: Iterable[str], path_of: Callable[[str], Path]) -> dict[str, dict[str, str]]:
    """The images that can be read, and the id of each one's content."""
    urls = {name: image_data_url(path_of(name)) for name in sorted(names) if not problem_of_name(name)}
    images = {name: url for name, url in urls.items() if url}
    return {
        "images": images,
        "image_ids": {name: image_id_of_content(content_hash(path_of(name))) for name in images},
    }


def _in_conflict(conflict: Conflict) -> dict[str, Any]:
    """The pair, each reviewer's decision, and the list from which it was reviewed."""
    image_name, question, _ = conflict.key
    kind = infer_question_type(question)
    shown = _shown(Pair(image_name, question, conflict.answer, kind), kind)
    return shown | {"votes": conflict.said, "list": "kept" if conflict.was_kept else "rejected"}


def _identity(pair: Pair) -> str:
    return f"{pair.image_name}/{pair.question}/{pair.answer}"


def _shown(pair: Pair, group: str) -> dict[str, Any]:
    return {
        "image_name": pair.image_name,
        "question": pair.question,
        "answer": pair.answer,
        "question_type": pair.question_type,
        "group": group,
    }

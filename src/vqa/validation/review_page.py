"""A page to look at a sample of the kept and the rejected pairs, and to decide on them."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TypeVar

from vqa.catalogue.pictures import picture_url, problem_of_name
from vqa.foundation.seeded import rank_of
from vqa.pages.page import page
from vqa.pairs.pair import Pair

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
        return rank_of(seed, identity(item))

    strata: dict[Hashable, list[_Item]] = defaultdict(list)
    for item in items:
        strata[stratum(item)].append(item)
    chosen = []
    for members in strata.values():
        quota = max(1, round(count * len(members) / len(items)))
        chosen += sorted(members, key=draw)[:quota]
    return sorted(chosen, key=draw)


def review_page(
    kept: Sequence[Pair],
    rejected: Sequence[tuple[Pair, str, str]],
    path_of: Callable[[str], Path],
    count: int,
    seed: int,
) -> str:
    """The page: a sample of the kept pairs by type, and of the rejected (pair, reason, detail) by reason."""
    sample = stratified(kept, lambda pair: pair.question_type, _identity, count, seed)
    refused = stratified(rejected, lambda row: row[1], lambda row: _identity(row[0]), count, seed)
    shown = {pair.image_name for pair in sample} | {row[0].image_name for row in refused}
    urls = {name: picture_url(path_of(name)) for name in sorted(shown) if not problem_of_name(name)}
    listed = "".join(_identity(pair) for pair in [*sample, *(row[0] for row in refused)])
    data = {
        "identity": hashlib.sha256(listed.encode()).hexdigest()[:12],
        "kept": [_shown(pair, pair.question_type) for pair in sample],
        "rejected": [_shown(row[0], row[1]) | {"reason": row[1], "detail": row[2]} for row in refused],
        "pictures": {name: url for name, url in urls.items() if url},
    }
    return page("review.html", {"data": data})


def _identity(pair: Pair) -> str:
    return f"{pair.image_name}/{pair.question}/{pair.answer}"


def _shown(pair: Pair, group: str) -> dict[str, str]:
    return {
        "image_name": pair.image_name,
        "question": pair.question,
        "answer": pair.answer,
        "question_type": pair.question_type,
        "group": group,
    }

"""Four systems on catalogues of several kinds and sizes, and the differences that matter."""

from collections.abc import Mapping
from typing import Any

from vqa.evaluation.markdown import points, table
from vqa.evaluation.systems import ADAPTED, BASE, BLIND, TEXT_ONLY, TO_BLIND, TO_TEXT_ONLY

_HEADLINE = (BASE, ADAPTED, BLIND, TEXT_ONLY)


def headline_table(
    by_catalogue: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]], over_seeds: str
) -> str:
    """Exact match in percent with 95 % intervals, a column for each catalogue.

    `by_catalogue`: title → (evaluate.json, details.json). `over_seeds` stands in place of the first
    catalogue's adapter, which several seeds were trained of.
    """
    titles = [
        f"{title}: {metrics['data']['test_pairs']:,} questions on {metrics['data']['test_images']:,} pictures"
        for title, (metrics, _) in by_catalogue.items()
    ]
    rows = []
    for system in _HEADLINE:
        shares = [_share(details["systems"][system.key]["all"]) for _, details in by_catalogue.values()]
        if system is ADAPTED:
            shares[0] = over_seeds
        rows.append([system.title, *shares])
    return table(["exact match", *titles], rows)


def sizes_table(by_size: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> str:
    """Exact match in percent by how many pictures there were: a line each, with what the run took.

    `by_size`: pictures → (time, evaluate.json, details.json).
    """
    compared = (BASE, ADAPTED, TEXT_ONLY)
    rows = [
        [
            pictures,
            time,
            f"{metrics['data']['test_pairs']:,}",
            *(_share(details["systems"][system.key]["all"]) for system in compared),
            _lead(details["differences"][TO_TEXT_ONLY.key]["all"]),
        ]
        for pictures, (time, metrics, details) in by_size.items()
    ]
    titles = [system.title for system in compared]
    return table(["pictures", "one core", "held-out pairs", *titles, TO_TEXT_ONLY.title], rows)


def lead_sentences(lead_over_seeds: str, drawings: Mapping[str, Any], photographs: Mapping[str, Any]) -> str:
    """What the adapter gains on base, eyes shut and the wording.

    `drawings`, `photographs`: details.json of each catalogue.
    """
    to_blind = drawings["differences"][TO_BLIND.key]["all"]
    to_wording = photographs["differences"][TO_TEXT_ONLY.key]["all"]
    confirmed = photographs["subsets"]["confirmed"]["differences"][TO_TEXT_ONLY.key]
    needed = photographs["subsets"]["needs_picture"]["differences"][TO_BLIND.key]
    return (
        f"In points, on drawings: adapter − base {lead_over_seeds}; − features zeroed {_lead(to_blind)} (the "
        "seed as committed). On photographs the wording gives much away: adapter − text-only "
        f"{_lead(to_wording)}, but {_lead(confirmed)} where the catalogue confirms the label; − features "
        f"zeroed {_lead(needed)} where the wording does not give the answer away."
    )


def _lead(entry: Mapping[str, Any]) -> str:
    return points({"value": entry["exact_match"], "ci95": entry["ci95"]})


def _share(entry: Mapping[str, Any]) -> str:
    low, high = (100 * bound for bound in entry["ci95"])
    return f"{entry['exact_match']:.1%} [{low:.1f}, {high:.1f}]"

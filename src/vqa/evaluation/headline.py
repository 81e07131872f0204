"""Four systems on catalogues of several kinds and sizes, and the differences that matter."""

from collections.abc import Mapping
from typing import Any

from vqa.evaluation.markdown import points, table
from vqa.evaluation.systems import ADAPTED, BASE, BLIND, TEXT_ONLY, TO_BASE, TO_BLIND, TO_TEXT_ONLY

_HEADLINE = (BASE, ADAPTED, BLIND, TEXT_ONLY)


def headline_table(
    by_catalogue: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, str]]],
) -> str:
    """Exact match in percent with 95 % intervals, a column for each catalogue.

    `by_catalogue`: title → (evaluate.json, details.json, system → what it came to over several seeds, in
    place of the seed as committed).
    """
    titles = [
        f"{title}: {metrics['data']['test_pairs']:,} questions on {metrics['data']['test_images']:,} pictures"
        for title, (metrics, _, _) in by_catalogue.items()
    ]
    rows = [
        [
            system.title,
            *(
                over_seeds.get(system.key) or _share(details["systems"][system.key]["all"])
                for _, details, over_seeds in by_catalogue.values()
            ),
        ]
        for system in _HEADLINE
    ]
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


def lead_sentences(
    drawings: Mapping[str, str], photographs: Mapping[str, str], details: Mapping[str, Any]
) -> str:
    """What the adapter gains on base, eyes shut and the wording.

    `drawings`, `photographs`: lead → what it came to over several seeds. `details`: details.json of the
    photographs.
    """
    colour = details["differences"][TO_TEXT_ONLY.key]["color"]
    confirmed = details["subsets"]["confirmed"]["differences"][TO_TEXT_ONLY.key]
    needed = details["subsets"]["needs_picture"]["differences"][TO_BLIND.key]
    return (
        f"In points, over these seeds: on drawings adapter − base {drawings[TO_BASE.key]}; − features zeroed "
        f"{drawings[TO_BLIND.key]}. On photographs the wording gives much away: adapter − text-only "
        f"{photographs[TO_TEXT_ONLY.key]}; with the seed as committed {_lead(colour)} on colour, "
        f"{_lead(confirmed)} where the catalogue confirms the label, and − features zeroed {_lead(needed)} "
        "where the wording does not give the answer away."
    )


def _lead(entry: Mapping[str, Any]) -> str:
    return points({"value": entry["exact_match"], "ci95": entry["ci95"]})


def _share(entry: Mapping[str, Any]) -> str:
    low, high = (100 * bound for bound in entry["ci95"])
    return f"{entry['exact_match']:.1%} [{low:.1f}, {high:.1f}]"

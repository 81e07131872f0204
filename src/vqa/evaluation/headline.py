"""The README's table: four systems on two catalogues, and the differences that matter."""

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


def lead_sentences(lead_over_seeds: str, drawings: Mapping[str, Any], photographs: Mapping[str, Any]) -> str:
    """What the adapter gains on base, eyes shut and the wording.

    `drawings`, `photographs`: details.json of each catalogue.
    """
    to_blind = drawings["differences"][TO_BLIND.key]["all"]
    to_wording = photographs["differences"][TO_TEXT_ONLY.key]["all"]
    subsets = photographs["subsets"]
    confirmed = subsets["confirmed"]["differences"][TO_TEXT_ONLY.key]
    needed = subsets["needs_picture"]["differences"][TO_TEXT_ONLY.key]
    return (
        f"In points: LoRA − base {lead_over_seeds} and LoRA − blind {_lead(to_blind)} on drawings. On "
        f"photographs the wording gives much away: LoRA − text-only {_lead(to_wording)}, but "
        f"{_lead(confirmed)} where the catalogue confirms the label, and {_lead(needed)} where that guess "
        "fails."
    )


def _lead(entry: Mapping[str, Any]) -> str:
    return points({"value": entry["exact_match"], "ci95": entry["ci95"]})


def _share(entry: Mapping[str, Any]) -> str:
    low, high = (100 * bound for bound in entry["ci95"])
    return f"{entry['exact_match']:.1%} [{low:.1f}, {high:.1f}]"

"""Tables of four systems and their differences on catalogues of several kinds and sizes."""

from collections.abc import Mapping
from typing import Any

from vqa.evaluation.markdown import difference_value, points, table
from vqa.evaluation.systems import (
    BASELINE,
    LORA,
    QUESTION_ONLY,
    TO_BASELINE,
    TO_QUESTION_ONLY,
    TO_ZERO_IMAGE,
    ZERO_IMAGE,
)

_HEADLINE = (BASELINE, LORA, ZERO_IMAGE, QUESTION_ONLY)


def headline_table(
    by_catalogue: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, str]]],
) -> str:
    """Exact match in percent with 95 % intervals, a column for each catalogue.

    `by_catalogue`: title → (evaluate.json, details.json, system → what it came to over several seeds, in
    place of the seed as committed).
    """
    titles = [
        f"{title}: {metrics['data']['test_pairs']:,} questions on {metrics['data']['test_images']:,} images"
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
    """Exact match in percent by how many images there were: a line each, with what the run took.

    `by_size`: images → (time, evaluate.json, details.json).
    """
    compared = (BASELINE, LORA, QUESTION_ONLY)
    rows = [
        [
            images,
            time,
            f"{metrics['data']['test_pairs']:,}",
            *(_share(details["systems"][system.key]["all"]) for system in compared),
            _lead(details["differences"][TO_QUESTION_ONLY.key]["all"]),
        ]
        for images, (time, metrics, details) in by_size.items()
    ]
    titles = [system.title for system in compared]
    return table(["images", "one core", "held-out pairs", *titles, TO_QUESTION_ONLY.title], rows)


def lead_sentences(
    drawings: Mapping[str, str], photographs: Mapping[str, str], details: Mapping[str, Any]
) -> str:
    """How far LoRA leads the baseline, itself without the image, and the question-only prior.

    `drawings`, `photographs`: lead → what it came to over several seeds. `details`: details.json of the
    photographs.
    """
    colour = details["differences"][TO_QUESTION_ONLY.key]["color"]
    supported = details["subsets"]["supported"]["differences"][TO_QUESTION_ONLY.key]
    needed = details["subsets"]["needs_image"]["differences"][TO_ZERO_IMAGE.key]
    return (
        f"On drawings the adapter leads the baseline by {drawings[TO_BASELINE.key]} points, and itself "
        f"without the image by {drawings[TO_ZERO_IMAGE.key]}. On photographs the question alone gives much "
        f"away: the adapter leads the question-only prior by {photographs[TO_QUESTION_ONLY.key]}. "
        f"With the committed seed that lead is {_lead(colour)} on colours and {_lead(supported)} where the "
        "catalogue supports the label. Where the question does not give the answer away, the adapter leads "
        f"itself without the image by {_lead(needed)}."
    )


def _lead(entry: Mapping[str, Any]) -> str:
    return points(difference_value(entry))


def _share(entry: Mapping[str, Any]) -> str:
    low, high = (100 * entry[end] for end in ("low", "high"))
    return f"{entry['exact_match']:.1%} [{low:.1f}, {high:.1f}]"

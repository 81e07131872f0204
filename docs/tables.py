"""Tables that only pages have: systems on catalogues of several kinds and sizes, and the label checks."""

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
from vqa.pairs.pair import SUPPORT_LEVELS

Metrics = Mapping[str, Any]
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


def support_table(verified: Metrics) -> str:
    """Of metrics/verify.json, by question type: shares of the support levels, and of pairs that need
    images."""
    by_type = verified["by_type"]
    rows = [
        [kind, f"{of['n']:,}", *(f"{of[name]:.1%}" for name in (*SUPPORT_LEVELS, "needs_image"))]
        for kind, of in [("all", verified), *sorted(by_type.items(), key=lambda item: -item[1]["n"])]
    ]
    return table(["", "pairs", *SUPPORT_LEVELS, "needs image"], rows)


def detection_table(detection: Metrics) -> str:
    """Of results/label_checks/detection.json, a line for each question type: what the catalogue finds.

    By rate of wrong labels: on how many of them it votes, how many of these it finds, and how many of the
    right labels it contradicts.
    """
    rates = [rate for rate in detection if float(rate)]
    rows = []
    for kind in detection[rates[0]]["catalogue"]:
        cells = []
        for rate in rates:
            wrong, right = (detection[rate]["catalogue"][kind][truth] for truth in ("wrong", "right"))
            detected = f"{wrong['accused']} of {wrong['spoken_on']}" if wrong["spoken_on"] else "silent"
            cells += [f"{detected} ({wrong['n']} wrong)", f"{right['accused']} of {right['n']:,}"]
        rows.append([kind, *cells])
    titles = [f"{float(rate):.0%} wrong: {what}" for rate in rates for what in ("found", "accused")]
    return table(["", *titles], rows)


def meanings_table(meanings: Metrics) -> str:
    """Of results/label_checks/meanings.json: near words, and other ones, that MiniLM finds so alike."""
    likeness = [name for name in next(iter(meanings.values())) if name not in ("near", "other")]
    rows = [
        [kind, *(" / ".join(f"{share:.1%}" for share in of[least]) for least in likeness)]
        for kind, of in meanings.items()
    ]
    return table(["", *(f"≥ {least}" for least in likeness)], rows)


def opinions_table(opinions: Metrics) -> str:
    """Of results/label_checks/opinions.json: found and accused by label check, for each error rate."""
    titles = {"catalogue": "catalogue", "second_opinion": "second opinion", "support": "support level of all"}
    rows = []
    for error, by_check in opinions.items():
        for check, title in titles.items():
            wrong, right = (by_check[check]["all"][truth] for truth in ("wrong", "right"))
            rows.append(
                [
                    f"{float(error):.0%}",
                    title,
                    f"{wrong['accused']} of {wrong['n']}",
                    f"{right['accused']} of {right['n']}",
                    f"{wrong['spoken_on'] - wrong['accused']}",
                ]
            )
    return table(["the model errs", "", "wrong found", "right accused", "wrong supported"], rows)


def calibration_table(by_catalogue: Mapping[str, Metrics]) -> str:
    """Of results/calibration: how far probabilities are off before and after; title → report."""
    rows = []
    for title, report in by_catalogue.items():
        error = report["expected_calibration_error"]
        rows.append(
            [
                title,
                f"{report['validation_questions']:,}",
                f"{report['temperature']:.2f}",
                f"{report['test_questions']:,}",
                *(_unsigned(error[when]) for when in ("before", "after")),
                f"{report['at_least']:.2f}",
            ]
        )
    titles = [
        "",
        "fitted on",
        "temperature",
        "measured on",
        "error before",
        "error after",
        "8 of 10 right from",
    ]
    return table(titles, rows)


def coverage_table(by_catalogue: Mapping[str, Metrics]) -> str:
    """Of results/calibration: of the questions that are answered with at least p, how many are right."""
    rows = [
        [f"{of[0]['at_least']:.2f}", *(cell for one in of for cell in (f"{one['share']:.1%}", _right(one)))]
        for of in zip(*(report["coverage"] for report in by_catalogue.values()), strict=True)
    ]
    titles = [f"{title}: {what}" for title in by_catalogue for what in ("answered", "of these right")]
    return table(["at least", *titles], rows)


def _right(of: Metrics) -> str:
    return "none" if of["right"] is None else f"{of['right']:.1%}"


def _unsigned(error: Metrics) -> str:
    return f"{error['value']:.3f} [{error['low']:.3f}, {error['high']:.3f}]"


def trained_table(trained: Metrics) -> str:
    """Of results/label_checks/trained.json: exact match on clean test pairs, by rate of wrong labels."""
    rows = [
        [
            f"{float(rate):.0%}",
            f"{of['all']:.1%}",
            f"{of['not_conflicting']:.1%}",
            points(of | {"value": of["difference"]}),
            ", ".join(f"{100 * difference:+.1f}" for difference in of["by_seed"]),
        ]
        for rate, of in trained.items()
    ]
    return table(["wrong", "trained on all", "without conflicting", "difference", "by seed"], rows)

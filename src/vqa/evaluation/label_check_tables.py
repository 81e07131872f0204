"""Markdown tables of the label checks: support levels, wrong labels found, and what that gains in
training."""

from collections.abc import Mapping
from typing import Any

from vqa.evaluation.markdown import points, table
from vqa.pairs.support import SUPPORT_LEVELS

Metrics = Mapping[str, Any]


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
    """Of metrics/verification/detection.json, a line for each question type: what the catalogue finds.

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
    """Of metrics/verification/meanings.json: near words, and other ones, that MiniLM finds so alike."""
    likeness = [name for name in next(iter(meanings.values())) if name not in ("near", "other")]
    rows = [
        [kind, *(" / ".join(f"{share:.1%}" for share in of[least]) for least in likeness)]
        for kind, of in meanings.items()
    ]
    return table(["", *(f"≥ {least}" for least in likeness)], rows)


def opinions_table(opinions: Metrics) -> str:
    """Of metrics/verification/opinions.json: found and accused by label check, for each error rate."""
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


def trained_table(trained: Metrics) -> str:
    """Of metrics/verification/trained.json: exact match on clean test pairs, by rate of wrong labels."""
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

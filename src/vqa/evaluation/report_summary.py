"""What metrics/report.html says first: one sentence, what it is of, and six cards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from vqa.evaluation.markdown import points
from vqa.evaluation.systems import (
    ADAPTED,
    BASE,
    BLIND,
    MAJORITY,
    PICTURE_ALONE,
    TEXT_ONLY,
    TO_BASE,
    TO_BLIND,
    TO_TEXT_ONLY,
    WRONG_IMAGE,
    Difference,
    System,
)

# The one name that the page has for each system.
SYSTEM_NAMES: dict[System, str] = {
    BASE: "baseline",
    ADAPTED: "adapter",
    BLIND: "zero image",
    WRONG_IMAGE: "shuffled image",
    PICTURE_ALONE: "image only",
    TEXT_ONLY: "question-only prior",
    MAJORITY: "majority",
}
# What each is, in a sentence for who reads the page only.
SYSTEM_MEANINGS: dict[System, str] = {
    BASE: "the model as it came",
    ADAPTED: "the same model with its LoRA adapter",
    BLIND: "the adapter, with zeros in place of the image's features",
    WRONG_IMAGE: "the adapter, with the image of another product",
    PICTURE_ALONE: "the adapter, with the image and no question",
    TEXT_ONLY: "no model: the answer of the most similar training questions",
    MAJORITY: "no model: the commonest training answer of the question type",
}
_LEAST_OF_TYPE = 20  # questions of a type, from which on it may be called the best or the weakest


@dataclass(frozen=True)
class Subject:
    """What was evaluated."""

    data: str  # data.root
    model: str  # model.name
    evaluated_on: date


@dataclass(frozen=True)
class Card:
    """One number with its unit, what it is, and what to hold against it."""

    value: str
    title: str
    note: str


def opening_sentence(metrics: Mapping[str, Any]) -> str:
    """How many questions the adapter, the baseline and the adapter without the image answer.

    Out of 100 questions; out of all of them where there are fewer.
    """
    of = min(100, metrics["data"]["test_pairs"])
    adapter, baseline, zero_image = (
        round(of * metrics[system.key]["exact_match"]) for system in (ADAPTED, BASE, BLIND)
    )
    return (
        f"The adapter answers {adapter} of {of} questions about images it has not seen, the baseline "
        f"{baseline}, the adapter without the image {zero_image}"
    )


def difference_name(difference: Difference) -> str:
    return f"{SYSTEM_NAMES[difference.ours]} − {SYSTEM_NAMES[difference.theirs]}"


def summary_cards(metrics: Mapping[str, Any]) -> list[Card]:
    """Six: what the adapter adds to three systems, the best and the weakest type, and BERTScore F1.

    With one question type there are five, with none four.
    """
    gains = (
        (TO_BASE, "what training added"),
        (TO_BLIND, "what the image is worth"),
        (TO_TEXT_ONLY, "beyond what the question's words give away"),
    )
    cards = [_gain_card(metrics, *gain) for gain in gains if gain[0].key in metrics]
    adapter, baseline = (metrics[system.key] for system in (ADAPTED, BASE))
    by_type = adapter["by_type"]
    enough = {kind: of for kind, of in by_type.items() if of["n"] >= _LEAST_OF_TYPE} or by_type
    ranked = sorted(enough, key=lambda kind: (-enough[kind]["exact_match"], kind))
    for kind, rank in zip(dict.fromkeys([*ranked[:1], *ranked[-1:]]), ("best", "weakest"), strict=False):
        of = enough[kind]
        cards.append(
            Card(
                f"{100 * of['exact_match']:.1f} %",
                f"{rank} question type: {kind}",
                f"of {of['n']:,} questions",
            )
        )
    note = f"baseline {baseline['bert_score_f1']:.3f}; 0 is unrelated, 1 is equal"
    return [*cards, Card(f"{adapter['bert_score_f1']:.3f}", "BERTScore F1 of the adapter", note)]


def _gain_card(metrics: Mapping[str, Any], difference: Difference, meaning: str) -> Card:
    value, _, interval = points(metrics[difference.key]["exact_match"]).partition(" ")
    title = f"points, {difference_name(difference)}"
    return Card(value, title, f"{meaning}; 95 % interval {interval}")

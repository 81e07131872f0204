"""What metrics/report.html says first: one sentence, what it is of, and six cards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from vqa.evaluation.markdown import points
from vqa.evaluation.systems import (
    BASELINE,
    IMAGE_ONLY,
    LORA,
    MAJORITY,
    QUESTION_ONLY,
    SHUFFLED_IMAGE,
    TO_BASELINE,
    TO_QUESTION_ONLY,
    TO_ZERO_IMAGE,
    ZERO_IMAGE,
    Difference,
    System,
)

# What each is, in a sentence for who reads the page only.
SYSTEM_MEANINGS: dict[System, str] = {
    BASELINE: "the model as it came",
    LORA: "the same model with its LoRA adapter",
    ZERO_IMAGE: "the adapter, with zeros in place of the image's features",
    SHUFFLED_IMAGE: "the adapter, with the image of another product",
    IMAGE_ONLY: "the adapter, with the image and no question",
    QUESTION_ONLY: "no model: the answer of the most similar training questions",
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
        round(of * metrics[system.key]["exact_match"]) for system in (LORA, BASELINE, ZERO_IMAGE)
    )
    return (
        f"The adapter answers {adapter} of {of} questions about images it has not seen, the baseline "
        f"{baseline}, the adapter without the image {zero_image}"
    )


def summary_cards(metrics: Mapping[str, Any]) -> list[Card]:
    """Six: what the adapter adds to three systems, the best and the weakest type, and BERTScore F1.

    With one question type there are five, with none four.
    """
    gains = (
        (TO_BASELINE, "what training added"),
        (TO_ZERO_IMAGE, "what the image is worth"),
        (TO_QUESTION_ONLY, "beyond what the question's words give away"),
    )
    cards = [_gain_card(metrics, *gain) for gain in gains if gain[0].key in metrics]
    adapter, baseline = (metrics[system.key] for system in (LORA, BASELINE))
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
    title = f"points, {difference.title}"
    return Card(value, title, f"{meaning}; 95 % interval {interval}")

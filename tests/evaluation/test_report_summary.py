"""What the report says first, from metrics that are written by hand."""

from typing import Any

from evaluated import METRICS
from vqa.evaluation.report_summary import SYSTEM_MEANINGS, opening_sentence, summary_cards
from vqa.evaluation.systems import SYSTEMS


def rounded(**shares: float) -> dict[str, Any]:
    """Metrics of 995 pairs with these exact matches."""
    systems = {system: METRICS[system] | {"exact_match": share} for system, share in shares.items()}
    return METRICS | systems | {"data": METRICS["data"] | {"test_pairs": 995}}


def of_types(**types: tuple[int, float]) -> dict[str, Any]:
    """Metrics whose adapter has these question types: how many questions, and their exact match."""
    by_type = {name: {"n": count, "exact_match": share} for name, (count, share) in types.items()}
    return METRICS | {"lora": METRICS["lora"] | {"by_type": by_type}}


def titles(metrics: dict[str, Any]) -> list[str]:
    return [card.title for card in summary_cards(metrics)]


def test_every_system_has_its_meaning() -> None:
    assert SYSTEM_MEANINGS.keys() == set(SYSTEMS)


def test_few_questions_are_counted_and_many_are_told_of_a_hundred() -> None:
    assert opening_sentence(METRICS) == (
        "The adapter answers 2 of 4 questions about images it has not seen, the baseline 1, "
        "the adapter without the image 1"
    )
    assert opening_sentence(rounded(lora=0.8, baseline=0.3226, zero_image=0.1538)) == (
        "The adapter answers 80 of 100 questions about images it has not seen, the baseline 32, "
        "the adapter without the image 15"
    )


def test_a_gain_is_told_in_points_with_its_interval() -> None:
    gain = {"exact_match": {"value": 0.125, "low": -0.05, "high": 0.3}}
    card = summary_cards(METRICS | {"delta": gain})[0]
    assert (card.value, card.title) == ("+12.5", "points, LoRA − baseline")
    assert card.note == "what training added; 95 % interval [-5.0, +30.0]"


def test_the_best_and_the_weakest_type_have_twenty_questions_where_any_has() -> None:
    few = of_types(brand=(19, 1.0), color=(20, 0.5), count=(100, 0.25), shape=(20, 0.4))
    assert titles(few)[3:5] == ["best question type: color", "weakest question type: count"]
    card = summary_cards(few)[4]
    assert (card.value, card.note) == ("25.0 %", "of 100 questions")
    assert titles(of_types(brand=(19, 1.0), color=(3, 0.5)))[3:5] == [
        "best question type: brand",
        "weakest question type: color",
    ]


def test_one_type_is_called_the_best_only_and_a_system_that_is_not_there_has_no_card() -> None:
    assert titles(of_types(color=(30, 0.5)))[3:] == [
        "best question type: color",
        "BERTScore F1 of the adapter",
    ]
    without = {name: of for name, of in METRICS.items() if name != "delta_to_question_only"}
    assert len(titles(without)) == 5

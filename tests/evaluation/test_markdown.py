"""Tables and sentences of the README, on numbers that can be counted by hand."""

from typing import Any

from evaluated import DETAILS, METRICS
from vqa.evaluation.markdown import (
    diff_table,
    format_sentence,
    minimum_detectable_effect_sentence,
    replacement_sentence,
    results_table,
    rules_sentence,
    settings_table,
    speed_sentence,
    types_table,
    zero_image_sentence,
)
from vqa.evaluation.systems import DIFFERENCES, SYSTEMS


def cells(table: str) -> list[list[str]]:
    """The rows of a Markdown table, its header first, without the rule below that."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert set("".join(rows.pop(1))) == {"-"}
    assert len({len(row) for row in rows}) == 1
    return rows


def test_the_results_are_a_line_for_each_system_and_difference() -> None:
    header, *rows = cells(results_table(METRICS))
    assert header == ["", "exact match", "contains", "BERTScore F1"]
    titles = [*(s.title for s in SYSTEMS), *(f"**{difference.title}**" for difference in DIFFERENCES)]
    assert [row[0] for row in rows] == titles
    assert rows[0] == ["baseline", "25.0%", "50.0%", "0.250"]
    assert rows[1] == ["LoRA", "50.0%", "50.0%", "0.500"]
    delta = rows[len(SYSTEMS)]
    assert delta[0] == "**LoRA − baseline**"
    assert delta[1].startswith("+25.0 [")
    assert delta[2].startswith("+0.0 [")
    assert delta[3] == "+0.250 [too few]"


def test_what_earlier_metrics_lack_has_no_row() -> None:
    earlier = {key: value for key, value in METRICS.items() if "image_only" not in key}
    titles = [row[0] for row in cells(results_table(earlier))]
    assert len(titles) == len(cells(results_table(METRICS))) - 2
    assert not any("image only" in title or "image alone" in title for title in titles)


def test_a_change_is_shown_for_each_system_that_both_evaluations_have() -> None:
    then = {key: value for key, value in METRICS.items() if key != "majority"}
    then |= {"lora": METRICS["baseline"], "delta": {"exact_match": {"value": 0.0, "low": -0.1, "high": 0.1}}}
    header, *rows = cells(diff_table(then, METRICS, "v1"))
    assert header == ["exact match", "v1", "now", "change"]
    assert rows[0] == ["baseline", "25.0%", "25.0%", "+0.0"]
    assert rows[1] == ["LoRA", "25.0%", "50.0%", "+25.0"]
    assert len(rows) == len(SYSTEMS) - 1 + len(DIFFERENCES)
    (delta,) = (row for row in rows if row[0] == "**LoRA − baseline**")
    assert delta[1] == "+0.0 [-10.0, +10.0]"
    assert delta[3] == "+25.0"


def test_types_are_lines_the_commonest_first() -> None:
    header, *rows = cells(types_table(METRICS, DETAILS))
    assert header == [
        "",
        "questions",
        "baseline",
        "LoRA",
        "zero image",
        "question-only prior",
        "majority",
        "LoRA − zero image",
        "LoRA − question-only prior",
    ]
    assert [row[:4] for row in rows] == [
        ["color", "3", "33.3 / 0.33", "33.3 / 0.33"],
        ["count", "1", "0.0 / 0.00", "100.0 / 1.00"],
    ]
    assert rows[1][-2:] == ["+100.0 [-95.0, +100.0]", "+0.0 [-97.5, +97.5]"]


def test_settings_are_lines() -> None:
    header, row = cells(settings_table({"all steps": METRICS}))
    assert header == ["", "LoRA", "the same, zero image", "LoRA − question-only prior"]
    assert row[:3] == ["all steps", "50.0%", "25.0%"]
    assert row[3].startswith("+0.0 [")


def test_both_rules_are_said() -> None:
    said = rules_sentence(METRICS)
    assert said == "Under the official VQA rules, on the same labels: baseline 25.0%, LoRA 25.0%."


def test_the_format_s_share_is_what_contains_had_already() -> None:
    assert format_sentence(_gain(METRICS, (0.1, 0.4))) == (
        "Of the +25.0 points, +0.0 remain when a right word anywhere in the text counts; "
        "the rest, 100% of the gain, is answer format."
    )
    lost = {"delta": {"exact_match": {"value": -0.1}, "contains": {"value": 0.0}}}
    assert format_sentence(lost).startswith("The adapter gains nothing")


def test_of_a_gain_that_may_be_none_nothing_is_called_format() -> None:
    assert format_sentence(_gain(METRICS, (-0.139, 0.185))) == (
        "The gain of +25.0 [-13.9, +18.5] points may be none, so what of it is answer format cannot be said."
    )


def _gain(metrics: dict[str, Any], bounds: tuple[float, float]) -> dict[str, Any]:
    delta = metrics["delta"]
    return metrics | {
        "delta": delta
        | {"exact_match": delta["exact_match"] | dict(zip(("low", "high"), bounds, strict=True))}
    }


def test_the_smallest_difference_is_said_for_each_that_has_one() -> None:
    assert minimum_detectable_effect_sentence(METRICS).startswith("the test set has too few groups")
    few, enough = (
        {"exact_match": {"minimum_detectable_effect": None}},
        {"exact_match": {"minimum_detectable_effect": 0.0456}},
    )
    said = minimum_detectable_effect_sentence({"delta": enough, "delta_to_zero_image": few})
    assert (
        said
        == "smallest difference that such a test set shows four times in five, points: LoRA − baseline 4.6"
    )


def test_sentences_say_their_numbers() -> None:
    delta = {
        "exact_match": {"value": 0.057, "low": 0.046, "high": 0.068},
        "bert_score_f1": {"value": 0.029, "low": -0.021, "high": 0.036},
    }
    zero_image = {"against": {"exact_match": 0.423, "bert_score_f1": 0.59}, "delta": delta}
    assert zero_image_sentence(zero_image) == (
        "Trained on zero images: 42.3% exact match, BERTScore F1 0.590. The adapter with images leads by "
        "+5.7 [+4.6, +6.8] points, +0.029 [-0.021, +0.036]."
    )
    low, high = {"lora": {"exact_match": 0.5}}, {"lora": {"exact_match": 0.75}}
    assert replacement_sentence(low, high).endswith(
        "gets 50.0% with LoRA where blip2-tiny gets 75.0%: it does not replace it."
    )
    assert replacement_sentence(high, high).endswith("it can replace it.")
    speed = {"ratio": 0.974, "ratio_low": 0.9, "ratio_high": 1.84}
    speed |= {"unmerged_to_merged": 0.7, "unmerged_to_merged_low": 0.6, "unmerged_to_merged_high": 0.8}
    assert "merged 0.97 [0.90, 1.84] × the base" in speed_sentence(speed)
    assert "without its spread" in speed_sentence({"ratio": 1.84, "unmerged_to_merged": 0.7})

"""Scores of systems → summaries and differences, on numbers that can be counted by hand."""

from collections.abc import Sequence

import numpy as np

from vqa.evaluation.comparison import compare_systems, differences, summary
from vqa.pairs.pair import Pair
from vqa.scoring.scores import Floats, Scores
from vqa.stats.bootstrap import difference_interval

PAIRS = [
    Pair("a", "What color?", "Red", "color"),
    Pair("a", "How many?", "2", "count"),
    Pair("b", "What color?", "blue", "color"),
    Pair("b", "How many?", "3", "count"),
]


def scores(exact: Sequence[float] | Floats, contains: Sequence[float] | None = None) -> Scores:
    """Of each pair; BERTScore says what exact match says."""
    found = np.array(exact, dtype=float)
    return Scores(
        exact_match=found,
        vqa_rules=found,
        contains=found if contains is None else np.array(contains, dtype=float),
        bert_score_f1=found,
        bert_score_precision=found,
        bert_score_recall=found,
    )


def test_a_summary_is_the_mean_over_all_and_by_type() -> None:
    table = summary(PAIRS, scores([1, 1, 0, 0], contains=[1, 1, 1, 0]))
    assert (table["exact_match"], table["contains"], table["n"]) == (0.5, 0.75, 4)
    assert table["by_type"]["color"] == {"bert_score_f1": 0.5, "exact_match": 0.5, "n": 2}
    assert table["by_type"]["count"]["n"] == 2


def test_a_difference_is_clustered_by_group() -> None:
    right, half = scores([1, 1, 1, 1]), scores([1, 1, 0, 0])  # image b all wrong
    delta = differences(PAIRS, right, half, draws=4000, seed=0)
    assert (delta["exact_match"]["value"], delta["exact_match"]["relative"]) == (0.5, 1.0)
    low, high = (round(bound, 4) for bound in difference_interval(1, 0, 2))
    assert (delta["exact_match"]["low"], delta["exact_match"]["high"]) == (low, high)
    assert (delta["bert_score_f1"]["low"], delta["bert_score_f1"]["high"]) == (None, None)  # two groups
    pairs = [Pair(f"{i}", "Q?", "a", split_group=f"{i // 2}") for i in range(80)]
    by_group = [1.0] * 20 + [0.0] * 20
    grouped = differences(pairs, scores(np.repeat(by_group, 2)), scores([0] * 80), 1000, 0)
    alone = differences(pairs[::2], scores(by_group), scores([0] * 40), 1000, 0)
    assert grouped == alone
    assert 0.2 < grouped["exact_match"]["minimum_detectable_effect"] < 0.24  # 2.8 × √(0.25 / 40)


def test_only_differences_between_systems_that_are_there_are_judged() -> None:
    found = compare_systems(PAIRS, {"baseline": scores([0, 0, 0, 0]), "lora": scores([1, 1, 1, 0])}, 50, 0)[0]
    assert set(found) == {"baseline", "lora", "delta", "data"}
    assert found["delta"]["exact_match"]["value"] == 0.75
    counts = {"test_pairs": 4, "test_images": 2, "test_groups": 2, "test_pairs_with_second_answer": 0}
    assert found["data"] == counts
    alone = compare_systems(PAIRS, {"zero_image": scores([0, 0, 0, 0])}, 50, 0)[0]
    assert set(alone) == {"zero_image", "data"}


def test_one_row_one_type_and_nothing_but_a_right_answer() -> None:
    pair = [Pair("a", "What color?", "red", "color")]
    systems = {
        "baseline": scores([0]),
        "lora": scores([1]),
        "zero_image": scores([0]),
        "question_only": scores([0]),
    }
    assert compare_systems(pair, systems, 50, 0)[0]["delta"]["exact_match"] == {
        "value": 1.0,
        "relative": None,
        "low": -0.95,
        "high": 1.0,
        "minimum_detectable_effect": None,
    }
    found = compare_systems(pair, systems, 50, 0)[1]
    assert found["differences"]["delta"]["color"] == {
        "exact_match": 1.0,
        "low": -0.95,
        "high": 1.0,
        "n": 1,
        "groups": 1,
        "is_exact": True,
        "p": 1.0,
        "sign": 0,
    }


def test_each_type_s_change_has_its_sign_and_a_rare_type_its_interval() -> None:
    pairs = [Pair(f"{i}", "Q?", "red", "color" if i else "rare") for i in range(41)]
    systems = {"baseline": scores([0] * 41), "lora": scores([1] * 35 + [0] * 6)}
    found = compare_systems(pairs, systems, 400, 0)[1]["differences"]["delta"]
    assert (found["color"]["sign"], found["color"]["is_exact"]) == (1, False)
    assert found["color"]["low"] < found["color"]["exact_match"] < found["color"]["high"]
    assert (found["rare"]["low"], found["rare"]["high"], found["rare"]["sign"]) == (-0.95, 1.0, 0)
    losing = {"baseline": systems["lora"], "lora": systems["baseline"]}
    assert compare_systems(pairs, losing, 400, 0)[1]["differences"]["delta"]["color"]["sign"] == -1


def test_the_signs_of_a_table_are_corrected_for_each_other() -> None:
    """Six of six gained is p = 1/32; beside another such type and two more signs none is sure."""
    pairs = [Pair(f"{i}", "Q?", "red", "abc"[i // 10]) for i in range(30)]
    gained = ([1] * 6 + [0] * 4) * 2 + [0] * 10
    found = compare_systems(pairs, {"baseline": scores([0] * 30), "lora": scores(gained)}, 1000, 0)[1]
    delta = found["differences"]["delta"]
    assert [delta[kind]["p"] for kind in "abc"] == [
        0.0938,
        0.0938,
        1.0,
    ]  # 3 × and 2 ×, but not less than that
    assert [delta[kind]["sign"] for kind in ("all", "a", "b", "c")] == [1, 0, 0, 0]
    assert delta["a"]["low"] > 0

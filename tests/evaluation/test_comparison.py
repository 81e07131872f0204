"""Scores of systems → summaries and differences, on numbers that can be counted by hand."""

from collections.abc import Sequence

import numpy as np

from vqa.evaluation.comparison import differences, judgement, summary
from vqa.pairs.pair import Pair
from vqa.scoring.scores import Scores

PAIRS = [
    Pair("a", "What color?", "Red", "color"),
    Pair("a", "How many?", "2", "count"),
    Pair("b", "What color?", "blue", "color"),
    Pair("b", "How many?", "3", "count"),
]


def scores(exact: Sequence[float], contains: Sequence[float] | None = None) -> Scores:
    """Of each pair; BERTScore says what exact match says."""
    found = np.array(exact, dtype=float)
    return Scores(
        exact_match=found,
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


def test_a_difference_is_clustered_by_picture() -> None:
    right, half = scores([1, 1, 1, 1]), scores([1, 1, 0, 0])  # picture b all wrong
    delta = differences(PAIRS, right, half, draws=4000, seed=0)["exact_match"]
    assert delta["value"] == 0.5
    assert delta["relative"] == 1.0
    assert delta["ci95"] == [0.0, 1.0]  # two pictures: both drawn twice happens
    same = differences(PAIRS, right, right, draws=100, seed=0)["exact_match"]
    assert same["ci95"] == [0.0, 0.0]


def test_only_differences_between_systems_that_are_there_are_judged() -> None:
    found = judgement(PAIRS, {"baseline": scores([0, 0, 0, 0]), "lora": scores([1, 1, 1, 0])}, 50, 0)[0]
    assert set(found) == {"baseline", "lora", "delta", "data"}
    assert found["delta"]["exact_match"]["value"] == 0.75
    assert found["data"] == {"test_pairs": 4, "test_images": 2}
    alone = judgement(PAIRS, {"blind": scores([0, 0, 0, 0])}, 50, 0)[0]
    assert set(alone) == {"blind", "data"}


def test_one_row_one_type_and_nothing_but_a_right_answer() -> None:
    pair = [Pair("a", "What color?", "red", "color")]
    systems = {"baseline": scores([0]), "lora": scores([1]), "blind": scores([0]), "text_only": scores([0])}
    assert judgement(pair, systems, 50, 0)[0]["delta"]["exact_match"] == {
        "value": 1.0,
        "relative": None,
        "ci95": [1.0, 1.0],
    }
    found = judgement(pair, systems, 50, 0)[1]
    assert found["differences"]["delta"]["color"] == {
        "exact_match": 1.0,
        "ci95": [1.0, 1.0],
        "n": 1,
        "sign": 1,
    }


def test_each_type_s_change_has_its_sign_and_a_rare_type_its_interval() -> None:
    pairs = [Pair(f"{i}", "Q?", "red", "color" if i else "rare") for i in range(30)]
    systems = {"baseline": scores([0] * 30), "lora": scores([1] * 29 + [0])}
    found = judgement(pairs, systems, 400, 0)[1]["differences"]["delta"]
    assert found["color"]["sign"] == 1
    assert found["color"]["ci95"][0] < found["color"]["exact_match"] < found["color"]["ci95"][1]
    assert found["rare"] == {"exact_match": 1.0, "ci95": [1.0, 1.0], "n": 1, "sign": 1}
    losing = {"baseline": systems["lora"], "lora": systems["baseline"]}
    assert judgement(pairs, losing, 400, 0)[1]["differences"]["delta"]["color"]["sign"] == -1

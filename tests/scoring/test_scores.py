import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.evaluation.blind_guesses import majority_guesses, text_only_guesses
from vqa.evaluation.comparison import differences, judgement, summary
from vqa.pairs.pair import Pair
from vqa.scoring.bertscore import BertScorer, encoder_named
from vqa.scoring.scores import scores_of, scores_of_systems


@pytest.fixture(scope="module")
def scorer() -> BertScorer:
    return BertScorer(encoder_named("minilm"), torch.device("cpu"))


PAIRS = [
    Pair("a", "What color?", "Red", "color"),
    Pair("a", "How many?", "2", "count"),
    Pair("b", "What color?", "blue", "color"),
    Pair("b", "How many?", "3", "count"),
]


def test_scores_can_be_counted_by_hand(scorer: BertScorer) -> None:
    scores = scores_of(PAIRS, ["red.", "two", "it is blue", ""], scorer)
    assert scores.exact_match.tolist() == [1, 1, 0, 0]
    assert scores.contains.tolist() == [1, 1, 1, 0]
    assert scores.bert_score_f1[:2] == pytest.approx([1, 1], abs=1e-5)
    assert scores.bert_score_f1[3] == 0
    table = summary(PAIRS, scores)
    assert (table["exact_match"], table["contains"], table["n"]) == (0.5, 0.75, 4)
    assert table["by_type"]["color"]["exact_match"] == 0.5
    assert table["by_type"]["count"]["n"] == 2


def test_a_difference_is_clustered_by_picture(scorer: BertScorer) -> None:
    right = scores_of(PAIRS, ["red", "2", "blue", "3"], scorer)
    half = scores_of(PAIRS, ["red", "2", "x", "x"], scorer)  # picture b all wrong
    delta = differences(PAIRS, right, half, draws=4000, seed=0)["exact_match"]
    assert delta["value"] == 0.5
    assert delta["relative"] == 1.0
    assert delta["ci95"] == [0.0, 1.0]  # two pictures: both drawn twice happens
    same = differences(PAIRS, right, right, draws=100, seed=0)["exact_match"]
    assert same["ci95"] == [0.0, 0.0]


def test_guesses_never_need_a_picture() -> None:
    train = [
        Pair("a", "What color is the lamp?", "Red", "color"),
        Pair("b", "What color is the lamp?", "red", "color"),
        Pair("c", "What color is the rug?", "blue", "color"),
        Pair("d", "How many?", "two", "count"),
    ]
    test = [
        Pair("x", "What color is the lamp", "?", "color"),
        Pair("x", "color of the rug?", "?", "color"),
        Pair("x", "zzz", "?", "texture"),
    ]
    assert text_only_guesses(train, test) == ["red", "blue", ""]
    assert majority_guesses(train, test) == ["red", "red", "red"]


ANSWERS = st.sampled_from(["red", "2", "blue", "a lamp", "", "dark-blue", "größe", "error", "x" * 10_000])


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("ab"), ANSWERS, ANSWERS), min_size=1, max_size=6), data=st.data()
)
def test_scores_stay_in_range_and_the_order_or_repetition_of_rows_changes_nothing(
    scorer: BertScorer, rows: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    def means(of: list[tuple[str, str, str]]) -> dict[str, float]:
        pairs = [Pair(image, "What color?", answer, "color") for image, answer, _ in of]
        scores = scores_of(pairs, [text for _, _, text in of], scorer)
        assert set(scores.exact_match) | set(scores.contains) <= {0.0, 1.0}
        assert (scores.exact_match <= scores.contains).all()
        assert scores.bert_score_f1.max() <= 1 + 1e-5
        return {key: value for key, value in summary(pairs, scores).items() if isinstance(value, float)}

    assert means(data.draw(st.permutations(rows))) == pytest.approx(means(rows), abs=2e-4)
    assert means(rows * 3) == pytest.approx(means(rows), abs=2e-4)


def test_systems_scored_together_score_as_alone(scorer: BertScorer) -> None:
    texts = {"baseline": ["red", "3", "", "x"], "lora": ["it is red", "2", "blue", "3"]}
    together = scores_of_systems(PAIRS, texts, scorer)
    for system, said in texts.items():
        alone = scores_of(PAIRS, said, scorer)
        for name, values in vars(alone).items():
            np.testing.assert_allclose(vars(together[system])[name], values, atol=1e-5)


def test_one_row_one_type_and_nothing_but_empty_answers_are_judged(scorer: BertScorer) -> None:
    pair = [Pair("a", "What color?", "red", "color")]
    texts = {"baseline": [""], "lora": ["red"], "blind": [""], "text_only": [""]}
    scores = scores_of_systems(pair, texts, scorer)
    metrics, details = judgement(pair, scores, 50, 0)
    assert metrics["delta"]["exact_match"] == {
        "value": 1.0,
        "relative": None,
        "ci95": [1.0, 1.0],
    }
    assert details["differences"]["delta"]["color"] == {
        "exact_match": 1.0,
        "ci95": [1.0, 1.0],
        "n": 1,
        "sign": 1,
    }
    nothing = scores_of(PAIRS, [""] * 4, scorer)
    assert summary(PAIRS, nothing)["bert_score_f1"] == summary(PAIRS, nothing)["exact_match"] == 0


def test_each_type_s_change_has_its_sign_and_a_rare_type_its_interval(scorer: BertScorer) -> None:
    pairs = [Pair(f"{i}", "Q?", "red", "color" if i else "rare") for i in range(30)]
    scores = scores_of_systems(pairs, {"baseline": ["x"] * 30, "lora": ["red"] * 29 + ["x"]}, scorer)
    found = judgement(pairs, scores, 400, 0)[1]["differences"]["delta"]
    assert found["color"]["sign"] == 1
    assert found["color"]["ci95"][0] < found["color"]["exact_match"] < found["color"]["ci95"][1]
    assert found["rare"] == {"exact_match": 1.0, "ci95": [1.0, 1.0], "n": 1, "sign": 1}


def test_an_empty_answer_is_a_failure_whatever_was_asked(scorer: BertScorer) -> None:
    pair = [Pair("a", "Q?", "", "color")]
    assert scores_of(pair, [""], scorer).exact_match.tolist() == [0]

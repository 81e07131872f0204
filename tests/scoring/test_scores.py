import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.evaluation.comparison import summary
from vqa.pairs.pair import Pair
from vqa.scoring.bertscore import BertScorer, encoder_named
from vqa.scoring.scores import score_texts, scores_of_systems


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
    scores = score_texts(PAIRS, ["red.", "two", "it is blue", ""], scorer)
    assert scores.exact_match.tolist() == [1, 1, 0, 0]
    assert scores.contains.tolist() == [1, 1, 1, 0]
    assert scores.vqa_rules.tolist() == [1, 1, 0, 0]
    assert scores.bert_score_f1[:2] == pytest.approx([1, 1], abs=1e-5)
    assert scores.bert_score_f1[3] == 0


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
        scores = score_texts(pairs, [text for _, _, text in of], scorer)
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
        alone = score_texts(PAIRS, said, scorer)
        for name, values in vars(alone).items():
            np.testing.assert_allclose(vars(together[system])[name], values, atol=1e-5)


def test_nothing_but_empty_answers_is_scored(scorer: BertScorer) -> None:
    nothing = score_texts(PAIRS, [""] * 4, scorer)
    assert nothing.bert_score_f1.tolist() == nothing.exact_match.tolist() == [0] * 4


def test_an_empty_answer_is_a_failure_whatever_was_asked(scorer: BertScorer) -> None:
    pair = [Pair("a", "Q?", "", "color")]
    assert score_texts(pair, [""], scorer).exact_match.tolist() == [0]


def test_the_best_of_several_right_answers_counts(scorer: BertScorer) -> None:
    pair = Pair("a.jpg", "What color?", "gold", also_right=("yellow", "dark yellow"))
    scores = score_texts([pair] * 4, ["Yellow!", "dark yellow", "blue", "gold"], scorer)
    assert scores.exact_match.tolist() == [1, 1, 0, 1]
    assert scores.vqa_rules.tolist() == [1, 1, 0, 1]
    assert scores.bert_score_f1[[0, 1, 3]] == pytest.approx(1)
    alone = [
        score_texts([Pair("a.jpg", "", answer)], ["blue"], scorer).bert_score_f1[0]
        for answer in pair.right_answers
    ]
    assert scores.bert_score_f1[2] == pytest.approx(max(alone), abs=1e-6)


def test_labels_of_several_words_are_compared_whole(scorer: BertScorer) -> None:
    pairs = [Pair("a.jpg", "What color?", "dark blue")] * 4
    scores = score_texts(pairs, ["Dark blue.", "dark", "it is dark blue", "blue dark"], scorer)
    assert scores.exact_match.tolist() == [1, 0, 0, 0]
    assert scores.contains.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("answer", "share"), [("red", 1.0), ("maroon", 0.6), ("crimson", 0.3), ("dark red", 0.0), ("blue", 0.0)]
)
def test_ten_answers_count_as_in_vqav2(scorer: BertScorer, answer: str, share: float) -> None:
    people = str(["red"] * 7 + ["maroon"] * 2 + ["crimson"])
    scores = score_texts([Pair("a.jpg", "What color?", people)], [answer], scorer)
    assert scores.exact_match[0] == pytest.approx(share)
    assert scores.vqa_rules[0] == pytest.approx(share)


def test_a_list_of_a_few_answers_holds_right_ones(scorer: BertScorer) -> None:
    pairs = [Pair("a.jpg", "What color?", '["gold", "yellow"]')] * 2
    assert score_texts(pairs, ["yellow", "red"], scorer).exact_match.tolist() == [1, 0]

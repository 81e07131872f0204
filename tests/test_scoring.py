import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from vqa.bertscore import BertScorer, encoder_named
from vqa.guesses import majority_guesses, text_only_guesses
from vqa.pairs import Pair
from vqa.scoring import differences, scores_of, summary


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
    assert scores.f1[:2] == pytest.approx([1, 1], abs=1e-5)
    assert scores.f1[3] == 0
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


def test_bertscore_equals_a_computation_from_hidden_states(scorer: BertScorer) -> None:
    encoder = encoder_named("minilm")
    tokenizer = AutoTokenizer.from_pretrained(encoder.path)
    model = AutoModel.from_pretrained(encoder.path, dtype=torch.float32).eval()

    def tokens(text: str) -> torch.Tensor:
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        return torch.nn.functional.normalize(hidden, dim=-1)  # [CLS] … [SEP], all matched

    plain = BertScorer(encoder, torch.device("cpu"), is_rescaled=False)
    for answer, reference in [("crimson", "red"), ("hexagonal", "round"), ("wood-like", "wooden")]:
        similarity = tokens(answer) @ tokens(reference).T
        # The weights of [CLS] and [SEP] are 0, so only the words' own rows count.
        precision = similarity.max(dim=1).values[1:-1].mean().item()
        recall = similarity.max(dim=0).values[1:-1].mean().item()
        f1 = 2 * precision * recall / (precision + recall)
        np.testing.assert_allclose(plain.scores([answer], [reference])[0], [precision, recall, f1], atol=1e-5)


def test_rescaling_puts_equal_words_at_one_and_unrelated_ones_near_zero(scorer: BertScorer) -> None:
    words = scorer.word_list()
    rng = np.random.default_rng(7)
    answers, references = rng.choice(words, 400).tolist(), rng.choice(words, 400).tolist()
    assert abs(scorer.scores(answers, references)[:, 2].mean()) < 0.02
    assert scorer.scores(["lamp"], ["lamp"])[0] == pytest.approx([1, 1, 1], abs=1e-5)
    assert scorer.scores(["", "lamp"], ["lamp", ""]).tolist() == [[0, 0, 0], [0, 0, 0]]


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

"""BERTScore against scores computed by hand from hidden states, for MiniLM and a RoBERTa built here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoModel, AutoTokenizer, RobertaConfig, RobertaModel, RobertaTokenizerFast

from vqa.scoring import bertscore
from vqa.scoring.bertscore import BertScorer, Encoder, description, encoder_named

CPU = torch.device("cpu")
TEXTS = [
    ("crimson", "red"),
    ("hexagonal", "round"),
    ("wood-like", "wooden"),
    ("größe", "size"),
    ("日本", "red"),
]


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A RoBERTa of two layers with random weights; its folder's name holds the letters t5."""
    folder = tmp_path_factory.mktemp("t5-roberta")
    trained = ByteLevelBPETokenizer()
    words = "red crimson round hexagonal wood wooden size a the like"
    trained.train_from_iterator([words] * 20, 400, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    trained.save_model(str(folder))
    tokenizer = RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        initializer_range=0.5,
    )
    RobertaModel(config).save_pretrained(folder)
    baseline = folder / "baseline.csv"
    baseline.write_text("LAYER,P,R,F\n" + "".join(f"{i},0.{i}1,0.{i}2,0.{i}3\n" for i in range(4)))
    return Encoder(str(folder), 2, baseline)


@pytest.fixture(params=["minilm", "roberta"])
def encoder(request: pytest.FixtureRequest, roberta: Encoder) -> Encoder:
    return roberta if request.param == "roberta" else encoder_named("minilm")


def by_hand(encoder: Encoder, answer: str, reference: str) -> list[float]:
    """Precision, recall, F1 from the hidden states after `num_layers` layers, a word per prefix space."""
    tokenizer = AutoTokenizer.from_pretrained(encoder.path)
    model = AutoModel.from_pretrained(encoder.path, dtype=torch.float32).eval()

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer(f" {text}")["input_ids"]
        return found

    def tokens(text: str) -> torch.Tensor:
        with torch.no_grad():
            states = model(torch.tensor([ids(text)]), output_hidden_states=True).hidden_states
        return torch.nn.functional.normalize(states[encoder.num_layers][0], dim=-1)

    def weights(text: str) -> torch.Tensor:
        found = torch.ones(len(ids(text)))
        found[[0, -1]] = 0  # the special tokens
        return found / found.sum()

    similarity = tokens(answer) @ tokens(reference).T
    precision = float((similarity.max(dim=1).values * weights(answer)).sum())
    recall = float((similarity.max(dim=0).values * weights(reference)).sum())
    return [precision, recall, 2 * precision * recall / (precision + recall)]


def test_scores_equal_a_computation_from_hidden_states(encoder: Encoder) -> None:
    scorer = BertScorer(encoder, CPU, is_rescaled=False)
    answers, references = zip(*TEXTS, strict=True)
    expected = [by_hand(encoder, answer, reference) for answer, reference in TEXTS]
    np.testing.assert_allclose(scorer.scores(answers, references), expected, atol=2e-5)


def test_rescaling_uses_the_layer_s_row_of_the_table(roberta: Encoder) -> None:
    raw = BertScorer(roberta, CPU, is_rescaled=False).scores(["crimson"], ["red"])[0]
    rescaled = BertScorer(roberta, CPU).scores(["crimson"], ["red"])[0]
    np.testing.assert_allclose(rescaled, (raw - [0.21, 0.22, 0.23]) / (1 - np.array([0.21, 0.22, 0.23])))


def test_the_shipped_table_of_roberta_large_is_read(roberta: Encoder) -> None:
    shipped = encoder_named("roberta-large")
    table = Encoder(roberta.path, roberta.num_layers, shipped.baseline)
    raw = BertScorer(roberta, CPU, is_rescaled=False).scores(["crimson"], ["red"])[0, 2]
    rows = [line.split(",") for line in shipped.baseline.read_text().splitlines()]
    floor = float(rows[1 + roberta.num_layers][3])
    assert BertScorer(table, CPU).scores(["crimson"], ["red"])[0, 2] == pytest.approx(
        (raw - floor) / (1 - floor)
    )


def test_words_of_a_byte_level_vocabulary_are_those_that_begin_one(roberta: Encoder) -> None:
    words = BertScorer(roberta, CPU).word_list()
    assert (
        "hexagonal" in words
    )  # of the text that its vocabulary was learnt from, where it stood behind a space
    assert not {word for word in words if f"Ġ{word}" not in BertScorer(roberta, CPU)._tokenizer.get_vocab()}
    assert all(word.islower() and len(word) > 2 for word in words)


def test_a_metrics_file_says_what_the_zero_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert description("minilm")["zero"] == "unrelated words"
    assert description("roberta-large")["zero"] == "unrelated sentences"
    words = tmp_path / "words.csv"
    words.write_text("LAYER,P,R,F\n")
    monkeypatch.setitem(bertscore._BASELINES, "roberta-large", words)  # as the command leaves it
    assert encoder_named("roberta-large").baseline == words
    assert description("roberta-large")["zero"] == "unrelated words"


def test_equal_words_score_one_and_empty_ones_nothing(encoder: Encoder) -> None:
    scorer = BertScorer(encoder, CPU)
    assert scorer.scores(["lamp", "größe"], ["lamp", "größe"]) == pytest.approx(np.ones((2, 3)), abs=1e-5)
    assert scorer.scores(["", "lamp", ""], ["lamp", "", ""]).tolist() == [[0, 0, 0]] * 3


def test_unrelated_words_are_near_zero_after_rescaling() -> None:
    scorer = BertScorer(encoder_named("minilm"), CPU)
    words = scorer.word_list()
    rng = np.random.default_rng(7)
    answers, references = rng.choice(words, 400).tolist(), rng.choice(words, 400).tolist()
    assert abs(scorer.scores(answers, references)[:, 2].mean()) < 0.02

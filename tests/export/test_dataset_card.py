"""The card that travels with the pairs."""

from dataclasses import replace
from typing import Any

import pytest
from huggingface_hub import DatasetCard

from paths import ROOT
from vqa.export.dataset import Census
from vqa.export.dataset_card import Answerer, Rights, dataset_card
from vqa.settings import load_settings

CENSUS = {"train": Census(1200, 300, 280, {"supported": 500, "unchecked": 700}), "test": Census(34, 9, 9, {})}
METRICS: dict[str, Any] = {
    "pairs": 1300,
    "rejected": {"not_one_word": 60, "duplicate": 6},
    "labels": {"questions_asked_twice": 50, "agreement": 0.81, "estimated_label_noise": 0.1},
    "review": {"reviewed": 200, "acceptance": 0.9, "acceptance_low": 0.85, "acceptance_high": 0.93},
}
BY_GEMINI = [Answerer("flash", "flash-002", 300, "2026-01-31", "2026-02-03")]


def card(annotator: Any = "gemini", is_drawn: bool = False, metrics: dict[str, Any] = METRICS) -> DatasetCard:
    settings = load_settings(ROOT / "params.yaml")
    settings = replace(settings, generate=replace(settings.generate, annotator=annotator))
    rights = Rights("apache-2.0", is_drawn=True) if is_drawn else Rights("cc-by-4.0", is_abo=True)
    text = dataset_card(settings, metrics, CENSUS, BY_GEMINI, rights, "abc1234", with_images=True)
    return DatasetCard(text)


def test_the_hub_finds_licence_size_and_files() -> None:
    data = card().data.to_dict()
    assert (data["license"], data["size_categories"]) == ("cc-by-4.0", "1K<n<10K")
    (config,) = data["configs"]
    assert config["data_files"] == [
        {"split": "train", "path": "data/train.parquet"},
        {"split": "test", "path": "data/test.parquet"},
    ]


def test_it_says_who_answered_by_which_prompt_what_was_rejected_and_what_is_wrong() -> None:
    text = card().text
    for said in (
        "1,234 questions",
        "| train | 1,200 | 300 | 280 | 500 | 700 |\n| test | 34 | 9 | 9 | 0 | 0 |\n",
        "- `flash` was asked, `flash-002` answered: 300 requests, 2026-01-31 to 2026-02-03\n",
        "Name: $name",
        "Of 1,300 pairs 1,234 were kept. Why not the others:\n\n| reason | pairs |\n|---|---|\n",
        "| not_one_word | 60 |\n| duplicate | 6 |\n\n- 50 questions were asked twice",
        "both answers agree in 81.0%, so about 10.0% of the labels",
        "People looked at 200 pairs and accepted 90.0% [85.0%, 93.0%].",
        "credit for the data goes to Amazon.com",
        "terms of the Gemini API",
        "commit `abc1234`",
        "## Not to be used for",
    ):
        assert said in text, said


@pytest.mark.parametrize(
    ("annotator", "said", "not_said"),
    [
        ("metadata", "No model wrote them", "Gemini"),
        ("csv", "came in a CSV (`example.csv`)", "Gemini"),
        ("gemini", "written by a Gemini model", "came in a CSV"),
    ],
)
def test_only_what_gemini_wrote_is_called_so(annotator: str, said: str, not_said: str) -> None:
    text = card(annotator).text
    assert said in text
    assert not_said not in text


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    unknown = METRICS | {"rejected": {}, "labels": {"questions_asked_twice": 0}, "review": {"decisions": {}}}
    text = card("metadata", is_drawn=True, metrics=unknown).text
    assert "None was rejected." in text
    assert "the labels' noise is not known" in text
    assert "Nobody has looked at a sample" in text
    assert "Amazon" not in text

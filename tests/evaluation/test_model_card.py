"""The card that goes with an exported model."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from huggingface_hub import ModelCard

from evaluated import DETAILS, METRICS
from paths import ROOT
from vqa.evaluation.markdown import results_table
from vqa.evaluation.model_card import BaseModel, Kind, Provenance, model_card
from vqa.settings import Data, Settings, load_settings

PROVENANCE = Provenance(
    "abc1234",
    {"data/vqa/test.csv": "f00d"},
    {"torch": "2.9", "peft": "0.18"},
    BaseModel("blip-2"),
)

CHECK = "20 of 20 test questions answered as by the pipeline"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("kind", "library", "code"),
    [
        ("adapter", "peft", 'PeftModel.from_pretrained(model, "adapter")'),
        ("merged", "transformers", 'pipeline("image-text-to-text", model="merged")'),
    ],
)
def test_a_card_has_the_hub_s_metadata_and_says_how_to_load_it(
    settings: Settings, kind: Kind, library: str, code: str
) -> None:
    card = ModelCard(model_card(kind, settings, METRICS, DETAILS, PROVENANCE, CHECK))
    data: Any = card.data
    assert (data.library_name, data.base_model) == (library, settings.model.name)
    assert {result.metric_type: result.metric_value for result in data.eval_results} == {
        "exact_match": 0.5,
        "bert_score_f1": 0.5,
    }
    assert card.text.strip().startswith("# ")
    assert code in card.text
    assert "commit `abc1234`" in card.text
    other = {"adapter": "merged into", "merged": "PeftModel"}[kind]
    assert other not in card.text


def test_a_card_holds_scores_settings_and_where_it_came_from(settings: Settings) -> None:
    text = model_card("adapter", settings, METRICS, DETAILS, PROVENANCE, CHECK)
    assert f"\n\n{results_table(METRICS)}\n\n" in text
    assert "4 questions about 2 held-out images" in text
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["count", "1", "0.0%", "100.0%", "+100.0 [-95.0, +100.0]"] in cells  # one question tells little
    assert ["lora.r", str(settings.lora.r)] in cells
    assert "\n\n- `data/vqa/test.csv`: SHA-256 `f00d`\n\nLibraries: torch 2.9, peft 0.18.\n\n" in text
    assert f"prompt `{settings.model.prompt}`" in text


def test_the_licence_is_that_of_the_images(settings: Settings) -> None:
    drawn = model_card("merged", settings, METRICS, DETAILS, PROVENANCE, CHECK)
    assert "drawn by abo-vqa itself" in drawn
    assert "CC BY 4.0" not in drawn
    real = replace(settings, data=Data(Path("data/abo"), "abo"))
    assert "CC BY 4.0" in model_card("merged", real, METRICS, DETAILS, PROVENANCE, CHECK)
    own = replace(settings, data=Data(Path("data/mine"), None))
    card = model_card("merged", own, METRICS, DETAILS, PROVENANCE, CHECK)
    assert "CC BY 4.0" not in card
    assert "Images and listings: those of whoever made this; their licence is not known here." in card
    assert "type: mine" in card
    said = replace(settings, data=Data(Path("data/mine"), "cc0-1.0"))
    assert "`cc0-1.0`, as whoever made this says" in model_card(
        "merged", said, METRICS, DETAILS, PROVENANCE, CHECK
    )


@pytest.mark.parametrize(
    ("base", "licence"), [("models/blip2-small", "apache-2.0"), ("Salesforce/blip2-opt-2.7b", "other")]
)
def test_weights_are_under_the_licence_that_their_base_s_card_names(
    settings: Settings, base: str, licence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    other = replace(settings, model=replace(settings.model, name=base))
    for kind in get_args(Kind):
        card = ModelCard(model_card(kind, other, METRICS, DETAILS, PROVENANCE, CHECK))
        assert card.data.to_dict()["license"] == licence
        assert ("Meta's OPT licence" in card.text) == (licence == "other")

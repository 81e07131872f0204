from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paths import ROOT
from vqa.annotators.costs import most_usd, projection, reckoned_usd, request_cost
from vqa.annotators.gemini_models import ignores_temperature, image_tokens, is_same_model, output_tokens
from vqa.annotators.scheduler import Request
from vqa.settings import load_settings

SETTINGS = load_settings(ROOT / "params.yaml").generate


@pytest.mark.parametrize(
    ("model", "resolution", "tokens"),
    [
        ("gemini-3.1-flash-lite", "low", 280),
        ("gemini-3.1-flash-lite", "medium", 560),
        ("gemini-3.1-flash-lite", "high", 1120),
        ("gemini-3.8-flash", None, 1120),
        ("gemini-2.5-flash-lite", None, 258),
        ("gemini-flash-latest", None, 1120),  # an alias counts as the newest
    ],
)
def test_an_image_s_tokens_depend_on_generation_and_resolution(
    model: str, resolution: str | None, tokens: int
) -> None:
    assert image_tokens(model, resolution) == tokens


def test_thoughts_are_reckoned_too() -> None:
    assert output_tokens("gemini-3.1-flash-lite", "minimal", 200) == 200
    assert output_tokens("gemini-3.1-flash-lite", None, 200) == 200
    assert output_tokens("gemini-3.8-flash", "high", 200) == 1600
    assert output_tokens("gemini-2.5-flash", 512, 200) == 712


def test_the_default_s_price_of_an_image_can_be_added_up() -> None:
    # 280 tokens of image and 100 of text at 0.25 USD a million; 5 pairs of 40 tokens at 1.50.
    assert reckoned_usd(["x" * 400], SETTINGS) == pytest.approx((380 * 0.25 + 200 * 1.50) / 1e6)
    assert request_cost(1e6, 1e6, SETTINGS) == 1.75


@pytest.mark.parametrize("changes", [{"service_tier": "flex"}, {"mode": "batch"}])
def test_flex_and_batches_cost_half(changes: dict[str, Any]) -> None:
    assert request_cost(1e6, 1e6, replace(SETTINGS, **changes)) == 0.875


def test_an_answer_costs_at_most_what_it_may_hold() -> None:
    request = Request("k", "a.jpg", Path("a.jpg"), "x" * 300)
    assert most_usd([request], SETTINGS) == pytest.approx((380 * 0.25 + 2048 * 1.50) / 1e6)


def test_an_image_that_an_earlier_model_cuts_into_tiles_costs_at_most_all_of_them() -> None:
    earlier = replace(SETTINGS, model="gemini-2.5-flash-lite", thinking=None, media_resolution=None)
    request = Request("k", "a.jpg", Path("a.jpg"), "x" * 300)
    assert most_usd([request], earlier) == pytest.approx(((6 * 258 + 100) * 0.10 + 2048 * 0.40) / 1e6)


def test_the_bill_corrects_the_projection() -> None:
    prompts = ["x" * 400] * 1000  # reckoned at 0.395 USD
    asked = {"requests": 4, "usd": 0.00474, "reckoned_usd": 0.00158}  # three times as dear
    assert projection(asked, prompts, SETTINGS) == (
        "an image was reckoned at 0.000395 USD and billed 0.001185; "
        "all 1000 images would cost about 1.1850 USD"
    )


@pytest.mark.parametrize(
    ("answered", "is_same"),
    [
        ("gemini-3.1-flash", True),
        ("models/gemini-3.1-flash", True),
        ("gemini-3.1-flash-001", True),
        ("gemini-3.1-flash-preview-09-2026", True),
        ("gemini-3.1-flash-lite", False),
        ("gemini-3.8-flash", False),
    ],
)
def test_a_version_is_the_same_model_and_a_smaller_sister_is_not(answered: str, is_same: bool) -> None:
    assert is_same_model("gemini-3.1-flash", answered) is is_same


def test_temperature_is_ignored_from_3_5_on() -> None:
    assert not ignores_temperature("gemini-3.1-flash-lite")
    assert ignores_temperature("gemini-3.5-flash-lite")

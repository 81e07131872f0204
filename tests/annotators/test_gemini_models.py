"""What models cost, and what is said where that is not known."""

from dataclasses import replace
from datetime import date

import pytest

from paths import ROOT
from vqa.annotators.costs import request_cost
from vqa.annotators.gemini_models import PRICES, check_price, is_priced, price_on
from vqa.core.errors import InputError
from vqa.settings import load_settings

SETTINGS = load_settings(ROOT / "params.yaml").generate
FLASH = replace(SETTINGS, model="gemini-3.8-flash")
LAST, NEXT = date(2026, 12, 31), date(2027, 1, 1)


@pytest.mark.parametrize("model", ["gemini-3.6-flash", "gemini-3.7-flash", "gemini-3.8-flash"])
def test_flash_costs_twice_as_much_from_2027_on(model: str) -> None:
    settings = replace(SETTINGS, model=model)
    assert request_cost(1e6, 1e6, settings, LAST) == 0.75 + 3.75
    assert request_cost(1e6, 1e6, settings, NEXT) == 1.50 + 7.50
    check_price(settings, NEXT)


@pytest.mark.parametrize("changes", [{"mode": "batch"}, {"service_tier": "flex"}])
def test_a_mode_costs_its_share_of_the_price_of_the_day(changes: dict[str, str]) -> None:
    assert request_cost(1e6, 1e6, replace(FLASH, **changes), NEXT) == 4.5  # type: ignore[arg-type]


def test_a_price_that_has_run_out_stops_before_anything_is_paid() -> None:
    (only,) = PRICES[SETTINGS.model]
    check_price(SETTINGS, date(2027, 5, 7))
    with pytest.raises(InputError) as stopped:
        check_price(SETTINGS, date(2027, 5, 8))
    assert str(stopped.value) == (
        "the price of gemini-3.1-flash-lite (0.25 USD per million tokens in, 1.5 out) was known until "
        "2027-05-07 only; look at https://ai.google.dev/gemini-api/docs/pricing and set generate.prices to "
        "{gemini-3.1-flash-lite: [in, out]} in params.yaml, or choose another model"
    )
    assert price_on(date(2027, 5, 8), SETTINGS) == only  # what was paid is counted, not refused
    check_price(replace(SETTINGS, api_endpoint="http://localhost:8080"), date(2030, 1, 1))
    check_price(replace(SETTINGS, prices={SETTINGS.model: (0.5, 3.0)}), date(2030, 1, 1))


def test_a_model_whose_price_nobody_said_stops_and_a_given_one_holds() -> None:
    unknown = replace(SETTINGS, model="gemini-4-flash")
    assert not is_priced("gemini-4-flash", unknown)
    with pytest.raises(
        InputError, match=r"has no price of the model gemini-4-flash; set generate\.prices to"
    ):
        check_price(unknown, LAST)
    with pytest.raises(InputError, match="no price of the model"):  # an endpoint of one's own knows no more
        check_price(replace(unknown, api_endpoint="http://localhost:8080"), LAST)
    given = replace(unknown, prices={"gemini-4-flash": (1.0, 2.0)})
    check_price(given, date(2030, 1, 1))
    assert request_cost(1e6, 1e6, given) == 3.0
    assert request_cost(1e6, 1e6, replace(FLASH, prices={"gemini-3.8-flash": (0.0, 1.0)}), NEXT) == 1.0


def test_a_version_of_a_model_costs_what_the_model_does() -> None:
    assert (
        price_on(LAST, replace(SETTINGS, model="models/gemini-3.8-flash-001"))
        == PRICES["gemini-3.8-flash"][0]
    )
    assert not is_priced("gemini-flash-latest", SETTINGS)

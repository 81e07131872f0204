"""Prices of Gemini's models, by id, and their last days.

Source: https://ai.google.dev/gemini-api/docs/pricing and …/deprecations, as of 25 November 2026; nothing was
tested with the service. `generate.prices` sets the price of another model, or another price.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from vqa.annotators.gemini_models import is_same_model
from vqa.core.errors import InputError
from vqa.settings import Generate


@dataclass(frozen=True)
class Price:
    """USD per million tokens in and out, thoughts being output, and the last day that it holds.

    `last_day`: None where no end is announced. `batch`, `flex`: the share of it that these modes cost.
    """

    input: float
    output: float
    last_day: date | None = None
    batch: float = 0.5
    flex: float = 0.5


# The half price of Flash ends with 2026.
_FLASH = (Price(0.75, 3.75, date(2026, 12, 31)), Price(1.50, 7.50))
PRICES: dict[str, tuple[Price, ...]] = {  # by model; of several prices the earlier first
    "gemini-3.8-flash": _FLASH,
    "gemini-3.7-flash": _FLASH,
    "gemini-3.6-flash": _FLASH,
    "gemini-3.5-flash-lite": (Price(0.30, 2.50, date(2027, 7, 21)),),
    "gemini-3.1-flash-lite": (Price(0.25, 1.50, date(2027, 5, 7)),),
    # From the day after on other models answer, at their prices.
    "gemini-2.5-flash": (Price(0.30, 2.50, date(2026, 11, 30)),),
    "gemini-2.5-pro": (Price(1.25, 10.00, date(2026, 11, 30)),),
    "gemini-2.5-flash-lite": (Price(0.10, 0.40),),
}
_MODULE = f"src/vqa/annotators/{Path(__file__).name}"


def price_on(day: date, settings: Generate) -> Price:
    """The price of `settings.model` on a day; the last one if all have run out, so that all costs count.

    Raises:
        InputError: no price of the model is known.
    """
    if given := settings.prices.get(settings.model):
        return Price(*given)
    prices = _listed(settings.model)
    if not prices:
        raise InputError(
            f"params.yaml: {_MODULE} has no price of the model {settings.model}; set generate.prices to "
            f"{{{settings.model}: [USD per million tokens in, out]}}, or choose one of {', '.join(PRICES)}"
        )
    return next((p for p in prices if p.last_day is None or day <= p.last_day), prices[-1])


def check_price(settings: Generate, today: date) -> None:
    """Stop before anything is paid at an unknown price, with which the budget could not be kept.

    Only Google's own price runs out: another address (generate.api_endpoint) has other terms.

    Raises:
        InputError: as `price_on`; or the model's last price has run out.
    """
    price = price_on(today, settings)
    if price.last_day and today > price.last_day and not settings.api_endpoint:
        raise InputError(
            f"the price of {settings.model} ({price.input:g} USD per million tokens in, {price.output:g} "
            f"out) was known until {price.last_day} only; look at "
            f"https://ai.google.dev/gemini-api/docs/pricing "
            f"and set generate.prices to {{{settings.model}: [in, out]}} in params.yaml, or choose another "
            "model"
        )


def is_priced(model: str, settings: Generate) -> bool:
    """Whether what this model costs is known."""
    return model in settings.prices or bool(_listed(model))


def _listed(model: str) -> tuple[Price, ...]:
    """The prices of a model; a version, such as gemini-3.8-flash-001, costs the same as its model."""
    return next((prices for name, prices in PRICES.items() if is_same_model(name, model)), ())

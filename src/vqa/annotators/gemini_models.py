"""Facts on Gemini's models, read from Google's public pages on 25 November 2026.

https://ai.google.dev/gemini-api/docs/models, …/media-resolution, …/thinking, …/deprecations. Nothing here was
tested with the service: the bill of a preview corrects it.

Prices of Gemini's models, by id, and their last days.

Source: https://ai.google.dev/gemini-api/docs/pricing and …/deprecations, as of 25 November 2026; nothing was
tested with the service. `generate.prices` sets the price of another model, or another price.
"""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from vqa.core.errors import InputError
from vqa.settings import Generate

TEMPERATURE = 0.0
MOST_OUTPUT_TOKENS = 2048  # of one answer; models that think need room for it

_IMAGE_TOKENS = {"low": 280, "medium": 560, "high": 1120}  # Gemini 3 and later; high where nothing is asked
_EARLIER_IMAGE_TOKENS = 258  # up to 384 pixels a side, whatever the resolution; above, a tile's
# A tile's side is two thirds of the shorter side, at least 256 pixels: 3 by 2 in what is sent (768 by 385).
_MOST_TILES = 6
# Output tokens with thoughts, as a multiple of the answer's: assumed, since no key was at hand.
_THOUGHTS = {"minimal": 1.0, "low": 2.0, "medium": 4.0, "high": 8.0}
_VERSION = re.compile(r"-(\d+|preview|exp|experimental)(-[\d-]+)?")  # of one model: …-001, …-preview-09-2026


def generation(model: str) -> tuple[int, int]:
    """(3, 1) for gemini-3.1-flash-lite; a name without a number, such as an alias, counts as the newest."""
    match = re.search(r"gemini-(\d+)(?:\.(\d+))?", model)
    return (int(match[1]), int(match[2] or 0)) if match else (99, 0)


def image_tokens(model: str, resolution: str | None) -> int:
    """The number of tokens of an image of at most 384 pixels a side."""
    if generation(model) < (3, 0):
        return _EARLIER_IMAGE_TOKENS
    return _IMAGE_TOKENS[resolution or "high"]


def most_image_tokens(model: str, resolution: str | None) -> int:
    """The largest number of tokens of an image of at most 768 pixels a side."""
    tokens = image_tokens(model, resolution)
    return tokens * _MOST_TILES if generation(model) < (3, 0) else tokens


def output_tokens(model: str, thinking: str | int | None, answer_tokens: float) -> float:
    """The output tokens that are likely billed for an answer of so many tokens, thoughts included."""
    if isinstance(thinking, int):
        return answer_tokens + thinking
    if thinking is None:  # the Lite models think only when asked to
        thinking = "minimal" if "lite" in model else "medium"
    return answer_tokens * _THOUGHTS[thinking]


def ignores_temperature(model: str) -> bool:
    """Whether temperature has no effect: from 3.5 on; it is deprecated since 2026-07-21."""
    return generation(model) >= (3, 5)


def is_same_model(asked: str, answered: str) -> bool:
    """Whether `answered` is the model that was asked, or a version of it: so that its price holds."""
    name, answered = asked.removeprefix("models/"), answered.removeprefix("models/")
    if answered == name:
        return True
    return answered.startswith(name) and bool(_VERSION.fullmatch(answered[len(name) :]))


def check(settings: Generate) -> None:
    """Refuse before the first image what the service would refuse for every image.

    Raises:
        InputError: the package cannot send a setting, or the model does not take it.
    """
    model, thinking = settings.model, settings.thinking
    if settings.sdk == "google-generativeai":
        _check_unsendable(settings)
    if settings.mode == "batch" and settings.service_tier == "flex":
        raise InputError(
            "params.yaml: generate.service_tier is flex, which batch mode has not (it costs half as it is); "
            "set it to standard"
        )
    if isinstance(thinking, str) and generation(model) < (3, 0):
        raise InputError(
            f"params.yaml: generate.thinking is {thinking}, but {model} takes no level; set it to a number "
            "of tokens (0: off) or null"
        )
    if thinking == "minimal" and is_same_model("gemini-3.8-flash", model):
        raise InputError(
            f"params.yaml: generate.thinking is minimal, which {model} refuses; its least is low"
        )


def _check_unsendable(settings: Generate) -> None:
    asked = {
        "thinking": settings.thinking is not None,
        "media_resolution": settings.media_resolution is not None,
        "service_tier": settings.service_tier != "standard",
        "mode": settings.mode == "batch",
    }
    given = [name for name, is_given in asked.items() if is_given]
    unsendable = [f"generate.{name} (is {getattr(settings, name)})" for name in given]
    if unsendable:
        raise InputError(
            f"params.yaml: generate.sdk is google-generativeai, which cannot send {', '.join(unsendable)}; "
            "set generate.sdk to google-genai, or thinking and media_resolution to null, service_tier to "
            "standard and mode to online"
        )


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

"""Requests → tokens and USD: what they should take, at most take, and took.

Prices come from the settings; the tokens of a picture and of thoughts from gemini_models.py.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from vqa.annotators.dispatcher import Request
from vqa.annotators.gemini_models import most_picture_tokens, output_tokens, picture_tokens
from vqa.annotators.ledger import Ledger
from vqa.foundation.errors import InputError
from vqa.settings import Generate

_ANSWER_TOKENS = 40  # a pair, as JSON with its type and difficulty
_CHARACTERS_A_TOKEN = 4
_FEWEST_CHARACTERS_A_TOKEN = 3  # where the estimate may not be too low


@dataclass(frozen=True)
class PriceChange:
    """USD per million tokens in and out, to the last day that they hold, and from the next on."""

    old: tuple[float, float]
    last_day: date
    new: tuple[float, float]


# https://ai.google.dev/gemini-api/docs/pricing, as of November 2026
PRICE_CHANGES = {"gemini-3.8-flash": PriceChange((0.75, 3.75), date(2026, 12, 31), (1.50, 7.50))}


def check_price(settings: Generate, today: date) -> None:
    """Stop before anything is paid by a price that has run out: the budget would hold half of the bill.

    Of Google's own service alone: who asks another address has other prices.

    Raises:
        InputError: params.yaml has the old price of the model; it names the new one.
    """
    said = settings.usd_per_million_input_tokens, settings.usd_per_million_output_tokens
    change = None if settings.api_endpoint else PRICE_CHANGES.get(settings.model)
    if change and today > change.last_day and (said[0] < change.new[0] or said[1] < change.new[1]):
        raise InputError(
            f"params.yaml: {said[0]:g} USD per million tokens in and {said[1]:g} out was {settings.model}'s "
            f"price until {change.last_day}; set usd_per_million_input_tokens to {change.new[0]:g} and "
            f"usd_per_million_output_tokens to {change.new[1]:g}"
        )


def usd_of(prompt_tokens: float, output_tokens: float, settings: Generate) -> float:
    """The price of these tokens; batch mode and flex cost half of what params.yaml says."""
    prompt = prompt_tokens * settings.usd_per_million_input_tokens
    usd = (prompt + output_tokens * settings.usd_per_million_output_tokens) / 1e6
    return usd / 2 if settings.mode == "batch" or settings.service_tier == "flex" else usd


def reckoned_usd(prompts: Iterable[str], settings: Generate) -> float:
    """What asking these prompts, each with a picture, should cost."""
    answer = _ANSWER_TOKENS * settings.questions_per_image
    output = min(output_tokens(settings.model, settings.thinking, answer), settings.max_output_tokens)
    picture = picture_tokens(settings.model, settings.media_resolution)
    return sum(usd_of(picture + len(prompt) / _CHARACTERS_A_TOKEN, output, settings) for prompt in prompts)


def most_prompt_tokens(requests: Sequence[Request], settings: Generate) -> float:
    """The most that one of these requests can hold, with a picture of at most 384 pixels a side."""
    longest = max((len(request.prompt) for request in requests), default=0)
    picture = picture_tokens(settings.model, settings.media_resolution)
    return picture + longest / _FEWEST_CHARACTERS_A_TOKEN


def most_usd(requests: Sequence[Request], settings: Generate) -> float:
    """The most that one of these requests can cost, thoughts included."""
    tiles = most_picture_tokens(settings.model, settings.media_resolution)
    tiles -= picture_tokens(settings.model, settings.media_resolution)
    return usd_of(most_prompt_tokens(requests, settings) + tiles, settings.max_output_tokens, settings)


def bill(requests: Sequence[Request], ledger: Ledger, settings: Generate) -> dict[str, Any]:
    """What those of `requests` in the ledger took: requests, attempts, tokens and USD, by model.

    `reckoned_usd` is what the same requests should have cost.
    """
    total, by_model, usd, reckoned = Counter[str](), Counter[str](), 0.0, 0.0
    for key, prompt in {request.key: request.prompt for request in requests}.items():  # two may share a key
        if entry := ledger.get(key):
            total.update(requests=1, retries=entry.attempts - 1)
            total.update(prompt_tokens=entry.prompt_tokens, output_tokens=entry.output_tokens)
            by_model[entry.model_answered] += 1
            usd += entry.usd
            reckoned += reckoned_usd([prompt], settings)
    names = ("requests", "retries", "prompt_tokens", "output_tokens")
    counts: dict[str, Any] = {name: total[name] for name in names}
    money = {"usd": round(usd, 6), "reckoned_usd": round(reckoned, 6)}
    return counts | money | {"by_model": dict(by_model.most_common())}


def projection(asked: dict[str, Any], prompts: Sequence[str], settings: Generate) -> str:
    """What all `prompts` would cost, as reckoned and corrected by the bill of those that were asked."""
    number, usd, reckoned = max(1, asked["requests"]), asked["usd"], asked["reckoned_usd"]
    in_all = reckoned_usd(prompts, settings)
    corrected = in_all * usd / reckoned if reckoned else in_all
    return (
        f"a picture was reckoned at {reckoned / number:.6f} USD and billed {usd / number:.6f}; "
        f"all {len(prompts)} pictures would cost about {corrected:.4f} USD"
    )

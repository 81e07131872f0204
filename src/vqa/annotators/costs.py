"""Requests → tokens and USD: the estimate, the maximum, and the actual bill.

Prices come from prices.py, the tokens of an image and of thoughts from gemini_models.py.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from vqa.annotators.gemini_models import (
    MOST_OUTPUT_TOKENS,
    image_tokens,
    most_image_tokens,
    output_tokens,
)
from vqa.annotators.ledger import Ledger
from vqa.annotators.prices import price_on
from vqa.annotators.scheduler import Request
from vqa.settings import Generate

_ANSWER_TOKENS = 40  # a pair, as JSON with its type and difficulty
_CHARACTERS_A_TOKEN = 4
_FEWEST_CHARACTERS_A_TOKEN = 3  # for an upper bound


def request_cost(
    prompt_tokens: float, output_tokens: float, settings: Generate, day: date | None = None
) -> float:
    """The price of these tokens on a day, by default today; batch mode and flex cost a share of it."""
    price = price_on(day or date.today(), settings)
    usd = (prompt_tokens * price.input + output_tokens * price.output) / 1e6
    if settings.mode == "batch":
        return usd * price.batch
    return usd * price.flex if settings.service_tier == "flex" else usd


def reckoned_usd(prompts: Iterable[str], settings: Generate, day: date | None = None) -> float:
    """The estimated cost of these prompts, each with an image, on a day, by default today."""
    answer = _ANSWER_TOKENS * settings.questions_per_image
    output = min(output_tokens(settings.model, settings.thinking, answer), MOST_OUTPUT_TOKENS)
    image = image_tokens(settings.model, settings.media_resolution)
    return sum(
        request_cost(image + len(prompt) / _CHARACTERS_A_TOKEN, output, settings, day) for prompt in prompts
    )


def most_prompt_tokens(requests: Sequence[Request], settings: Generate) -> float:
    """The most that one of these requests can hold, with an image of at most 384 pixels a side."""
    longest = max((len(request.prompt) for request in requests), default=0)
    image = image_tokens(settings.model, settings.media_resolution)
    return image + longest / _FEWEST_CHARACTERS_A_TOKEN


def most_usd(requests: Sequence[Request], settings: Generate) -> float:
    """The most that one of these requests can cost, thoughts included."""
    tiles = most_image_tokens(settings.model, settings.media_resolution)
    tiles -= image_tokens(settings.model, settings.media_resolution)
    return request_cost(most_prompt_tokens(requests, settings) + tiles, MOST_OUTPUT_TOKENS, settings)


def bill(requests: Sequence[Request], ledger: Ledger, settings: Generate) -> dict[str, Any]:
    """The bill of those `requests` that are in the ledger: requests, attempts, tokens and USD, by model.

    `reckoned_usd` is what the same requests should have cost.
    """
    total, by_model, usd, reckoned = Counter[str](), Counter[str](), 0.0, 0.0
    for key, prompt in {request.key: request.prompt for request in requests}.items():  # two may share a key
        if entry := ledger.get(key):
            total.update(requests=1, retries=entry.attempts - 1)
            total.update(prompt_tokens=entry.prompt_tokens, output_tokens=entry.output_tokens)
            by_model[entry.model_answered] += 1
            usd += entry.usd
            reckoned += reckoned_usd([prompt], settings, date.fromisoformat(entry.time[:10]))
    names = ("requests", "retries", "prompt_tokens", "output_tokens")
    counts: dict[str, Any] = {name: total[name] for name in names}
    money = {"usd": round(usd, 6), "reckoned_usd": round(reckoned, 6)}
    return counts | money | {"by_model": dict(by_model.most_common())}


def projection(asked: dict[str, Any], prompts: Sequence[str], settings: Generate) -> str:
    """What all `prompts` would cost: the estimate, corrected by the bill of those that were asked."""
    number, usd, reckoned = max(1, asked["requests"]), asked["usd"], asked["reckoned_usd"]
    in_all = reckoned_usd(prompts, settings)
    corrected = in_all * usd / reckoned if reckoned else in_all
    return (
        f"an image was reckoned at {reckoned / number:.6f} USD and billed {usd / number:.6f}; "
        f"all {len(prompts)} images would cost about {corrected:.4f} USD"
    )

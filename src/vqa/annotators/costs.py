"""Requests → tokens and USD: the estimate, the maximum, and the actual bill.

Prices and the tokens of an image and of thoughts come from gemini_models.py.

Responses and their cost: each is written into the ledger before anything else is done with it.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from tqdm import tqdm

from vqa.annotators.gemini_models import (
    MOST_OUTPUT_TOKENS,
    image_tokens,
    is_priced,
    is_same_model,
    most_image_tokens,
    output_tokens,
    price_on,
)
from vqa.annotators.ledger import Entry, Ledger
from vqa.annotators.prompt import LONGEST_TEXT, UnusableText, pairs_in
from vqa.annotators.scheduler import (
    ANSWERED,
    NOT_UNDERSTOOD,
    REFUSED,
    UNANSWERED,
    Request,
    Response,
    TryAgain,
)
from vqa.core.errors import InputError
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


LOST = "lost"  # a time-out or a broken connection, counted as paid; asked again
UNANSWERED_ONCE = "unanswered_once"  # in a whole run; asked again by the next one
# The service's decisions about content, which stand; of blocked prompts and of answers that it withheld.
_DECIDED = re.compile(
    "blocked_prompt.*|safety|recitation|blocklist|prohibited_content|spii|image_(safety|recitation|prohibited_content)"
)
_ALIKE = 20  # so many refusals in a row are not due to single images


def is_recorded(entry: Entry | None, retry: bool = False) -> bool:
    """Whether a request needs no asking; with `retry` only answers and decisions about content count."""
    if entry is None or entry.outcome in (LOST, UNANSWERED_ONCE):
        return False
    return not retry or is_usable(entry) or bool(_DECIDED.fullmatch(entry.outcome))


def is_usable(entry: Entry | None) -> bool:
    """Whether it is an answer that holds pairs."""
    if entry is None or entry.outcome != ANSWERED:
        return False
    try:
        return bool(pairs_in(entry.text, entry.image_name, ""))
    except UnusableText:
        return False


class CostTracker:
    """The ledger entries of one run. If a request is asked again, cost and attempts add up in its entry."""

    def __init__(self, ledger: Ledger, settings: Generate, requests: Sequence[Request]) -> None:
        self._ledger, self._settings = ledger, settings
        self._attempts: dict[str, int] = {}  # of earlier runs
        self._said: set[str] = set()
        self._in_a_row = 0
        self._problem = ""
        self.usd = 0.0  # of this run
        for request in requests:
            if entry := ledger.get(request.key):
                self._attempts[request.key] = entry.attempts
                self._compare(entry.model_asked, entry.model_answered)

    def holds(self, key: str, response: Response) -> bool:
        """Whether the ledger has a usable answer to the request, or this very response."""
        entry = self._ledger.get(key)
        if entry is None or is_usable(entry):
            return entry is not None
        if entry.outcome == ANSWERED and response.outcome != ANSWERED:
            return True
        is_like = (
            response.outcome in (UNANSWERED, entry.outcome) and response.prompt_tokens == entry.prompt_tokens
        )
        is_same_text = entry.outcome != ANSWERED or response.text[: LONGEST_TEXT + 1] == entry.text
        return is_like and is_same_text and response.finish_reason == entry.finish_reason

    def record(
        self, key: str, image_name: str, response: Response, seconds: float, attempts: int, model: str = ""
    ) -> float:
        """Record a response; returns its USD. `model`: the one asked, if the settings have changed since."""
        asked = model or self._settings.model
        priced = replace(self._settings, model=asked) if is_priced(asked, self._settings) else self._settings
        usd = request_cost(response.prompt_tokens, response.output_tokens, priced)
        self._write(key, image_name, response, asked, usd, seconds, attempts)
        if response.notice and response.notice not in self._said:
            self._said.add(response.notice)
            tqdm.write(f"Gemini: {response.notice}", file=sys.stderr)
        self._compare(asked, response.model or asked)
        self._count_refusals(response)
        return usd

    def record_lost(self, request: Request, reason: TryAgain, usd: float, attempts: int) -> float:
        """Record an attempt whose answer was lost but may be paid for, at the most that it can cost."""
        entry = self._ledger.get(request.key)
        outcome = entry.outcome if entry and entry.outcome in (UNANSWERED, UNANSWERED_ONCE) else LOST
        response = Response(outcome, reason.text, reason.reason, self._settings.model, 0, 0)
        self._write(request.key, request.image_name, response, self._settings.model, usd, 0.0, attempts)
        return usd

    def give_up(
        self, key: str, image_name: str, reason: str, attempts: int, is_of_image: bool = True
    ) -> bool:
        """Record a run without an answer. Returns whether that is final: an earlier run failed, too."""
        entry = self._ledger.get(key)
        failed_before = entry is not None and entry.outcome in (UNANSWERED, UNANSWERED_ONCE)
        if failed_before or is_of_image:
            outcome = UNANSWERED if failed_before else UNANSWERED_ONCE
            response = Response(outcome, entry.text if entry else "", reason, self._settings.model, 0, 0)
            self._write(key, image_name, response, self._settings.model, 0.0, 0.0, attempts)
        return failed_before

    def check(self) -> None:
        """Stop before the next request if it would be wrong or useless.

        Raises:
            InputError: another model answers, at another price; or everything is refused.
        """
        if self._problem:
            raise InputError(f"{self._problem}; what was answered is kept")

    def _compare(self, asked: str, answered: str) -> None:
        if not is_same_model(asked, answered):
            self._problem = (
                f"{asked} was asked, but {answered} answers, which may have another price; set "
                f"generate.model to {answered}, and where its price is not known generate.prices "
                "(https://ai.google.dev/gemini-api/docs/pricing)"
            )

    def _count_refusals(self, response: Response) -> None:
        is_alike = response.outcome in (REFUSED, NOT_UNDERSTOOD)
        self._in_a_row = self._in_a_row + 1 if is_alike else 0
        if self._in_a_row >= _ALIKE:
            reason = " ".join((response.finish_reason or response.text[:200]).split())
            self._problem = (
                f"the last {_ALIKE} images were all {response.outcome} ({reason}); look at generate.model "
                "and generate.api_endpoint, then run python src/generate.py --retry"
            )

    def _write(
        self,
        key: str,
        image_name: str,
        response: Response,
        asked: str,
        usd: float,
        seconds: float,
        attempts: int,
    ) -> None:
        before = self._ledger.get(key)
        entry = Entry(
            key=key,
            image_name=image_name,
            outcome=response.outcome,
            text=response.text[: LONGEST_TEXT + 1],  # one more than is ever read, so that it stays too long
            finish_reason=response.finish_reason,
            model_asked=asked,
            model_answered=response.model or asked,
            prompt_tokens=response.prompt_tokens,
            output_tokens=response.output_tokens,
            usd=usd + (before.usd if before else 0.0),
            seconds=round(seconds, 3),
            attempts=attempts + self._attempts.get(key, 0),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._ledger.append(entry)
        self.usd += usd

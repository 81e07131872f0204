"""Products → requests → settled answers → pairs. Knows the ledger and no vendor."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vqa.abo import Product, image_path
from vqa.annotators.batches import BatchClient, collect_finished, submit_missing
from vqa.annotators.prompt import LONGEST_TEXT, UnusableText, pairs_in, prompt_for
from vqa.asking import Asker, Limits, Progress, Reply, Request, TryAgain
from vqa.errors import InputError
from vqa.images import content_hash
from vqa.ledger import Entry, Jobs, Ledger
from vqa.pairs import Pair
from vqa.settings import Generate

_IMAGE_TOKENS = 300  # Gemini counts 258 for a picture of up to 384 pixels a side
_CHARACTERS_A_TOKEN = 3  # fewer than the usual 4, so that the estimate is never too low

Send = Callable[[Request], Reply]


def requests_for(products: Sequence[Product], root: Path, settings: Generate) -> list[Request]:
    """One request a product; its key changes with the picture, the prompt, the model and the settings."""
    requests = []
    for product in products:
        path = image_path(root, product.image_name)
        prompt = prompt_for(product, settings.questions_per_image)
        identity = [
            content_hash(path),
            prompt,
            settings.model,
            settings.temperature,
            settings.max_output_tokens,
        ]
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        requests.append(Request(key, product.image_name, path, prompt))
    return requests


def ask_missing(requests: Sequence[Request], ledger: Ledger, send: Send, settings: Generate) -> Progress:
    """Ask what the ledger does not hold, within the limits of `settings`; every answer goes there first.

    Raises:
        InputError: the service refuses for good, or some requests stayed unanswered; nothing paid is lost.
    """
    # By key: two products may have the same picture and the same listing text.
    missing = list({r.key: r for r in requests if ledger.get(r.key) is None}.values())
    spent = 0.0

    with tqdm(total=len(missing), unit="image", desc="asking", disable=not missing) as bar:

        def settle(request: Request, reply: Reply, seconds: float, attempts: int) -> float:
            nonlocal spent
            key, image_name = request.key, request.image_name
            entry = _entry(key, image_name, settings.model, reply, seconds, attempts, settings)
            ledger.append(entry)
            spent += entry.usd
            bar.set_postfix(usd=f"{spent:.4f}", refresh=False)
            bar.update()
            return entry.usd

        progress = Asker(send, settle, _limits(missing, settings)).ask(missing)
    if progress.unanswered:
        name, reason = next(iter(progress.unanswered.items()))
        raise InputError(
            f"{len(progress.unanswered)} of {len(missing)} requests were not answered in "
            f"{settings.max_attempts} attempts (first: {name}, {reason}); what was answered is kept, "
            "run the same command again to ask for the rest"
        )
    if progress.stopped_by:
        left = len(missing) - progress.settled
        print(f"stopped by {progress.stopped_by}: {left} of {len(requests)} pictures were not asked about")
    return progress


def ask_in_batches(
    requests: Sequence[Request], ledger: Ledger, jobs: Jobs, client: BatchClient, settings: Generate
) -> None:
    """Collect finished jobs and submit what is missing.

    Raises:
        InputError: jobs are still under way; the next run collects them.
    """

    def settle(key: str, image_name: str, model: str, reply: Reply) -> None:
        if ledger.get(key) is None:
            ledger.append(_entry(key, image_name, model or settings.model, reply, 0.0, 1, settings))

    try:
        collect_finished(jobs, client, settle)
        limits = _limits(requests, settings)
        left_out = submit_missing(jobs, requests, ledger, client, limits, settings.model)
    except TryAgain as error:
        raise InputError(
            f"Gemini's batch service could not be reached ({error.reason}); run the same command again"
        ) from error
    if left_out:
        print(f"stopped by generate.max_cost_usd or generate.max_requests: {left_out} pictures not submitted")
    under_way = jobs.holding([request.key for request in requests if request.key not in ledger])
    if under_way:
        raise InputError(
            f"{sum(len(job.keys) for job in under_way)} requests are under way in {len(under_way)} batch "
            f"jobs ({', '.join(str(job.name) for job in under_way)}); run the same command again to "
            "collect them"
        )


def pairs_answered(
    requests: Sequence[Request], ledger: Ledger, source: str
) -> tuple[list[Pair], dict[str, int]]:
    """The pairs of every settled request in the requests' order, and outcomes by reason."""
    pairs: list[Pair] = []
    outcomes: Counter[str] = Counter()
    for request in requests:
        entry = ledger.get(request.key)
        outcome = entry.outcome if entry else "not_asked"
        if entry and outcome == "answered":
            try:
                pairs += pairs_in(entry.text, request.image_name, source)
            except UnusableText as error:
                outcome = error.reason
        outcomes[outcome] += 1
    return pairs, dict(outcomes.most_common())


def bill(requests: Sequence[Request], ledger: Ledger) -> dict[str, Any]:
    """What the settled ones among `requests` took: requests, attempts, tokens and USD, by model."""
    total, by_model, usd = Counter[str](), Counter[str](), 0.0
    for key in dict.fromkeys(request.key for request in requests):  # two products may share a key
        if entry := ledger.get(key):
            total.update(requests=1, retries=entry.attempts - 1)
            total.update(prompt_tokens=entry.prompt_tokens, output_tokens=entry.output_tokens)
            by_model[entry.model_answered] += 1
            usd += entry.usd
    names = ("requests", "retries", "prompt_tokens", "output_tokens")
    counts: dict[str, Any] = {name: total[name] for name in names}
    return counts | {"usd": round(usd, 6), "by_model": dict(by_model.most_common())}


def _entry(
    key: str, image_name: str, model: str, reply: Reply, seconds: float, attempts: int, settings: Generate
) -> Entry:
    return Entry(
        key=key,
        image_name=image_name,
        outcome=reply.outcome,
        text=reply.text[: LONGEST_TEXT + 1],  # one more than is ever read, so that it stays too long
        finish_reason=reply.finish_reason,
        model_asked=model,
        model_answered=reply.model,
        prompt_tokens=reply.prompt_tokens,
        output_tokens=reply.output_tokens,
        usd=_usd(reply.prompt_tokens, reply.output_tokens, settings),
        seconds=round(seconds, 3),
        attempts=attempts,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _limits(missing: Sequence[Request], settings: Generate) -> Limits:
    """The settings, and the most that one of these requests can take."""
    longest = max((len(request.prompt) for request in missing), default=0)
    prompt_tokens = _IMAGE_TOKENS + longest / _CHARACTERS_A_TOKEN
    return Limits(
        concurrency=settings.concurrency,
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        max_attempts=settings.max_attempts,
        max_requests=settings.max_requests,
        max_usd=settings.max_cost_usd,
        usd_per_request=_usd(prompt_tokens, settings.max_output_tokens, settings),
        tokens_per_request=prompt_tokens,
    )


def _usd(prompt_tokens: float, output_tokens: float, settings: Generate) -> float:
    prompt = prompt_tokens * settings.usd_per_million_input_tokens
    return (prompt + output_tokens * settings.usd_per_million_output_tokens) / 1e6

"""Products → requests → recorded answers → pairs. It uses the ledger, and no vendor's protocol."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vqa.annotators.batches import BatchClient, collect_finished, submit_missing
from vqa.annotators.costs import (
    CostTracker,
    is_recorded,
    is_usable,
    most_prompt_tokens,
    most_usd,
    reckoned_usd,
)
from vqa.annotators.gemini_models import MOST_OUTPUT_TOKENS, TEMPERATURE
from vqa.annotators.ledger import Job, Jobs, Ledger
from vqa.annotators.prompt import UnusableText, build_prompt, pairs_in
from vqa.annotators.scheduler import (
    ANSWERED,
    UNANSWERED,
    Dispatcher,
    Limits,
    Progress,
    Request,
    Response,
    TryAgain,
)
from vqa.catalogue.abo import Product, image_path
from vqa.core.errors import InputError
from vqa.core.files import content_hash
from vqa.core.progress import progress_bar
from vqa.pairs.pair import Pair
from vqa.settings import Generate

_SURELY_OF_IMAGES = 20  # so few failures are due to images, if other requests were answered

_LONG_WAIT = 5.0  # seconds; a longer wait is shown in the progress bar

Send = Callable[[Request], Response]


def build_requests(products: Sequence[Product], root: Path, settings: Generate) -> list[Request]:
    """One request a product; its key changes with the image, the prompt, the model and the settings."""
    return [
        build_request(
            product.image_name,
            image_path(root, product.image_name),
            build_prompt(product, settings.questions_per_image),
            settings,
        )
        for product in products
    ]


def build_request(image_name: str, path: Path | None, prompt: str, settings: Generate) -> Request:
    """A request about an image; without a `path` the image is not sent."""
    # Null settings are left out, so that answers from before these settings existed are found.
    more = {"media_resolution": settings.media_resolution, "thinking": settings.thinking}
    given = {name: value for name, value in more.items() if value is not None}
    identity: list[Any] = [
        content_hash(path) if path else None,
        prompt,
        settings.model,
        TEMPERATURE,
        MOST_OUTPUT_TOKENS,
        *([given] if given else []),
    ]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    return Request(key, image_name, path, prompt)


def unrecorded(requests: Sequence[Request], ledger: Ledger, retry: bool = False) -> list[Request]:
    """The requests still to be asked, each key once: two products may have the same image and listing text.

    `retry`: also requests that gave no pair, except the service's decisions on content (safety, recitation).
    """
    by_key = {request.key: request for request in requests}
    return [request for key, request in by_key.items() if not is_recorded(ledger.get(key), retry)]


def ask_missing(
    requests: Sequence[Request],
    ledger: Ledger,
    send: Send,
    settings: Generate,
    retry: bool = False,
    reserved: float = 0.0,
) -> Progress:
    """Ask what the ledger does not hold, within the limits of `settings`; every answer goes there first.

    `reserved`: USD of the budget that requests under way may still cost.

    Raises:
        InputError: the service refuses for good, another model answers than was asked, or some requests
            stayed unanswered for the first time; nothing paid is lost.
    """
    missing = unrecorded(requests, ledger, retry)
    account = CostTracker(ledger, settings, requests)
    if missing:
        account.check()
        _announce(missing, ledger, settings)

    with progress_bar(len(missing), "image", "asking", is_shown=bool(missing)) as bar:

        def record(request: Request, response: Response, seconds: float, attempts: int) -> float:
            usd = account.record(request.key, request.image_name, response, seconds, attempts)
            bar.set_postfix(usd=f"{account.usd:.4f}", refresh=False)
            bar.update()
            account.check()
            return usd

        def retry_later(request: Request, reason: TryAgain, attempts: int) -> float:
            if reason.wait and reason.wait >= _LONG_WAIT:
                bar.set_postfix_str(f"waiting {reason.wait:.0f} s: {reason.reason[:60]}")
            if not reason.may_be_paid:
                return 0.0
            return account.record_lost(request, reason, most_usd([request], settings), attempts)

        progress = Dispatcher(send, record, retry_later, _limits(missing, ledger, settings, reserved)).ask(
            missing
        )
    _give_up(progress, account, len(missing), settings)
    if progress.stopped_by:
        left = len(missing) - progress.recorded - len(progress.unanswered)
        print(f"stopped by {progress.stopped_by}: {left} of {len(requests)} images were not asked about")
    return progress


def ask_in_batches(
    requests: Sequence[Request],
    ledger: Ledger,
    jobs: Jobs,
    client: BatchClient,
    settings: Generate,
    client_of: Callable[[Generate], Send],
    retry: bool = False,
) -> None:
    """Collect finished jobs and submit what is missing; what a cancelled job held is asked by flex, at once.

    `client_of`: makes a `Send` for other settings.

    Raises:
        InputError: jobs are still under way, and the next run collects them; or as `ask_missing`.
    """
    account = CostTracker(ledger, settings, requests)

    def record(key: str, image_name: str, model: str, response: Response) -> None:
        if account.holds(key, response):  # an earlier run died while it collected this job
            return
        if response.outcome == UNANSWERED:
            account.give_up(key, image_name, response.finish_reason, attempts=1)
        else:
            account.record(key, image_name, response, 0.0, 1, model)

    problems = collect_finished(jobs, client, record, settings.batch_hours)
    try:
        missing = unrecorded(requests, ledger, retry)
        if missing:
            account.check()
        late = [request for request in missing if request.key in jobs.cancelled()]
        others = [request for request in missing if request.key not in jobs.cancelled()]
        limits = _limits(missing, ledger, settings)
        left_out = submit_missing(jobs, others, client, record, limits, settings.model)
    except TryAgain as error:
        sentence = f"Gemini's batch service could not be reached ({error.reason}); run the same command again"
        raise InputError(sentence) from error
    if left_out:
        print(f"stopped by generate.max_cost_usd or generate.max_requests: {left_out} images not submitted")
    if late:
        by_flex = replace(settings, mode="online", service_tier="flex")
        reserved = most_usd(requests, settings) * sum(len(job.keys) for job in jobs.open())
        ask_missing(late, ledger, client_of(by_flex), by_flex, retry, reserved)
    _check_none_is_open(under_way(requests, ledger, jobs), problems)


def _check_none_is_open(open_jobs: Sequence[Job], problems: dict[str, str]) -> None:
    """Print what kept jobs of other experiments from being collected (`problems`, by label).

    Raises:
        InputError: jobs of ours are under way, or cannot be collected.
    """
    here = [problems.pop(job.label) for job in open_jobs if job.label in problems]
    for problem in problems.values():
        print(problem, file=sys.stderr)
    if here:
        raise InputError(here[0] + (f" (and {len(here) - 1} more such jobs)" if here[1:] else ""))
    if open_jobs:
        names = ", ".join(str(job.name) for job in open_jobs)
        raise InputError(
            f"{sum(len(job.keys) for job in open_jobs)} requests are under way in {len(open_jobs)} batch "
            f"jobs ({names}); run the same command again to collect them"
        )


def under_way(requests: Sequence[Request], ledger: Ledger, jobs: Jobs) -> list[Job]:
    """Jobs that will answer some of `requests`; those of other experiments hold nothing up."""
    if not jobs.open():
        return []
    return jobs.holding({request.key for request in requests if not is_usable(ledger.get(request.key))})


def pairs_answered(
    requests: Sequence[Request], ledger: Ledger, source: str
) -> tuple[list[Pair], dict[str, int]]:
    """The pairs of every settled request in the requests' order, and outcomes by reason."""
    pairs: list[Pair] = []
    outcomes: Counter[str] = Counter()
    for request in requests:
        entry = ledger.get(request.key)
        outcome = entry.outcome if entry else "not_asked"
        if entry and outcome == ANSWERED:
            try:
                pairs += pairs_in(entry.text, request.image_name, source)
            except UnusableText as error:
                outcome = error.reason
        outcomes[outcome] += 1
    return pairs, dict(outcomes.most_common())


def _announce(missing: Sequence[Request], ledger: Ledger, settings: Generate) -> None:
    usd = reckoned_usd((request.prompt for request in missing), settings)
    print(
        f"asking {settings.model} about {len(missing)} images: about {usd:.4f} USD; "
        f"{ledger.usd:.4f} of generate.max_cost_usd ({settings.max_cost_usd}) are spent"
    )


def _give_up(progress: Progress, account: CostTracker, asked: int, settings: Generate) -> None:
    """Record what the service failed to answer; raises if the next run is to try again."""
    # If most requests failed, the service is the cause, and no failure counts against an image.
    is_few = len(progress.unanswered) <= max(_SURELY_OF_IMAGES, progress.responses)
    is_of_images = is_few and progress.responses > 0
    again = {
        request.image_name: reason
        for request, reason in progress.unanswered.items()
        if not (
            progress.is_reached
            and account.give_up(request.key, request.image_name, reason, settings.max_attempts, is_of_images)
        )
    }
    if progress.outage:
        raise InputError(progress.outage)
    if again:
        name, reason = next(iter(again.items()))
        then = f": what fails then too becomes outcome {UNANSWERED!r} and holds up nothing"
        then = then if is_of_images else ""
        raise InputError(
            f"{len(again)} of {asked} requests were not answered in {settings.max_attempts} attempts "
            f"(first: {name}, {reason}); what was answered is kept, run the same command again to ask for "
            f"the rest{then}"
        )


def _limits(missing: Sequence[Request], ledger: Ledger, settings: Generate, reserved: float = 0.0) -> Limits:
    """The settings, what is left of the budget, and the most that one of these requests can take."""
    return Limits(
        concurrency=settings.concurrency,
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        max_attempts=settings.max_attempts,
        max_requests=settings.max_requests,
        max_usd=settings.max_cost_usd - ledger.usd - reserved,
        usd_per_request=most_usd(missing, settings),
        tokens_per_request=most_prompt_tokens(missing, settings),
    )

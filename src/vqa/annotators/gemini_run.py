"""A run of asking Gemini: open ledger and jobs, ask for what is missing, one by one or in batches."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from vqa.annotators import paid_requests
from vqa.annotators.costs import check_price, projection
from vqa.annotators.dispatcher import Request
from vqa.annotators.gemini import PAIRS_SCHEMA, api_key, client_for
from vqa.annotators.gemini_jobs import GeminiJobs
from vqa.annotators.ledger import Jobs, Ledger
from vqa.annotators.prompt import prompt_for
from vqa.catalogue.abo import Product
from vqa.foundation.durable import durable_folder
from vqa.foundation.errors import InputError
from vqa.pairs.pair import Pair
from vqa.settings import Generate


def jobs_beside(ledger_copy: Path) -> Jobs:
    """The batch jobs under way; they were kept beside DVC's copy of the ledger before .durable."""
    old = old_jobs(ledger_copy)
    return Jobs(durable_folder("ledger") / old.name, old)


def old_jobs(ledger_copy: Path) -> Path:
    """Where jobs were kept before .durable."""
    return ledger_copy.with_name("jobs.jsonl")


def ask(
    requests: Sequence[Request],
    ledger_copy: Path,
    settings: Generate,
    retry: bool = False,
    schema: dict[str, Any] = PAIRS_SCHEMA,
    today: date | None = None,
) -> Ledger:
    """The ledger, after asking for what it does not hold; `ledger_copy`: what DVC versions of it.

    Raises:
        InputError: there is no key, the price has run out, jobs are under way that this mode does not
            collect, or as `paid_requests` says; nothing paid is lost.
    """
    key = api_key()
    check_price(settings, today or date.today())
    ledger, jobs = Ledger(durable_folder("ledger") / ledger_copy.name, ledger_copy), jobs_beside(ledger_copy)
    print(f"{len(ledger)} paid answers are in {durable_folder('ledger')}")
    if jobs.open() or paid_requests.unsettled(requests, ledger, retry):
        ledger.claim()  # before anything is paid for; what another run has bought until now is here then
        jobs.claim()
    if settings.mode == "batch":
        batches = GeminiJobs(settings, key, schema)
        paid_requests.ask_in_batches(requests, ledger, jobs, batches, settings, retry)
    elif under_way := paid_requests.under_way(requests, ledger, jobs):
        raise InputError(
            f"{len(under_way)} batch jobs are under way and paid for; set generate.mode to batch in "
            "params.yaml and run again to collect them, or give them up with --forget "
            f"({', '.join(job.name or job.label for job in under_way)})"
        )
    else:
        paid_requests.ask_missing(requests, ledger, client_for(settings, key, schema).send, settings, retry)
    return ledger


def write_copy(ledger_copy: Path, ledger: Ledger | None, requests: Sequence[Request]) -> None:
    """Leave DVC its out: what the ledger holds, and these requests; an empty one where nothing is asked."""
    if ledger is not None:
        ledger.write_copy(request.key for request in requests)
        old_jobs(ledger_copy).unlink(missing_ok=True)
    elif not ledger_copy.exists():
        ledger_copy.parent.mkdir(parents=True, exist_ok=True)
        ledger_copy.touch()


def preview(
    pairs: Sequence[Pair], asked: Mapping[str, Any], products: Sequence[Product], settings: Generate
) -> Iterator[str]:
    """Lines: the previewed pairs, what they came to (`asked`: outcomes and bill), what all would cost."""
    for pair in pairs:
        yield f"{pair.image_name}  {pair.question}  →  {pair.answer}  [{pair.question_type}]"
    bill = asked["bill"]
    prompts = [prompt_for(product, settings.questions_per_image) for product in products]
    yield f"outcomes {asked['outcomes']}, spent {bill['usd']:.6f} USD on {bill['requests']} pictures"
    yield projection(bill, prompts, settings)

"""One run that asks Gemini: open ledger and jobs, and ask what is missing, one by one or in batches."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from vqa.annotators import paid_requests
from vqa.annotators.costs import projection
from vqa.annotators.gemini import PAIRS_SCHEMA, api_key, build_client
from vqa.annotators.gemini_batch import GeminiJobs
from vqa.annotators.gemini_models import check_price, price_on
from vqa.annotators.ledger import Jobs, Ledger
from vqa.annotators.prompt import build_prompt
from vqa.annotators.scheduler import Request
from vqa.catalogue.abo import Product
from vqa.core.errors import InputError
from vqa.core.state_dir import state_folder
from vqa.pairs.pair import Pair
from vqa.settings import Generate


def jobs_next_to(ledger_copy: Path) -> Jobs:
    """The batch jobs under way; before .state existed they were kept beside DVC's copy of the ledger."""
    old = old_jobs(ledger_copy)
    return Jobs(state_folder("ledger") / old.name, old)


def old_jobs(ledger_copy: Path) -> Path:
    """Where jobs were kept before .state existed."""
    return ledger_copy.with_name("jobs.jsonl")


def ask(
    requests: Sequence[Request],
    ledger_copy: Path,
    settings: Generate,
    retry: bool = False,
    schema: dict[str, Any] = PAIRS_SCHEMA,
    today: date | None = None,
) -> Ledger:
    """Ask what the ledger does not hold, and return it; `ledger_copy`: the copy that DVC versions.

    Raises:
        InputError: there is no key, the price is not known or has run out, jobs are under way that
            this mode does not collect, or as `paid_requests` says; nothing paid is lost.
    """
    key = api_key()
    price_on(
        today or date.today(), settings
    )  # of what is in the ledger too: the bill says what it should cost
    ledger, jobs = Ledger(state_folder("ledger") / ledger_copy.name, ledger_copy), jobs_next_to(ledger_copy)
    print(f"{len(ledger)} paid answers are in {state_folder('ledger')}")
    if jobs.open() or paid_requests.unrecorded(requests, ledger, retry):
        check_price(settings, today or date.today())
        ledger.claim()  # before anything is paid for; this also reads what another run has bought until now
        jobs.claim()
    if settings.mode == "batch":
        batches = GeminiJobs(settings, key, schema)
        paid_requests.ask_in_batches(
            requests, ledger, jobs, batches, settings, lambda by: build_client(by, key, schema).send, retry
        )
    elif under_way := paid_requests.under_way(requests, ledger, jobs):
        raise InputError(
            f"{len(under_way)} batch jobs are under way and paid for; set generate.mode to batch in "
            "params.yaml and run again to collect them, or give them up with --forget "
            f"({', '.join(job.name or job.label for job in under_way)})"
        )
    else:
        paid_requests.ask_missing(requests, ledger, build_client(settings, key, schema).send, settings, retry)
    return ledger


def write_copy(ledger_copy: Path, ledger: Ledger | None, requests: Sequence[Request]) -> None:
    """Write the copy that DVC versions, with these requests; an empty one if nothing was asked."""
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
    prompts = [build_prompt(product, settings.questions_per_image) for product in products]
    yield f"outcomes {asked['outcomes']}, spent {bill['usd']:.6f} USD on {bill['requests']} images"
    yield projection(bill, prompts, settings)

"""Ask about every picture: products → pairs.

    python src/generate.py
    python src/generate.py --preview 5      # ask about five pictures, show their pairs and the bill for all
    python src/generate.py --retry          # ask again all that gave no pair, but for safety and the like
    python src/generate.py --forget JOB     # give a batch job up that cannot be collected any more

In: the catalogue at data.root (ABO's layout), or generate.csv. Out: data/vqa/generated.csv,
metrics/generate.json and data/ledger, the answers that they were made of. Every answer that was paid for
lies in .durable/ledger, which no checkout reaches: a request in it is never sent again. The metadata and
csv annotators cost nothing; Gemini about 0.0005 USD a picture.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vqa.annotators import costs, csv_file, metadata, paid_requests, prompt
from vqa.annotators.batch_jobs import give_up
from vqa.annotators.dispatcher import Request
from vqa.annotators.gemini import api_key, client_for
from vqa.annotators.gemini_jobs import GeminiJobs
from vqa.annotators.ledger import Jobs, Ledger
from vqa.catalogue import abo
from vqa.foundation.durable import durable_folder
from vqa.foundation.errors import InputError, run_command
from vqa.foundation.files import write_json
from vqa.pairs.pair import Pair, write_pairs
from vqa.settings import Settings, load_settings

GENERATED = Path("data/vqa/generated.csv")
LEDGER = Path("data/ledger/ledger.jsonl")  # the copy that DVC versions
OLD_JOBS = LEDGER.with_name("jobs.jsonl")  # where batch jobs were kept before .durable
METRICS = Path("metrics/generate.json")


def run(preview: int | None = None, retry: bool = False, forget: str | None = None) -> None:
    """Make the pairs; `preview`: only show those of so many, and the bill; `forget`: give a job up."""
    if forget:
        print(give_up(Jobs(durable_folder("ledger") / OLD_JOBS.name, OLD_JOBS), forget))
        return
    settings = load_settings()
    if (preview or retry) and settings.generate.annotator != "gemini":
        raise InputError("--preview and --retry ask Gemini; params.yaml: generate.annotator is not gemini")
    metrics: dict[str, Any] = {"annotator": settings.generate.annotator}
    ledger, requests = None, list[Request]()
    if settings.generate.annotator == "csv":
        pairs, lines = csv_file.pairs_from(settings.generate.csv, lambda: abo.image_names(settings.data.root))
        metrics["lines"] = asdict(lines)
    else:
        products, metrics["listings_left_out"] = _products(settings)
        if settings.generate.annotator == "metadata":
            pairs = _from_attributes(products, settings)
        else:
            requests = paid_requests.requests_for(products[:preview], settings.data.root, settings.generate)
            ledger = _ask_missing(requests, settings, retry)
            pairs, outcomes = paid_requests.pairs_answered(requests, ledger, settings.generate.model)
            metrics |= {"outcomes": outcomes, "bill": costs.bill(requests, ledger, settings.generate)}
            if preview:
                _show(pairs, metrics, products, settings)
                return
    if not pairs:
        raise InputError(f"{settings.data.root} gave no pair ({metrics})")
    metrics["images"] = len({pair.image_name for pair in pairs})
    metrics["pairs"] = len(pairs)
    metrics["by_type"] = dict(Counter(pair.question_type or "not given" for pair in pairs).most_common())
    if ledger is not None:
        ledger.write_copy(request.key for request in requests)
        OLD_JOBS.unlink(missing_ok=True)
    elif not LEDGER.exists():  # DVC wants every out, also where nothing was asked
        LEDGER.parent.mkdir(parents=True, exist_ok=True)
        LEDGER.touch()
    write_pairs(GENERATED, pairs)
    write_json(METRICS, metrics)
    print(f"wrote {len(pairs)} pairs to {GENERATED}")


def _products(settings: Settings) -> tuple[list[abo.Product], dict[str, int]]:
    """The sample to ask about, and how many listings were left out by reason."""
    catalogue = abo.read_catalogue(
        settings.data.root, settings.generate.languages, settings.generate.max_listings_per_image
    )
    products = abo.sample(catalogue.products, settings.generate.images, settings.generate.seed)
    if not products:
        raise InputError(
            f"{settings.data.root} holds no product with a usable picture (listings left out: "
            f"{catalogue.left_out})"
        )
    return products, catalogue.left_out


def _from_attributes(products: Sequence[abo.Product], settings: Settings) -> list[Pair]:
    most, seed = settings.generate.questions_per_image, settings.generate.seed
    return [pair for product in products for pair in metadata.pairs_for(product, most, seed)]


def _ask_missing(requests: Sequence[Request], settings: Settings, retry: bool) -> Ledger:
    """The ledger, after asking for what it does not hold."""
    key, durable = api_key(), durable_folder("ledger")
    ledger, jobs = Ledger(durable / LEDGER.name, LEDGER), Jobs(durable / OLD_JOBS.name, OLD_JOBS)
    print(f"{len(ledger)} paid answers are in {durable}")
    if jobs.open() or paid_requests.unsettled(requests, ledger, retry):
        ledger.claim()  # before anything is paid for; what another run has bought until now is here then
        jobs.claim()
    if settings.generate.mode == "batch":
        batches = GeminiJobs(settings.generate, key)
        paid_requests.ask_in_batches(requests, ledger, jobs, batches, settings.generate, retry)
    elif under_way := paid_requests.under_way(requests, ledger, jobs):
        raise InputError(
            f"{len(under_way)} batch jobs are under way and paid for; set generate.mode to batch in "
            "params.yaml and run again to collect them, or give them up with --forget "
            f"({', '.join(job.name or job.label for job in under_way)})"
        )
    else:
        client = client_for(settings.generate, key)
        paid_requests.ask_missing(requests, ledger, client.send, settings.generate, retry)
    return ledger


def _show(
    pairs: Sequence[Pair], asked: dict[str, Any], products: Sequence[abo.Product], settings: Settings
) -> None:
    """Print the previewed pairs and what all pictures would cost."""
    for pair in pairs:
        print(f"{pair.image_name}  {pair.question}  →  {pair.answer}  [{pair.question_type}]")
    bill = asked["bill"]
    prompts = [prompt.prompt_for(product, settings.generate.questions_per_image) for product in products]
    print(f"outcomes {asked['outcomes']}, spent {bill['usd']:.6f} USD on {bill['requests']} pictures")
    print(costs.projection(bill, prompts, settings.generate))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preview", type=int, metavar="N", help="ask about N pictures and project the bill")
    parser.add_argument("--retry", action="store_true", help="ask again what gave no pair, but for safety")
    parser.add_argument("--forget", metavar="JOB", help="give up a batch job that cannot be collected")
    arguments = parser.parse_args()
    if arguments.preview is not None and arguments.preview < 1:
        parser.error("--preview needs a number of pictures, 1 or more")
    run_command(lambda: run(arguments.preview, arguments.retry, arguments.forget))


if __name__ == "__main__":
    main()

"""Ask about every picture: products → pairs.

    python src/generate.py
    python src/generate.py --preview 5      # ask about five pictures, show their pairs and the bill for all
    python src/generate.py --retry          # ask again what the service failed, refused or garbled

In: the catalogue at data.root (ABO's layout), or generate.csv. Out: data/vqa/generated.csv,
metrics/generate.json and data/ledger, which holds every answer that was paid for: a request in it is never
sent again. The metadata and csv annotators cost nothing; Gemini about 0.0005 USD a picture.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqa import abo
from vqa.annotators import costs, csv, metadata, prompt, questioning
from vqa.annotators.gemini import api_key, client_for
from vqa.annotators.gemini_jobs import GeminiJobs
from vqa.errors import InputError, run_command
from vqa.files import write_json
from vqa.ledger import Jobs, Ledger
from vqa.pairs import Pair, write_pairs
from vqa.settings import Settings, load_settings

GENERATED = Path("data/vqa/generated.csv")
LEDGER = Path("data/ledger/ledger.jsonl")
METRICS = Path("metrics/generate.json")


def run(preview: int | None = None, retry: bool = False) -> None:
    """Make the pairs; with `preview` only show those of that many pictures, and the bill."""
    settings = load_settings()
    if (preview or retry) and settings.generate.annotator != "gemini":
        raise InputError("--preview and --retry ask Gemini; params.yaml: generate.annotator is not gemini")
    metrics: dict[str, Any] = {"annotator": settings.generate.annotator}
    if settings.generate.annotator == "csv":
        pairs = csv.pairs_from(settings.generate.csv, lambda: abo.image_names(settings.data.root))
    else:
        products, metrics["listings_left_out"] = _products(settings)
        if settings.generate.annotator == "metadata":
            pairs = _from_attributes(products, settings)
        else:
            pairs, asked = _from_gemini(products[:preview], settings, retry)
            metrics |= asked
            if preview:
                _show(pairs, asked, products, settings)
                return
    if not pairs:
        raise InputError(f"{settings.data.root} gave no pair ({metrics})")
    metrics["images"] = len({pair.image_name for pair in pairs})
    metrics["pairs"] = len(pairs)
    metrics["by_type"] = dict(Counter(pair.question_type or "not given" for pair in pairs).most_common())
    LEDGER.parent.mkdir(parents=True, exist_ok=True)
    LEDGER.touch()  # DVC wants every out, also where nothing was asked
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


def _from_gemini(
    products: Sequence[abo.Product], settings: Settings, retry: bool
) -> tuple[list[Pair], dict[str, Any]]:
    """Ask for what the ledger does not hold; the pairs, with outcomes and bill."""
    key = api_key()
    ledger = Ledger(LEDGER)
    requests = questioning.requests_for(products, settings.data.root, settings.generate)
    jobs = Jobs(LEDGER.with_name("jobs.jsonl"))
    if settings.generate.mode == "batch":
        batches = GeminiJobs(settings.generate, key)
        questioning.ask_in_batches(requests, ledger, jobs, batches, settings.generate, retry)
    elif jobs.open():
        raise InputError(
            f"{len(jobs.open())} batch jobs are under way and paid for; set generate.mode to batch in "
            "params.yaml and run again to collect them"
        )
    else:
        send = client_for(settings.generate, key).send
        questioning.ask_missing(requests, ledger, send, settings.generate, retry)
    pairs, outcomes = questioning.pairs_answered(requests, ledger, settings.generate.model)
    return pairs, {"outcomes": outcomes, "bill": costs.bill(requests, ledger, settings.generate)}


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
    parser.add_argument("--retry", action="store_true", help="ask again what failed or was refused before")
    arguments = parser.parse_args()
    if arguments.preview is not None and arguments.preview < 1:
        parser.error("--preview needs a number of pictures, 1 or more")
    run_command(lambda: run(arguments.preview, arguments.retry))


if __name__ == "__main__":
    main()

"""Ask about every picture: products → pairs.

    python src/generate.py
    python src/generate.py --preview 5      # ask about five pictures, show their pairs and the bill for all

In: the catalogue at data.root (ABO's layout), or generate.csv. Out: data/vqa/generated.csv,
metrics/generate.json and data/ledger, the answers that they were made of. Every answer that was paid for
lies in .durable/ledger, which no checkout reaches: a request in it is never sent again. The metadata and
csv annotators cost nothing; Gemini about 0.0003 USD a picture.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqa import abo
from vqa.annotators import csv, metadata, questioning
from vqa.annotators.gemini import api_key, batch_client, client_for
from vqa.asking import Request
from vqa.durable import durable_folder
from vqa.errors import InputError, run_command
from vqa.files import write_json
from vqa.ledger import Jobs, Ledger
from vqa.pairs import Pair, write_pairs
from vqa.settings import Settings, load_settings

GENERATED = Path("data/vqa/generated.csv")
LEDGER = Path("data/ledger/ledger.jsonl")  # the copy that DVC versions
OLD_JOBS = LEDGER.with_name("jobs.jsonl")  # where batch jobs were kept before .durable
METRICS = Path("metrics/generate.json")


def run(preview: int | None = None) -> None:
    """Make the pairs; with `preview` only show those of that many pictures, and the bill."""
    settings = load_settings()
    if preview is not None and settings.generate.annotator != "gemini":
        raise InputError(
            "--preview shows what Gemini would write; params.yaml: generate.annotator is not gemini"
        )
    metrics: dict[str, Any] = {"annotator": settings.generate.annotator}
    ledger, requests = None, list[Request]()
    if settings.generate.annotator == "csv":
        pairs = csv.pairs_from(settings.generate.csv, lambda: abo.image_names(settings.data.root))
    else:
        products, metrics["listings_left_out"] = _products(settings)
        if settings.generate.annotator == "metadata":
            pairs = _from_attributes(products, settings)
        else:
            requests = questioning.requests_for(products[:preview], settings.data.root, settings.generate)
            ledger = _asked(requests, settings)
            pairs, outcomes = questioning.pairs_answered(requests, ledger, settings.generate.model)
            metrics |= {"outcomes": outcomes, "bill": questioning.bill(requests, ledger)}
            if preview:
                _show(pairs, metrics, len(products))
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


def _asked(requests: Sequence[Request], settings: Settings) -> Ledger:
    """The ledger, after asking for what it does not hold."""
    client = client_for(settings.generate, api_key())
    durable = durable_folder("ledger")
    ledger, jobs = Ledger(durable / LEDGER.name, LEDGER), Jobs(durable / OLD_JOBS.name, OLD_JOBS)
    print(f"{len(ledger)} paid answers are in {durable}")
    if jobs.open() or any(request.key not in ledger for request in requests):
        ledger.claim()  # before anything is paid for; what another run has bought until now is here then
        jobs.claim()
    if settings.generate.mode == "batch":
        questioning.ask_in_batches(requests, ledger, jobs, batch_client(client), settings.generate)
    elif under_way := jobs.holding([request.key for request in requests if request.key not in ledger]):
        raise InputError(
            f"{len(under_way)} batch jobs are under way and paid for; set generate.mode to batch in "
            "params.yaml and run again to collect them"
        )
    else:
        questioning.ask_missing(requests, ledger, client.send, settings.generate)
    return ledger


def _show(pairs: Sequence[Pair], asked: dict[str, Any], pictures: int) -> None:
    """Print the previewed pairs and what all pictures would cost at the same price a picture."""
    for pair in pairs:
        print(f"{pair.image_name}  {pair.question}  →  {pair.answer}  [{pair.question_type}]")
    bill = asked["bill"]
    projected = bill["usd"] / max(1, bill["requests"]) * pictures
    print(f"outcomes {asked['outcomes']}, spent {bill['usd']:.6f} USD on {bill['requests']} pictures")
    print(f"all {pictures} pictures would cost about {projected:.4f} USD")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preview", type=int, metavar="N", help="ask about N pictures and project the bill")
    preview = parser.parse_args().preview
    if preview is not None and preview < 1:
        parser.error("--preview needs a number of pictures, 1 or more")
    run_command(lambda: run(preview))


if __name__ == "__main__":
    main()

"""Ask about every image: products → pairs.

    python src/generate.py
    python src/generate.py --preview 5      # ask about five, show their pairs and the bill for all
    python src/generate.py --retry          # ask again what gave no pair, except refusals such as safety
    python src/generate.py --forget JOB     # give up a batch job that cannot be collected any more

In: the catalogue at data.root (ABO's layout), or generate.csv. Out: data/vqa/generated.csv,
metrics/generate.json and data/ledger, the answers that they were made of. Every answer that was paid for
lies in .state/ledger, which no checkout reaches: a request in it is never sent again. The metadata and
csv annotators cost nothing; Gemini about 0.0005 USD an image.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.annotators import costs, csv_pairs, gemini_run, metadata, paid_requests
from vqa.annotators.batches import give_up
from vqa.annotators.scheduler import Request
from vqa.catalogue import abo
from vqa.catalogue.import_record import NamesBefore
from vqa.catalogue.manifest import unchanged_tree
from vqa.core.cli import command_line
from vqa.core.errors import InputError, run_command
from vqa.core.files import write_json
from vqa.core.hand_edits import hand_edits_kept
from vqa.pairs.pair import Pair, write_pairs
from vqa.settings import Generate, load_settings

GENERATED = Path("data/vqa/generated.csv")
LEDGER = Path("data/ledger/ledger.jsonl")  # the copy that DVC versions
METRICS = Path("metrics/generate.json")
SEED = 0  # of the draw of images, and of the attributes that are asked about


@hand_edits_kept([GENERATED], "corrections belong into data/review, or into a CSV of yours (docs/pairs.md)")
def run(
    preview: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="ask about N images and project the bill")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="ask again what gave no pair")] = False,
    forget: Annotated[
        str | None, typer.Option(metavar="JOB", help="give up a batch job that cannot be collected")
    ] = None,
) -> None:
    """Make the pairs; `preview`: only show those of so many images, and the bill; `forget`: give up a job."""
    if forget:
        print(give_up(gemini_run.jobs_next_to(LEDGER), forget))
        return
    settings = load_settings()
    asking, root = settings.generate, unchanged_tree(settings.data.root)
    if (preview or retry) and asking.annotator != "gemini":
        raise InputError("--preview and --retry ask Gemini; params.yaml: generate.annotator is not gemini")
    metrics: dict[str, Any] = {"annotator": asking.annotator}
    ledger, requests = None, list[Request]()
    if asking.annotator == "csv":
        pairs, metrics["lines"] = _pairs_of_csv(root, asking)
    else:
        products, metrics["listings_left_out"] = abo.read_sample(
            root, asking.languages, abo.MOST_LISTINGS, asking.images, SEED
        )
        if asking.annotator == "metadata":
            pairs = metadata.pairs_of(products, asking.questions_per_image, SEED)
        else:
            requests = paid_requests.build_requests(products[:preview], root, asking)
            ledger = gemini_run.ask(requests, LEDGER, asking, retry)
            pairs, outcomes = paid_requests.pairs_answered(requests, ledger, asking.model)
            metrics |= {"outcomes": outcomes, "bill": costs.bill(requests, ledger, asking)}
            if preview:
                print(*gemini_run.preview(pairs, metrics, products, asking), sep="\n")
                return
    if not pairs:
        raise InputError(f"{root} gave no pair ({metrics})")
    gemini_run.write_copy(LEDGER, ledger, requests)
    write_pairs(GENERATED, pairs)
    write_json(METRICS, metrics | _census(pairs))
    print(f"wrote {len(pairs)} pairs to {GENERATED}")


def _pairs_of_csv(root: Path, asking: Generate) -> tuple[list[Pair], dict[str, int]]:
    """The pairs of generate.csv, and what became of its lines."""
    before = NamesBefore(root)
    pairs, lines = csv_pairs.read_csv_pairs(
        asking.csv, lambda: abo.image_names(root), asking.csv_known_word, before.name_for
    )
    if before.found:
        print(f"{len(before.found)} images are found by the names that they had before the import")
    return pairs, asdict(lines)


def _census(pairs: Sequence[Pair]) -> dict[str, Any]:
    by_type = Counter(pair.question_type or "not given" for pair in pairs).most_common()
    images = len({pair.image_name for pair in pairs})
    return {"images": images, "pairs": len(pairs), "by_type": dict(by_type)}


app = command_line(__doc__, run)

if __name__ == "__main__":
    run_command(app)

"""Hear witnesses on every pair and say how far its label can be trusted: trusted pairs → verdicts.

    python src/verify.py
    python src/verify.py --preview 5      # of opinions: ask about five pictures, show the bill for all

In: data/vqa/{train,val,test,rejected,generated}.csv, the listings at data.root, what people decided in
data/review/*.csv; pictures for the page and for opinions. Out: data/vqa/verdicts.csv (a row a pair, with what
each witness said), not_trained_on.csv (the pairs that verify.train_on leaves out; none by default),
review.html to look at a sample, the disputed first, metrics/verify.json and data/opinions, the paid
answers. It drops nothing. Costs about 0.2 ms a pair; opinions, off by default, are paid for.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.annotators.opinions import opinions_on, preview
from vqa.catalogue import abo
from vqa.catalogue.stamp import tree_of
from vqa.foundation.command_line import command_line
from vqa.foundation.errors import run_command
from vqa.foundation.files import write_json
from vqa.foundation.hand_edits import hand_edits_kept
from vqa.pairs.pair import SPLITS, read_pairs
from vqa.pairs.verdicts import CONFIRMED, DISPUTED, UNKNOWN, VERDICTS, write_left_out, write_verdicts
from vqa.settings import load_settings
from vqa.validation.inspection import image_id
from vqa.validation.review import reviewed_pairs
from vqa.validation.review_files import read_reviews
from vqa.validation.review_page import write_review_page
from vqa.validation.screening import read_rejected
from vqa.verification import statistics
from vqa.verification.catalogue import of_root
from vqa.verification.hearing import heard

FOLDER = Path("data/vqa")
GENERATED = FOLDER / "generated.csv"
PAIRS = {name: FOLDER / f"{name}.csv" for name in SPLITS}
REJECTED = FOLDER / "rejected.csv"
DECISIONS = Path("data/review")
LEDGER = Path("data/opinions/ledger.jsonl")  # the copy that DVC versions
FOUND = FOLDER / "verdicts.csv"
NOT_TRAINED_ON = FOLDER / "not_trained_on.csv"
REVIEW = FOLDER / "review.html"
METRICS = Path("metrics/verify.json")
TRAINED_ON = {"all": VERDICTS, "undisputed": (UNKNOWN, CONFIRMED), "confirmed": (CONFIRMED,)}


@hand_edits_kept([FOUND, NOT_TRAINED_ON], "corrections belong into data/review (docs/pairs.md)")
def run(
    few: Annotated[
        int | None, typer.Option("--preview", metavar="N", min=1, help="ask about N pictures only")
    ] = None,
) -> None:
    """Give each pair its verdict; `few`: only show the opinions on so many pictures, and the bill."""
    settings = load_settings()
    root, paid, limits = tree_of(settings.data.root), settings.generate, settings.verify
    by_split = {name: read_pairs(path) for name, path in PAIRS.items()}
    kept = [pair for pairs in by_split.values() for pair in pairs]
    if few:
        print(*preview(kept, root, paid, limits, LEDGER, few), sep="\n")
        return
    opinions, bill = opinions_on(kept, root, paid, limits, LEDGER)
    rows = read_pairs(GENERATED, lambda: abo.image_names(root))
    reviews = read_reviews(DECISIONS, partial(image_id, root))
    reviewed = reviewed_pairs(kept, rows, reviews.decisions)
    listed = of_root(root, paid.languages, paid.max_listings_per_image)

    asked = [*kept, *(pair for pair, _ in reviewed)]
    hearing = heard(kept, asked, rows, listed, opinions, similarities, limits.folds, limits.same_meaning)
    verdicts = hearing.verdicts()
    of_kept = verdicts[: len(kept)]
    write_verdicts(FOUND, kept, of_kept, map(hearing.cells, range(len(kept))))
    verdict_of = {pair.key: verdict.verdict for pair, verdict in zip(kept, of_kept, strict=True)}
    trained_on = TRAINED_ON[settings.verify.train_on]
    left_out = [pair for pair in by_split["train"] if verdict_of[pair.key] not in trained_on]
    write_left_out(NOT_TRAINED_ON, left_out)

    count, seed = settings.verify.review_pairs, settings.validate.seed
    path_of = partial(abo.image_path, root)
    refused, conflicts = read_rejected(REJECTED), reviews.conflicts
    write_review_page(REVIEW, kept, of_kept, hearing.sentences, refused, conflicts, path_of, count, seed)
    metrics = statistics.census(hearing, verdicts, len(kept)) | {"not_trained_on": len(left_out)}
    metrics["review"] = statistics.reviewed(hearing, verdicts, len(kept), [wrong for _, wrong in reviewed])
    write_json(METRICS, metrics | ({"bill": bill} if bill else {}))
    shares = f"{metrics[CONFIRMED]:.1%} of {len(kept)} pairs are confirmed, {metrics[DISPUTED]:.1%} disputed"
    print(f"{shares} ({FOUND} says by whom): see {REVIEW}")


def similarities(answers: Sequence[str], stated: Sequence[str]) -> Any:
    """How far the answer's words are among the stated ones, by MiniLM: BERTScore's precision `[answers]`."""
    from vqa.scoring.bertscore import cpu_scorer  # noqa: PLC0415  # takes seconds, and most runs need none

    return cpu_scorer("minilm").scores(answers, stated)[:, 0]


app = command_line(__doc__, run)

if __name__ == "__main__":
    run_command(app)

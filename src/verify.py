"""Run the label checks, which tell how far each label can be trusted: trusted pairs → support levels.

    python src/verify.py
    python src/verify.py --preview 5      # of opinions: ask about five images, show the bill for all

In: data/vqa/{train,val,test,rejected,generated}.csv, the listings at data.root, what people decided in
data/review/*.csv; images for the page and for opinions. Out: data/vqa/support.csv (a row a pair, with the
vote of each label check), not_trained_on.csv (the pairs that verify.train_on leaves out; none by default),
review.html (a sample to review, conflicting labels first), metrics/verify.json and data/opinions (the paid
answers). It drops no pair. Costs about 0.2 ms a pair; opinions, off by default, are paid for.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.annotators.second_opinion import ask_second_opinions, preview
from vqa.catalogue import abo
from vqa.catalogue.manifest import tree_at_hand
from vqa.core.cli import command_line
from vqa.core.errors import run_command
from vqa.core.files import write_json
from vqa.core.hand_edits import hand_edits_kept
from vqa.label_checks import statistics
from vqa.label_checks.checks import run_label_checks
from vqa.label_checks.listing import of_root
from vqa.pairs.pair import (
    CONFLICTING,
    SPLITS,
    SUPPORT_LEVELS,
    SUPPORTED,
    UNCHECKED,
    Pair,
    Support,
    read_pairs,
    write_left_out,
    write_support,
)
from vqa.settings import load_settings
from vqa.validation.filtering import read_rejected
from vqa.validation.image_checks import image_id
from vqa.validation.review import reviewed_pairs
from vqa.validation.review_files import read_reviews
from vqa.validation.review_page import write_review_page

FOLDER = Path("data/vqa")
GENERATED = FOLDER / "generated.csv"
PAIRS = {name: FOLDER / f"{name}.csv" for name in SPLITS}
REJECTED = FOLDER / "rejected.csv"
DECISIONS = Path("data/review")
LEDGER = Path("data/opinions/ledger.jsonl")  # the copy that DVC versions
FOUND = FOLDER / "support.csv"
NOT_TRAINED_ON = FOLDER / "not_trained_on.csv"
REVIEW = FOLDER / "review.html"
METRICS = Path("metrics/verify.json")
TRAINED_ON = {"all": SUPPORT_LEVELS, "not_conflicting": (UNCHECKED, SUPPORTED), "supported": (SUPPORTED,)}


@hand_edits_kept([FOUND, NOT_TRAINED_ON], "corrections belong into data/review (docs/pairs.md)")
def run(
    few: Annotated[
        int | None, typer.Option("--preview", metavar="N", min=1, help="ask about N images only")
    ] = None,
) -> None:
    """Give each pair its support level; `few`: only show the opinions on so many images, and the bill."""
    settings = load_settings()
    root, paid, limits = tree_at_hand(settings.data.root), settings.generate, settings.verify
    by_split = {name: read_pairs(path) for name, path in PAIRS.items()}
    kept_pairs = [pair for pairs in by_split.values() for pair in pairs]
    if few:
        print(*preview(kept_pairs, root, paid, limits, LEDGER, few), sep="\n")
        return
    opinions, bill = ask_second_opinions(kept_pairs, root, paid, limits, LEDGER)
    rows = read_pairs(GENERATED, lambda: abo.image_names(root))
    reviews = read_reviews(DECISIONS, partial(image_id, root))
    reviewed = reviewed_pairs(kept_pairs, rows, reviews.decisions)
    listed = of_root(root, paid.languages, abo.MOST_LISTINGS)

    asked = [*kept_pairs, *(pair for pair, _ in reviewed)]
    checks_run = run_label_checks(
        kept_pairs, asked, rows, listed, opinions, similarities, limits.folds, limits.same_meaning
    )
    support_levels = checks_run.support_levels()
    of_kept = support_levels[: len(kept_pairs)]
    write_support(FOUND, kept_pairs, of_kept, map(checks_run.cells, range(len(kept_pairs))))
    left_out = _left_out(by_split["train"], kept_pairs, of_kept, limits.train_on)
    write_left_out(NOT_TRAINED_ON, left_out)

    count, seed = limits.review_pairs, settings.validate.seed
    shown = read_rejected(REJECTED), reviews.conflicts, partial(abo.image_path, root)
    write_review_page(REVIEW, kept_pairs, of_kept, checks_run.sentences, *shown, count, seed)
    metrics = statistics.census(checks_run, support_levels, len(kept_pairs))
    metrics["not_trained_on"] = len(left_out)
    outcomes = [wrong for _, wrong in reviewed]
    metrics["review"] = statistics.reviewed(checks_run, support_levels, len(kept_pairs), outcomes)
    write_json(METRICS, metrics | ({"bill": bill} if bill else {}))
    shares = f"{metrics[SUPPORTED]:.1%} of {len(kept_pairs)} pairs are supported, {metrics[CONFLICTING]:.1%}"
    print(f"{shares} conflicting ({FOUND} has the votes): see {REVIEW}")


def _left_out(
    train_pairs: Sequence[Pair], kept_pairs: Sequence[Pair], levels: Sequence[Support], train_on: str
) -> list[Pair]:
    """The training pairs whose support level verify.train_on leaves out; `levels` of `kept_pairs`."""
    level_of = {pair.key: level.support for pair, level in zip(kept_pairs, levels, strict=True)}
    return [pair for pair in train_pairs if level_of[pair.key] not in TRAINED_ON[train_on]]


def similarities(answers: Sequence[str], stated: Sequence[str]) -> Any:
    """How far the answer's words are among the stated ones, by MiniLM: BERTScore's precision `[answers]`."""
    from vqa.scoring.bertscore import cpu_scorer  # noqa: PLC0415  # takes seconds, and most runs need none

    return cpu_scorer("minilm").scores(answers, stated)[:, 0]


app = command_line(__doc__, run)

if __name__ == "__main__":
    run_command(app)

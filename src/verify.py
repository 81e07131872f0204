"""Hear witnesses on every pair and say how far its label can be trusted: trusted pairs → verdicts.

    python src/verify.py

In: data/vqa/{train,val,test,rejected,generated}.csv, the listings at data.root, what people decided in
data/review/*.csv; pictures only for the page. Out: data/vqa/verdicts.csv (a row a pair, with what each
witness said), not_trained_on.csv (the pairs that train.verdicts leaves out; none by default), review.html
to look at a sample, the disputed first, and metrics/verify.json. It drops nothing. Costs about 0.3 ms a pair.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vqa.catalogue import abo
from vqa.catalogue.stamp import tree_of
from vqa.foundation.errors import run_command
from vqa.foundation.files import write_json
from vqa.pairs.pair import SPLITS, Pair, read_pairs
from vqa.pairs.verdicts import CONFIRMED, UNKNOWN, VERDICTS, write_left_out, write_verdicts
from vqa.settings import Settings, load_settings
from vqa.validation.review import read_decisions, reviewed_pairs
from vqa.validation.review_page import write_review_page
from vqa.validation.screening import read_rejected
from vqa.verification import catalogue, statistics, twins
from vqa.verification.hearing import Hearing, wording_statements
from vqa.wording.crossfit import guesses

FOLDER = Path("data/vqa")
GENERATED = FOLDER / "generated.csv"
PAIRS = {name: FOLDER / f"{name}.csv" for name in SPLITS}
REJECTED = FOLDER / "rejected.csv"
DECISIONS = Path("data/review")
FOUND = FOLDER / "verdicts.csv"
NOT_TRAINED_ON = FOLDER / "not_trained_on.csv"
REVIEW = FOLDER / "review.html"
METRICS = Path("metrics/verify.json")
TRAINED_ON = {"all": VERDICTS, "undisputed": (UNKNOWN, CONFIRMED), "confirmed": (CONFIRMED,)}


def run() -> None:
    settings = load_settings()
    root = tree_of(settings.data.root)
    by_split = {name: read_pairs(path) for name, path in PAIRS.items()}
    kept = [pair for pairs in by_split.values() for pair in pairs]
    rows = read_pairs(GENERATED, lambda: abo.image_names(root))
    reviewed = reviewed_pairs(kept, rows, read_decisions(DECISIONS))

    hearing = heard(kept, [*kept, *(pair for pair, _ in reviewed)], rows, settings)
    verdicts = hearing.verdicts()
    of_kept = verdicts[: len(kept)]
    write_verdicts(FOUND, kept, of_kept, map(hearing.cells, range(len(kept))))
    verdict_of = {pair.key: verdict.verdict for pair, verdict in zip(kept, of_kept, strict=True)}
    trained_on = TRAINED_ON[settings.train.verdicts]
    left_out = [pair for pair in by_split["train"] if verdict_of[pair.key] not in trained_on]
    write_left_out(NOT_TRAINED_ON, left_out)

    count, seed = settings.validate.review_pairs, settings.validate.seed
    path_of = partial(abo.image_path, root)
    write_review_page(REVIEW, kept, of_kept, hearing.sentences, read_rejected(REJECTED), path_of, count, seed)
    metrics = statistics.census(hearing, verdicts, len(kept)) | {"not_trained_on": len(left_out)}
    metrics["review"] = statistics.reviewed(hearing, verdicts, len(kept), [wrong for _, wrong in reviewed])
    write_json(METRICS, metrics)
    print(
        f"{metrics[CONFIRMED]:.1%} of {len(kept)} pairs are confirmed, {metrics['disputed']:.1%} disputed "
        f"({FOUND} says by whom): see {REVIEW}"
    )


def heard(known: Sequence[Pair], pairs: Sequence[Pair], rows: Sequence[Pair], settings: Settings) -> Hearing:
    """What each witness says of `pairs`; wording is learnt from `known`, twins are looked for in `rows`."""
    witness = settings.verify
    listed = catalogue.of_root(
        tree_of(settings.data.root), settings.generate.languages, settings.generate.max_listings_per_image
    )
    wording = guesses(known, pairs, witness.folds)
    witnesses = {
        "catalogue": catalogue.statements(pairs, listed, _similarities, witness.same_meaning),
        "twin": twins.statements(pairs, rows),
        "wording": wording_statements(pairs, wording),
    }
    return Hearing(pairs, wording, witnesses)


def _similarities(answers: Sequence[str], stated: Sequence[str]) -> Any:
    """How far the answer's words are among the stated ones, by MiniLM: BERTScore's precision `[answers]`."""
    from vqa.scoring.bertscore import cpu_scorer  # noqa: PLC0415  # takes seconds, and most runs need none

    return cpu_scorer("minilm").scores(answers, stated)[:, 0]


if __name__ == "__main__":
    run_command(run)

"""Statistics of the trusted pairs: counts, balance, and how far labels can be trusted."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from math import sqrt
from pathlib import Path
from typing import Any

import pandas as pd

from vqa.catalogue.abo import Listings
from vqa.core.csv_tables import Lines
from vqa.core.errors import named_first
from vqa.core.files import read_json
from vqa.pairs.answer_normalization import doubtful_kind, normalize_answer, spreadsheet_kind
from vqa.pairs.pair import Pair
from vqa.pairs.question_types import infer_question_type
from vqa.validation.filtering import Rejected
from vqa.validation.groups import numbered_apart
from vqa.validation.splits import SplitAssignment

_YES_NO = ["yes", "no"]


def census(by_split: Mapping[str, Sequence[Pair]]) -> dict[str, Any]:
    """Counts and shares of the kept pairs, for metrics/data.json."""
    kept_pairs = [pair for pairs in by_split.values() for pair in pairs]
    rows = [(pair.image_name, pair.question_type, pair.difficulty, pair.answer) for pair in kept_pairs]
    table = pd.DataFrame(rows, columns=["image", "type", "difficulty", "answer"])
    per_image = table.groupby("image").size()
    counts = table["answer"].value_counts()
    return {
        "splits": {
            split: {"pairs": len(pairs), "images": len({pair.image_name for pair in pairs})}
            for split, pairs in by_split.items()
        },
        "by_type": _counts(table["type"]),
        "by_difficulty": _counts(table["difficulty"].replace("", "not given")),
        "pairs_per_image": {
            "median": float(per_image.median()),
            "max": int(per_image.max()),
        },
        "distinct_answers": len(counts),
        "answers_seen_once": int((counts == 1).sum()),
        "commonest_answers": _counts(table["answer"], 10),
        "yes_no_share": round(float(table["answer"].isin(_YES_NO).mean()), 4),
    }


def leak_protection(
    assigned: SplitAssignment,
    images: Collection[str],
    listings: Listings | None,
    seen: Collection[str] | None,
) -> dict[str, Any]:
    """What keeps images of one thing in one split; null where the input of a protection is missing.

    `images`: names of the usable images; `seen`: ids of those that the model was made with.
    """
    return {
        "groups": assigned.groups,
        "largest_group_share": round(assigned.largest_share, 4),
        "groups_cut": assigned.groups_cut,
        "near_duplicates": assigned.near_duplicates,
        "transformed_duplicates": assigned.transformed_duplicates,
        "names_tied": assigned.names_tied,
        "dealt_apart": assigned.dealt_apart,
        "listings": listings
        and {
            "read": listings.read,
            "with_unknown_images": listings.with_unknown_images,
            "tying_images": assigned.tying_listings,
            "images_on_none": listings.images_on_none(images),
        },
        "images_model_was_made_with": None if seen is None else len(seen),
    }


def lines_accounted(generation: Path, generated: Lines) -> dict[str, Any]:
    """Counts of the lines of generated.csv by outcome, and of generate.csv, if the pairs come from it.

    `generation`: the metrics of the stage generate, which hold the latter.
    """
    before = read_json(generation) if generation.is_file() else {}
    of_csv = {"csv": before["lines"]} if "lines" in before else {}
    return of_csv | {"generated": asdict(generated)}


def spreadsheet_counts(pairs: Iterable[Pair]) -> dict[str, int]:
    """Kind of change by a spreadsheet → the number of such answers among the rows as they came."""
    pairs = list(pairs)
    answers_by_kind = _spreadsheet_values(pairs) | _spreadsheet_values(pairs, doubtful_kind)
    return {kind: answers.total() for kind, answers in answers_by_kind.items()}


def spreadsheet_sentences(pairs: Iterable[Pair]) -> list[str]:
    """Sentences on answers that a spreadsheet changed or may have changed, with an example of each kind."""
    pairs = list(pairs)
    made, perhaps = _spreadsheet_values(pairs), _spreadsheet_values(pairs, doubtful_kind)
    remedy = "write them anew, with the column formatted as text"
    return [f"a spreadsheet changed {_shown_by_kind(made)}; {remedy}"] * bool(made) + [
        f"a spreadsheet may have changed {_shown_by_kind(perhaps)}; they are kept: check them"
    ] * bool(perhaps)


def _shown_by_kind(found: Mapping[str, Counter[str]]) -> str:
    shown = [
        f"{answers.total()} × {kind.replace('_', ' ')} such as {answers.most_common(1)[0][0]!r}"
        for kind, answers in found.items()
    ]
    return f"{sum(answers.total() for answers in found.values())} answers ({', '.join(shown)})"


def _spreadsheet_values(
    pairs: Iterable[Pair], product_kind: Callable[[str], str] = spreadsheet_kind
) -> dict[str, Counter[str]]:
    """Kind → such answers, and how often each is there."""
    answers_by_kind: dict[str, Counter[str]] = {}
    for answer, count in Counter(pair.answer for pair in pairs).items():
        if kind := product_kind(answer):
            answers_by_kind.setdefault(kind, Counter())[answer] += count
    return answers_by_kind


def changed_image_sentences(
    changed: Sequence[str], pairs: Iterable[Pair], decisions: Iterable[tuple[str, str, str]]
) -> list[str]:
    """One sentence on images that changed since the last run, and on their labels and decisions, or none.

    These may have been made for the earlier content. `decisions`: their keys.
    """
    names = set(changed)
    labels = sum(pair.image_name in names for pair in pairs)
    decided = sum(key[0] in names for key in decisions)
    return [
        f"{len(names)} images have changed since the last run ({named_first(sorted(names))}): {labels} pairs "
        f"and {decided} decisions on them may be of the images before; review them again, or delete them"
    ] * bool(names)


def missing_image_sentences(rejected: Iterable[Rejected]) -> list[str]:
    """One sentence on pairs whose image is missing: where the first should be, and how to get it."""
    missing = [reject for reject in rejected if reject.reason == "image_missing"]
    return [f"{len(missing)} pairs name images that are not there: {missing[0].detail}"] if missing else []


def trust(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How consistent labels and question types are among the rows as they came."""
    return {"labels": label_noise(pairs), "types": type_agreement(pairs)}


def count_cuts(assigned: SplitAssignment) -> list[str]:
    """Sentences on images in several splits that may belong together; none where there are none.

    These are groups that were cut, pairs that were assigned before such copies were searched for, and names
    that differ by a number.
    """
    apart = [
        f"{assigned.dealt_apart} pairs of images that look alike once turned or brightened, or whose names "
        "are made of one, were dealt to two splits before; delete data/vqa/splits.json to draw afresh"
    ] * bool(assigned.dealt_apart)
    cut = [
        f"{assigned.groups_cut} group(s) of near duplicates were cut: too large (the largest held "
        f"{assigned.largest_share:.1%} of the images) or of two splits; {len(assigned.left_out)} images "
        "at the cuts are left out; a lower validate.max_hash_distance cuts less"
    ] * bool(assigned.groups_cut)
    return apart + numbered_apart(assigned.split_of) + cut


def label_noise(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How often one question about one image got two answers, among the rows as they came.

    With independent errors two labels agree when both are right, (1 - noise)², so that is solved for
    `estimated_label_noise`; None where no question was asked twice.
    """
    answers: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        if answer := normalize_answer(pair.answer):
            answers.setdefault((pair.image_name, normalize_answer(pair.question)), []).append(answer)
    repeated = [Counter(of_question) for of_question in answers.values() if len(of_question) > 1]
    if not repeated:
        return {"questions_asked_twice": 0, "agreement": None, "estimated_label_noise": None}
    agreement = sum(map(_agreement, repeated)) / len(repeated)
    return {
        "questions_asked_twice": len(repeated),
        "agreement": round(agreement, 4),
        "estimated_label_noise": round(1 - sqrt(agreement), 4),
    }


def type_agreement(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How often the inferred type equals the one that came with the pair, where a type came."""
    typed = [pair for pair in pairs if pair.question_type]
    same = sum(pair.question_type == infer_question_type(pair.question) for pair in typed)
    return {"pairs": len(typed), "agreement": round(same / len(typed), 4) if typed else None}


def _agreement(counts: Counter[str]) -> float:
    """The share of pairs of rows that agree."""
    total = counts.total()
    return sum(n * (n - 1) for n in counts.values()) / (total * (total - 1))


def _counts(column: "pd.Series[Any]", most: int | None = None) -> dict[str, int]:
    return {str(name): int(count) for name, count in column.value_counts().head(most or len(column)).items()}

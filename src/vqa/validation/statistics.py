"""Trusted pairs in numbers: what there is, how evenly, and how far its labels can be trusted."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from math import sqrt
from pathlib import Path
from typing import Any

import pandas as pd

from vqa.catalogue.abo import Listings
from vqa.foundation.csv_tables import Lines
from vqa.foundation.errors import named_first
from vqa.foundation.files import read_json
from vqa.pairs.missing_values import spreadsheet_kind
from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair
from vqa.pairs.question_types import question_type_of
from vqa.validation.alike_names import numbered_apart
from vqa.validation.screening import Rejected
from vqa.validation.splits import Division

_YES_NO = ["yes", "no"]


def census(by_split: Mapping[str, Sequence[Pair]]) -> dict[str, Any]:
    """Counts and shares of the kept pairs, for metrics/data.json."""
    kept = [pair for pairs in by_split.values() for pair in pairs]
    rows = [(pair.image_name, pair.question_type, pair.difficulty, pair.answer) for pair in kept]
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
    division: Division, images: Collection[str], listings: Listings | None, seen: Collection[str] | None
) -> dict[str, Any]:
    """What keeps pictures of one thing in one split; null is a protection whose input is not there.

    `images`: names of the usable pictures; `seen`: ids of those that the model was made with.
    """
    return {
        "groups": division.groups,
        "largest_group_share": round(division.largest_share, 4),
        "groups_cut": division.groups_cut,
        "near_copies": division.near_copies,
        "turned_copies": division.turned_copies,
        "names_tied": division.names_tied,
        "dealt_apart": division.dealt_apart,
        "listings": listings
        and {
            "read": listings.read,
            "with_unknown_images": listings.with_unknown_images,
            "tying_pictures": division.tying_listings,
            "pictures_on_none": listings.pictures_on_none(images),
        },
        "pictures_model_was_made_with": None if seen is None else len(seen),
    }


def lines_accounted(generation: Path, generated: Lines) -> dict[str, Any]:
    """What became of each line of generated.csv, and of generate.csv where the pairs come from there, as the
    metrics `generation` of the stage before say.
    """
    before = read_json(generation) if generation.is_file() else {}
    of_csv = {"csv": before["lines"]} if "lines" in before else {}
    return of_csv | {"generated": asdict(generated)}


def spreadsheet_counts(pairs: Iterable[Pair]) -> dict[str, int]:
    """Kind of what a spreadsheet made of answers → how many there are among the rows as they came."""
    return {kind: answers.total() for kind, answers in _spreadsheet_values(pairs).items()}


def spreadsheet_sentences(pairs: Iterable[Pair]) -> list[str]:
    """One sentence on such answers, with an example of each kind; none where there are none."""
    found = _spreadsheet_values(pairs)
    shown = [
        f"{answers.total()} × {kind.replace('_', ' ')} such as {answers.most_common(1)[0][0]!r}"
        for kind, answers in found.items()
    ]
    total = sum(answers.total() for answers in found.values())
    remedy = "write them anew, with the column formatted as text"
    return [f"a spreadsheet changed {total} answers ({', '.join(shown)}); {remedy}"] * bool(found)


def _spreadsheet_values(pairs: Iterable[Pair]) -> dict[str, Counter[str]]:
    """Kind → such answers, and how often each is there."""
    found: dict[str, Counter[str]] = {}
    for answer, count in Counter(pair.answer for pair in pairs).items():
        if kind := spreadsheet_kind(answer):
            found.setdefault(kind, Counter())[answer] += count
    return found


def changed_image_sentences(
    changed: Sequence[str], pairs: Iterable[Pair], decisions: Iterable[tuple[str, str, str]]
) -> list[str]:
    """One sentence on images that have another content than in the run before, under labels and decisions
    that may have been made for that one; none where none has. `decisions`: their keys.
    """
    names = set(changed)
    labels = sum(pair.image_name in names for pair in pairs)
    decided = sum(key[0] in names for key in decisions)
    return [
        f"{len(names)} images have changed since the last run ({named_first(sorted(names))}): {labels} pairs "
        f"and {decided} decisions on them may be of the images before; look at them again, or delete them"
    ] * bool(names)


def missing_image_sentences(rejected: Iterable[Rejected]) -> list[str]:
    """One sentence on pairs whose image is not there: where the first was looked for, and what brings it."""
    missing = [reject for reject in rejected if reject.reason == "image_missing"]
    return [f"{len(missing)} pairs name images that are not there: {missing[0].detail}"] if missing else []


def trust(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How far labels and question types agree with themselves, among the rows as they came."""
    return {"labels": label_noise(pairs), "types": type_agreement(pairs)}


def cuts_in(division: Division) -> list[str]:
    """Sentences on what stands in several splits though it may belong together; none where nothing does.

    These are groups that were too large, what that cost, pairs that were dealt before their likeness was
    looked for, and names that differ by a number.
    """
    apart = [
        f"{division.dealt_apart} pairs of pictures that look alike once turned or brightened, or whose names "
        "are made of one, were dealt to two splits before; delete data/vqa/splits.json to draw afresh"
    ] * bool(division.dealt_apart)
    cut = [
        f"{division.groups_cut} group(s) of near copies were cut: too large (the largest held "
        f"{division.largest_share:.1%} of the pictures) or of two splits; {len(division.left_out)} pictures "
        "at the cuts are left out; a lower validate.max_hash_distance cuts less"
    ] * bool(division.groups_cut)
    return apart + numbered_apart(division.split_of) + cut


def label_noise(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How often one question about one picture got two answers, among the rows as they came.

    With independent errors two labels agree when both are right, (1 - noise)², so that is solved for
    `estimated_label_noise`; None where no question was asked twice.
    """
    answers: dict[tuple[str, str], Counter[str]] = {}
    for pair in pairs:
        if answer := normal_form(pair.answer):
            key = pair.image_name, normal_form(pair.question)
            answers.setdefault(key, Counter())[answer] += 1
    repeated = [counts for counts in answers.values() if counts.total() > 1]
    if not repeated:
        return {"questions_asked_twice": 0, "agreement": None, "estimated_label_noise": None}
    agreement = sum(map(_agreement, repeated)) / len(repeated)
    return {
        "questions_asked_twice": len(repeated),
        "agreement": round(agreement, 4),
        "estimated_label_noise": round(1 - sqrt(agreement), 4),
    }


def type_agreement(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How often the type read from the words is the one that came with the pair, on pairs of both."""
    typed = [pair for pair in pairs if pair.question_type]
    same = sum(pair.question_type == question_type_of(pair.question) for pair in typed)
    return {"pairs": len(typed), "agreement": round(same / len(typed), 4) if typed else None}


def _agreement(counts: Counter[str]) -> float:
    """Share of the row pairs that say the same."""
    total = counts.total()
    return sum(n * (n - 1) for n in counts.values()) / (total * (total - 1))


def _counts(column: "pd.Series[Any]", most: int | None = None) -> dict[str, int]:
    return {str(name): int(count) for name, count in column.value_counts().head(most or len(column)).items()}

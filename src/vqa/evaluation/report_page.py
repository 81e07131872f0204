"""Scores, predictions and images → metrics/report.html, one self-contained page; what `dvc plots` draws."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vqa.catalogue.images import image_data_url
from vqa.core.csv_tables import write_rows
from vqa.evaluation.markdown import difference_value, points, signed
from vqa.evaluation.report_summary import (
    SYSTEM_MEANINGS,
    Subject,
    opening_sentence,
    summary_cards,
)
from vqa.evaluation.systems import BASELINE, DIFFERENCES, LORA, SYSTEMS, TO_BASELINE, ZERO_IMAGE, System
from vqa.pages.page import page
from vqa.pairs.answer_normalization import first_word, normalize_answer
from vqa.pairs.pair import Pair, too_few
from vqa.scoring.scores import Scores

_COMPARED = (BASELINE, LORA)
_DRAWN = (*_COMPARED, ZERO_IMAGE)
_OUTCOMES = {(0, 1): "gained", (1, 0): "lost", (0, 0): "both wrong", (1, 1): "both right"}  # of _COMPARED
_SHOWN = 40  # pairs of each outcome
_TICKS = (0, 25, 50, 75, 100)  # percent
_MOST_TYPES = 10  # in the first chart; the others are folded
_SUBSET_NAMES = {"supported": "label supported", "needs_image": "image needed"}
# Of the technical report (docs/related_work.md), baseline → adapter: BERTScore by type.
_REPORTED = {
    "all": (0.66, 0.70),
    "color": (0.72, 0.78),
    "shape": (0.69, 0.74),
    "material": (0.64, 0.70),
    "count": (0.58, 0.65),
    "pattern": (0.62, 0.69),
}
_FREQUENCIES = [(1, 4), (5, 19), (20, 99), (100, 10**9)]


def report_page(
    metrics: Mapping[str, Any],
    intervals: Mapping[str, Any],
    pairs: Sequence[Pair],
    texts: Mapping[str, Sequence[str]],
    scores: Mapping[str, Scores],
    path_of: Callable[[str], Path],
    is_abo: bool,
    subject: Subject,
) -> str:
    """The page; an image that cannot be read is left out of it.

    `is_abo`: the images are those that the technical report is about, so that it can stand beside.
    """
    gallery = _gallery(pairs, texts, scores, path_of)
    shown = sum(len(image["entries"]) for image in gallery)
    overall, *types = _types(intervals)
    return page(
        "report.html",
        {
            "few": too_few(len(pairs)),
            "sentence": opening_sentence(metrics),
            "subject": subject,
            "data": metrics["data"],
            "cards": summary_cards(metrics),
            "systems": [(system.title, SYSTEM_MEANINGS[system]) for system in SYSTEMS],
            "summary": _summary(metrics, intervals),
            "differences": _differences(metrics),
            "subsets": _subsets(intervals),
            "subset_titles": _subset_titles(intervals),
            "drawn": [(system.key, system.title) for system in _DRAWN],
            "types": [overall, *types[:_MOST_TYPES]],
            "other_types": types[_MOST_TYPES:],
            "ticks": _TICKS,
            "compared": [system.title for system in _COMPARED],
            "frequency": _by_frequency(pairs, scores),
            "confusion": _confusion(pairs, texts[LORA.key]),
            "reported": _report_columns(metrics) if is_abo else [],
            "gallery": gallery,
            "sample": {"shown": shown, "of": len(pairs), "each": _SHOWN},
        },
    )


def _confusion(pairs: Sequence[Pair], texts: Sequence[str]) -> dict[str, Any]:
    """The commonest right answers, a row each: how often each answer was given, and its share of the row."""
    counts = Counter(confusions(pairs, texts))
    right = sorted({answer for answer, _ in counts})
    columns = [*right, "other"]
    totals = {answer: sum(counts[answer, given] for given in columns) for answer in right}
    rows = [
        {
            "answer": answer,
            "cells": [
                {
                    "count": counts[answer, given],
                    "percent": round(100 * counts[answer, given] / totals[answer]),
                    "is_right": answer == given,
                }
                for given in columns
            ],
        }
        for answer in right
    ]
    return {"columns": columns, "rows": rows}


def _summary(metrics: Mapping[str, Any], intervals: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for system in SYSTEMS:
        if system.key in metrics:
            over_all = intervals["systems"][system.key]["all"]
            low, high = (f"{100 * over_all[end]:.1f}" for end in ("low", "high"))
            exact, *others = _means(metrics[system.key])
            rows.append([system.title, f"{exact} [{low}, {high}]", *others])
    for name, scores in metrics["others"].items():
        exact, *others = _means(scores)
        rows.append([name, exact, *others])
    return rows


def _means(scores: Mapping[str, Any]) -> list[str]:
    return [
        f"{100 * scores['exact_match']:.1f}",
        f"{100 * scores['contains']:.1f}",
        f"{scores['bert_score_f1']:.3f}",
    ]


def _differences(metrics: Mapping[str, Any]) -> list[list[str]]:
    measured = [
        (difference, metrics[difference.key]) for difference in DIFFERENCES if difference.key in metrics
    ]
    return [
        [
            difference.title,
            points(delta["exact_match"]),
            points(delta["contains"]),
            signed(delta["bert_score_f1"]),
        ]
        for difference, delta in measured
    ]


def _subsets(intervals: Mapping[str, Any]) -> list[list[str]]:
    """Exact match of each system, and the differences, a column for each subset."""
    subsets = intervals["subsets"].values()
    rows = [
        [system.title, *(f"{100 * of['systems'][system.key]['exact_match']:.1f}" for of in subsets)]
        for system in SYSTEMS
        if system.key in intervals["systems"]
    ]
    for difference in DIFFERENCES:
        if difference.key in intervals["differences"]:
            deltas = (of["differences"][difference.key] for of in subsets)
            rows.append([difference.title, *(points(difference_value(entry)) for entry in deltas)])
    return rows


def _subset_titles(intervals: Mapping[str, Any]) -> list[str]:
    return [f"{_SUBSET_NAMES[name]} (n {of['n']:,})" for name, of in intervals["subsets"].items()]


def _types(intervals: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each question type the bars, in percent, and whether the adapter is better (signs by Holm)."""
    return [
        {
            "kind": kind,
            "sign": change["sign"],
            "n": change["n"],
            "groups": change["groups"],
            "bars": [_bar(system, intervals["systems"][system.key][kind]) for system in _DRAWN],
        }
        for kind, change in intervals["differences"][TO_BASELINE.key].items()
    ]


def _bar(system: System, entry: Mapping[str, Any]) -> dict[str, Any]:
    exact, low, high = (round(100 * entry[name], 2) for name in ("exact_match", "low", "high"))
    return {"key": system.key, "name": system.title, "exact_match": exact, "low": low, "high": high}


def _by_frequency(pairs: Sequence[Pair], scores: Mapping[str, Scores]) -> list[list[str]]:
    """Exact match by how often the right answer occurs among the test answers."""
    counts = Counter(normalize_answer(pair.answer) for pair in pairs)
    bands: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, pair in enumerate(pairs):
        uses = counts[normalize_answer(pair.answer)]
        bands[next(band for band in _FREQUENCIES if band[0] <= uses <= band[1])].append(i)
    return [
        [
            f"{low}–{high}" if high < 10**9 else f"{low} or more",
            f"{len(chosen):,}",
            *(f"{100 * scores[system.key].exact_match[chosen].mean():.1f}" for system in _COMPARED),
        ]
        for (low, high), chosen in sorted(bands.items())
    ]


def _report_columns(metrics: Mapping[str, Any]) -> list[list[str]]:
    def ours(system: System, kind: str) -> str:
        scores = metrics[system.key]
        of_kind = scores if kind == "all" else scores["by_type"].get(kind)
        return f"{of_kind['bert_score_f1']:.2f}" if of_kind else "—"

    return [
        [kind, f"{base:.2f} → {adapted:.2f}", " → ".join(ours(system, kind) for system in _COMPARED)]
        for kind, (base, adapted) in _REPORTED.items()
    ]


def _gallery(
    pairs: Sequence[Pair],
    texts: Mapping[str, Sequence[str]],
    scores: Mapping[str, Scores],
    path_of: Callable[[str], Path],
) -> list[dict[str, Any]]:
    """The first pairs of each outcome, below their images: each image is in the page once."""
    base, adapted = (scores[system.key].exact_match for system in _COMPARED)
    shown: Counter[str] = Counter()
    by_image: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for i, pair in enumerate(pairs):
        outcome = _OUTCOMES[int(base[i]), int(adapted[i])]
        shown[outcome] += 1
        if shown[outcome] <= _SHOWN:
            answers = {system.key: first_word(texts[system.key][i]) for system in _DRAWN}
            entry = {
                "question": pair.question,
                "answer": " or ".join(pair.right_answers),
                "kind": pair.question_type,
            }
            by_image[pair.image_name].append(entry | {"outcome": outcome, "said": answers})
    return [
        {"image_name": name, "url": image_data_url(path_of(name)), "entries": entries}
        for name, entries in by_image.items()
    ]


_COMMONEST = 12  # answers in the confusion


def write_plots(
    folder: Path, pairs: Sequence[Pair], texts: Mapping[str, Sequence[str]], intervals: Mapping[str, Any]
) -> None:
    """by_type.csv (the adapter's exact match) and confusion.csv (the commonest answers, the adapter's)."""
    rows = [
        {"question_type": kind, "exact_match": str(entry["exact_match"])}
        for kind, entry in intervals["systems"][LORA.key].items()
    ]
    write_rows(folder / "by_type.csv", ["question_type", "exact_match"], rows)
    confused = [{"actual": a, "predicted": p} for a, p in confusions(pairs, texts[LORA.key])]
    write_rows(folder / "confusion.csv", ["actual", "predicted"], confused)


def confusions(pairs: Sequence[Pair], texts: Sequence[str]) -> list[tuple[str, str]]:
    """(right, given) of every pair whose right answer is among the commonest; rare given ones are "other"."""
    right = [normalize_answer(pair.answer) for pair in pairs]
    common = {answer for answer, _ in Counter(right).most_common(_COMMONEST)}
    given = [normalize_answer(first_word(text)) for text in texts]
    return [(r, g if g in common else "other") for r, g in zip(right, given, strict=True) if r in common]

"""Scores, predictions and pictures → metrics/report.html, one self-contained page."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vqa.catalogue.pictures import picture_url
from vqa.evaluation.plots import confusions
from vqa.evaluation.systems import DIFFERENCES, SYSTEMS
from vqa.pages.page import page
from vqa.pairs.normal_form import first_word, normal_form
from vqa.pairs.pair import Pair
from vqa.scoring.scores import Scores

_SHOWN = 40  # pairs in each of the galleries
# Of the technical report, base → LoRA: BERTScore by type, images a second.
_REPORTED = {
    "all": (0.66, 0.70),
    "color": (0.72, 0.78),
    "shape": (0.69, 0.74),
    "material": (0.64, 0.70),
    "count": (0.58, 0.65),
    "pattern": (0.62, 0.69),
}
_FREQUENCIES = [(0, 0), (1, 4), (5, 19), (20, 99), (100, 10**9)]


def report_page(
    metrics: Mapping[str, Any],
    intervals: Mapping[str, Any],
    pairs: Sequence[Pair],
    texts: Mapping[str, Sequence[str]],
    scores: Mapping[str, Scores],
    path_of: Callable[[str], Path],
) -> str:
    """The page; a picture that cannot be read is left out of it."""
    gallery = _gallery(pairs, texts, scores)
    names = sorted({entry["image_name"] for entry in gallery})
    urls = {name: picture_url(path_of(name)) for name in names}
    data = {
        "summary": _summary(metrics, intervals),
        "differences": _differences(metrics),
        "by_type": {name: intervals["systems"][name] for name in ("baseline", "lora", "blind")},
        "signs": intervals["differences"]["delta"],
        "frequency": _by_frequency(pairs, scores),
        "confusion": Counter(f"{a}\t{b}" for a, b in confusions(pairs, texts["lora"])),
        "reported": _beside_the_report(metrics),
        "gallery": gallery,
        "pictures": {name: url for name, url in urls.items() if url},
    }
    return page("report.html", data)


def _summary(metrics: Mapping[str, Any], intervals: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, title in SYSTEMS.items():
        if name in metrics:
            exact = intervals["systems"][name]["all"]
            row = {key: metrics[name][key] for key in ("contains", "bert_score_f1")}
            rows.append({"title": title, "exact_match": exact["exact_match"], "ci95": exact["ci95"], **row})
    for name, scores in metrics["others"].items():
        row = {key: scores[key] for key in ("exact_match", "contains", "bert_score_f1")}
        rows.append({"title": name, "ci95": None, **row})
    return rows


def _differences(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "title": title,
            **{name: metrics[key][name] for name in ("exact_match", "contains", "bert_score_f1")},
        }
        for key, title in DIFFERENCES.items()
        if key in metrics
    ]


def _by_frequency(pairs: Sequence[Pair], scores: Mapping[str, Scores]) -> list[dict[str, Any]]:
    """Exact match by how often the right answer occurs among the test answers."""
    counts = Counter(normal_form(pair.answer) for pair in pairs)
    rows: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, pair in enumerate(pairs):
        uses = counts[normal_form(pair.answer)]
        rows[next(band for band in _FREQUENCIES if band[0] <= uses <= band[1])].append(i)
    return [
        {
            "band": f"{low}–{high}" if high < 10**9 else f"{low} or more",
            "n": len(rows[low, high]),
            **{
                name: float(scores[name].exact_match[rows[low, high]].mean()) for name in ("baseline", "lora")
            },
        }
        for low, high in _FREQUENCIES
        if rows[low, high]
    ]


def _beside_the_report(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    def ours(system: str, kind: str) -> float | None:
        found = metrics[system] if kind == "all" else metrics[system]["by_type"].get(kind)
        return None if found is None else float(found["bert_score_f1"])

    return [
        {"kind": kind, "reported": reported, "ours": [ours("baseline", kind), ours("lora", kind)]}
        for kind, reported in _REPORTED.items()
    ]


def _gallery(
    pairs: Sequence[Pair], texts: Mapping[str, Sequence[str]], scores: Mapping[str, Scores]
) -> list[dict[str, str]]:
    base, adapted = scores["baseline"].exact_match, scores["lora"].exact_match
    outcomes = {(0, 1): "gained", (1, 0): "lost", (0, 0): "both wrong", (1, 1): "both right"}
    shown: Counter[str] = Counter()
    entries = []
    for i, pair in enumerate(pairs):
        outcome = outcomes[int(base[i]), int(adapted[i])]
        shown[outcome] += 1
        if shown[outcome] <= _SHOWN:
            said = {name: first_word(texts[name][i]) for name in ("baseline", "lora", "blind")}
            entry = {"image_name": pair.image_name, "question": pair.question, "answer": pair.answer}
            entries.append({**entry, "kind": pair.question_type, "outcome": outcome, **said})
    return entries

"""Results of studies → tables and choices, as Markdown and for the page."""

import base64
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from tabulate import tabulate

from vqa.experiments.grid import in_words, label
from vqa.experiments.record import Record
from vqa.experiments.results import Result, Study, best_under, within_noise
from vqa.experiments.seeds import agreement, honest_difference, interval, pooled_deviation

WITHIN = "≈"  # marks a difference within seed noise


def titles_of(results: Sequence[Result]) -> list[str]:
    keys = list(map(in_words, results[0].changes))
    scores = ["exact match", "between seeds", "to the committed settings", "validation"]
    return [*keys, *scores, "parameters trained", "pairs/s"]


def cells_of(result: Result, honest: float | None) -> list[str]:
    """Exact match in percent, the seeds' deviation and differences in points, with intervals."""
    deviation = "one seed" if result.deviation is None else f"{100 * result.deviation:.1f}"
    seeds = f" ({len(result.by_seed)})" if len(result.by_seed) > 1 else ""
    return [
        *map(label, result.changes.values()),
        _share(result.exact_match, result.ci95),
        f"{deviation}{seeds}",
        _lead(result, honest),
        f"{result.validation:.1%}",
        f"{result.parameters:,}",
        f"{result.pairs_per_second:.0f}",
    ]


def _lead(result: Result, honest: float | None) -> str:
    if result.difference is None:
        return "are these"
    mark = f" {WITHIN}" if honest is not None and abs(result.difference.value) < honest else ""
    return f"{_points(result.difference.value, result.difference.ci95)}{mark}"


def markdown(studies: Sequence[Study]) -> str:
    commits = ", ".join(f"`{commit}`" for commit in dict.fromkeys(study.record.commit for study in studies))
    lines = [
        "# Ablations",
        "",
        *(f"- **{study.grid.title}**: {told_apart(study)}." for study in studies),
        "",
        f"Written by `python src study report`, from the experiments of commit {commits}: exact match",
        "on held-out pictures, mean of the training seeds with a 95 % interval that redraws seeds, then",
        f"groups of pictures. {WITHIN}: within seed noise. Pairs a second are wall-clock while training,",
        "whatever else the machine did meanwhile. Which answers were right is kept in the JSON file of the",
        "study's name. As a page: [ablation.html](ablation.html).",
    ]
    for study in studies:
        lines += ["", f"## {study.grid.title}", "", study.grid.why, ""]
        if study.curve:
            lines += [f"![curve]({study.grid.name}.svg)", ""]
        rows = [list(map(_cell, row)) for row in _rows(study)]
        lines.append(tabulate(rows, titles_of(study.results), tablefmt="github", disable_numparse=True))
        for sentence in sentences_of(study):
            lines += ["", sentence]
    return "\n".join([*lines, ""])


def told_apart(study: Study) -> str:
    """Whether the study's settings can be told apart, in half a sentence."""
    count, honest = len(study.results), _honest(study)
    if count == 1:
        deviation = study.results[0].deviation
        moves = "not known" if deviation is None else f"{100 * deviation:.1f} points (standard deviation)"
        return f"one setting; what the seed alone moves is {moves}"
    if honest is None:
        return f"whether these {count} settings can be told apart is not known, for each ran from one seed"
    steps = [abs(a.exact_match - b.exact_match) for a, b in combinations(study.results, 2)]
    apart = sum(step >= honest for step in steps)
    which = {0: "no two", len(steps): "any two"}.get(apart, f"{apart} of {len(steps)} pairs")
    return f"{which} of these {count} settings can be told apart, which takes {100 * honest:.1f} points"


def _rows(study: Study) -> list[list[str]]:
    honest = _honest(study)
    return [cells_of(result, honest) for result in study.results]


def _honest(study: Study) -> float | None:
    return honest_difference([result.by_seed for result in study.results])


def _cell(text: str) -> str:
    """Text that neither ends a Markdown table's cell nor its row."""
    return " ".join(text.replace("|", "\\|").split())


def sentences_of(study: Study) -> list[str]:
    """What the table says: how many experiments it is of, what seeds decide, which settings to take."""
    ran, wanted = len(study.record.runs), len(study.grid.experiments())
    found = [] if ran == wanted else [f"{ran} of {wanted} experiments ran."]
    found += _noise_sentences(study)
    if not study.curve:
        return [*found, *_agreement_sentences(study.record)]
    best = "; ".join(best_line(budget, result) for budget, result in best_under(study.results))
    return [*found, f"Best within so many trained parameters, chosen by validation: {best}."]


def _noise_sentences(study: Study) -> list[str]:
    by_setting = [result.by_seed for result in study.results]
    deviation, honest = pooled_deviation(by_setting), _honest(study)
    if deviation is None or honest is None:
        return []
    single = [result.deviation for result in study.results if result.deviation is not None]
    spread = f"{100 * deviation:.1f} points ({100 * min(single):.1f} to {100 * max(single):.1f} by setting)"
    neighbours = "; ".join(_step(a, b) for a, b in within_noise(study.results, honest))
    return [
        f"Between seeds the standard deviation is {spread}. Settings that lie closer than {100 * honest:.1f} "
        f"points are within seed noise (Tukey's honest significant difference: {len(by_setting)} settings, "
        f"at least {min(map(len, by_setting))} seeds each). Steps within it: {neighbours or 'none'}."
    ]


def _step(a: Result, b: Result) -> str:
    """From one setting to its neighbour: "rank 16 → 32, targets mlp (+0.4)"."""
    (key, start), *others = a.changes.items()
    same = "".join(f", {in_words(other)} {label(value)}" for other, value in others)
    step = f"{in_words(key)} {label(start)} → {label(b.changes[key])}"
    return f"{step}{same} ({100 * (b.exact_match - a.exact_match):+.1f})"


def best_line(budget: int, result: Result) -> str:
    settings = ", ".join(f"{in_words(key)} {label(value)}" for key, value in result.changes.items())
    return f"{budget:,}: {settings} ({result.exact_match:.1%})"


def shown(studies: Sequence[Study]) -> dict[str, Any]:
    """What ablation.html shows."""
    listed = [
        {
            "title": study.grid.title,
            "told_apart": told_apart(study),
            "why": study.grid.why,
            "curve": "data:image/svg+xml;base64," + base64.b64encode(study.curve.encode()).decode()
            if study.curve
            else "",
            "titles": titles_of(study.results),
            "rows": _rows(study),
            "sentences": sentences_of(study),
        }
        for study in studies
    ]
    return {"within": WITHIN, "studies": listed}


def seeds_section(record: Record) -> str:
    """The settings as committed over their training seeds: table and agreement, for the README."""
    ours, sizes = np.stack(list(record.committed.values())), list(record.groups.values())
    base = record.base[None, :]
    deviation = 100 * float(np.std(ours.mean(axis=1), ddof=1))
    lead = float(ours.mean() - base.mean())
    rows = [
        ["with LoRA adapter", _share(float(ours.mean()), interval(ours, sizes)), f"{deviation:.1f}"],
        ["**LoRA − base**", _points(lead, interval(ours, sizes, base)), f"{deviation:.1f}"],
    ]
    titles = [f"{len(ours)} training seeds", "exact match, mean", "standard deviation between seeds"]
    table = tabulate(rows, titles, tablefmt="github", disable_numparse=True)
    return "\n\n".join([table, *_agreement_sentences(record)])


def seeds_headline(record: Record) -> tuple[str, str]:
    """The share that is right and the lead on the base model, over the seeds as committed, with intervals."""
    ours, sizes, base = np.stack(list(record.committed.values())), list(record.groups.values()), record.base
    share = f"{_share(float(ours.mean()), interval(ours, sizes))}, {len(ours)} seeds"
    return share, _points(float(ours.mean() - base.mean()), interval(ours, sizes, base[None, :]))


def _agreement_sentences(record: Record) -> list[str]:
    right = np.stack(list(record.committed.values()))
    if len(right) < 2:
        return []
    found = agreement(right)
    return [
        f"Of {right.shape[1]:,} questions in {len(record.groups):,} groups all {len(right)} seeds answer "
        f"{found.all_right:.1%} right and {found.none_right:.1%} wrong; two seeds agree on "
        f"{found.two_agree:.1%}."
    ]


def _share(value: float, ci95: tuple[float, float]) -> str:
    return f"{value:.1%} [{100 * ci95[0]:.1f}, {100 * ci95[1]:.1f}]"


def _points(value: float, ci95: tuple[float, float]) -> str:
    return f"{100 * value:+.1f} [{100 * ci95[0]:+.1f}, {100 * ci95[1]:+.1f}]"

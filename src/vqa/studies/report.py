"""Results of studies → tables and choices, as Markdown and for the page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tabulate import tabulate

from vqa.stats.bootstrap import FEWEST_GROUPS, FEWEST_QUESTIONS, Floats
from vqa.stats.seeds import (
    Bits,
    agreement,
    known_interval,
    pooled_deviation,
    spread_alike,
)
from vqa.studies.grid import in_words, label
from vqa.studies.results import Interval, Record, Result, Study, best_under, within_noise

WITHIN = "≈"  # marks a difference within seed noise


def result_titles(results: Sequence[Result]) -> list[str]:
    keys = list(map(in_words, results[0].changes))
    scores = ["exact match", "between seeds", "to the committed settings", "validation"]
    return [*keys, *scores, "parameters trained", "pairs/s"]


def result_cells(result: Result) -> list[str]:
    """Exact match in percent, the seeds' deviation and differences in points, with intervals."""
    deviation = "one seed" if result.deviation is None else f"{100 * result.deviation:.1f}"
    seeds = f" ({len(result.by_seed)})" if len(result.by_seed) > 1 else ""
    return [
        *map(label, result.changes.values()),
        _share(result.exact_match, result.ci95),
        f"{deviation}{seeds}",
        _lead(result),
        f"{result.validation:.1%}",
        f"{result.parameters:,}",
        f"{result.pairs_per_second:.0f}",
    ]


def _lead(result: Result) -> str:
    lead = result.difference
    if lead is None:
        return "are these"
    mark = f" {WITHIN}" if lead.noise is not None and abs(lead.value) < lead.noise else ""
    return f"{_points(lead.value, lead.ci95)}{mark}"


def markdown(studies: Sequence[Study]) -> str:
    commits = ", ".join(f"`{commit}`" for commit in dict.fromkeys(study.record.commit for study in studies))
    lines = [
        "# Ablations",
        "",
        *(f"- **{study.grid.title}**: {told_apart(study)}." for study in studies),
        "",
        f"Written by `python src study report`, from the experiments of commit {commits}: exact match",
        f"on held-out images of {subject(studies)}, mean of the training seeds with a 95 % interval",
        f"that redraws seeds, then groups of images. {WITHIN}: within seed noise. Pairs a second are",
        "wall-clock, whatever else the machine did meanwhile. Which answers were right is kept in the JSON",
        "file of the study's name. As a page: [ablation.html](ablation.html).",
    ]
    for study in studies:
        lines += ["", f"## {study.grid.title}", "", study.grid.why, ""]
        if study.curve:
            lines += [f"![curve]({study.grid.name}.svg)", ""]
        rows = [list(map(_cell, row)) for row in _rows(study)]
        lines.append(tabulate(rows, result_titles(study.results), tablefmt="github", disable_numparse=True))
        for sentence in summarize_study(study):
            lines += ["", sentence]
    return "\n".join([*lines, ""])


def subject(studies: Sequence[Study]) -> str:
    """The catalogue and the model that the studies are of."""
    return "; ".join(dict.fromkeys(f"{study.record.catalogue}, {study.record.model}" for study in studies))


def told_apart(study: Study) -> str:
    """Whether the study's settings can be told apart, as part of a sentence."""
    count, bounds = len(study.results), study.bounds
    if count == 1:
        deviation = study.results[0].deviation
        moves = "not known" if deviation is None else f"{100 * deviation:.1f} points (standard deviation)"
        return f"one setting; what the seed alone moves is {moves}"
    if bounds is None:
        return f"whether these {count} settings can be told apart is not known, for each ran from one seed"
    means = np.array([result.exact_match for result in study.results])
    steps, needed = (pairs[np.triu_indices(count, 1)] for pairs in (abs(means[:, None] - means), bounds))
    apart = int(((steps >= needed) & (steps > 0)).sum())
    which = {0: "no two", len(steps): "any two"}.get(apart, f"{apart} of {len(steps)} pairs")
    return f"{which} of these {count} settings can be told apart, which takes {_reach(bounds)} points"


def _reach(bounds: Floats) -> str:
    """How far apart means must lie, in points: "2.4", or "3.0 to 31.2" where each pair has its own bound."""
    of_pairs = 100 * bounds[np.triu_indices(len(bounds), 1)]
    ends = dict.fromkeys(f"{end:.1f}" for end in (of_pairs.min(), of_pairs.max()))
    return " to ".join(ends)


def _rows(study: Study) -> list[list[str]]:
    return list(map(result_cells, study.results))


def _cell(text: str) -> str:
    """Text that neither ends a Markdown table's cell nor its row."""
    return " ".join(text.replace("|", "\\|").split())


def summarize_study(study: Study) -> list[str]:
    """What the table says: how many experiments it is of, what seeds decide, which settings to take."""
    ran, wanted = len(study.record.runs), len(study.grid.experiments())
    sentences = [] if ran == wanted else [f"{ran} of {wanted} experiments ran."]
    if study.results[0].ci95 is None:
        least = f"{FEWEST_QUESTIONS} questions or {FEWEST_GROUPS} groups of images"
        sentences.append(f"Fewer than {least} are not redrawn: there are no intervals.")
    sentences += _noise_sentences(study)
    if not study.curve:
        return [*sentences, *_agreement_sentences(study.record)]
    best = "; ".join(best_line(budget, result) for budget, result in best_under(study.results))
    return [*sentences, f"Best within so many trained parameters, chosen by validation: {best}."]


def _noise_sentences(study: Study) -> list[str]:
    by_setting = [result.by_seed for result in study.results]
    deviation, bounds = pooled_deviation(by_setting), study.bounds
    if deviation is None or bounds is None:
        return []
    single = [result.deviation for result in study.results if result.deviation is not None]
    spread = f"{100 * deviation:.1f} points ({100 * min(single):.1f} to {100 * max(single):.1f} by setting)"
    neighbours = "; ".join(_step(a, b) for a, b in within_noise(study.results, bounds))
    tukey, games = "Tukey's honest significant difference", "seeds spread unlike, so Games and Howell's test"
    test = tukey if spread_alike(by_setting) else games
    return [
        f"Between seeds the standard deviation is {spread}. Settings that lie closer than {_reach(bounds)} "
        f"points are within seed noise ({test}: {len(by_setting)} settings, "
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
            "titles": result_titles(study.results),
            "rows": _rows(study),
            "sentences": summarize_study(study),
        }
        for study in studies
    ]
    return {"within": WITHIN, "subject": subject(studies), "studies": listed}


@dataclass(frozen=True)
class OverSeeds:
    """The settings as committed over their training seeds: shares and leads with intervals, as text."""

    seeds: int
    adapter: str
    deviation: str  # of the adapter between seeds
    zero_image: str
    to_base: str
    to_zero_image: str  # the same adapter, so of the same seed
    to_question_only: str


def over_seeds(record: Record) -> OverSeeds:
    ours, zero_image = (
        np.stack(list(of.values())).astype(float) for of in (record.committed, record.zero_image)
    )
    sizes = list(record.groups.values())

    def lead(theirs: Floats | Bits) -> str:
        return _points(float((ours - theirs).mean()), known_interval(ours - theirs, sizes))

    return OverSeeds(
        len(ours),
        _share(float(ours.mean()), known_interval(ours, sizes)),
        _deviation(ours.mean(axis=1)),
        _share(float(zero_image.mean()), known_interval(zero_image, sizes)),
        lead(record.base),
        lead(zero_image),
        lead(record.question_only),
    )


def seeds_section(record: Record) -> str:
    """The settings as committed over their training seeds: table and agreement."""
    summary = over_seeds(record)
    adapter, zero_image = (
        np.stack(list(of.values())).mean(axis=1) for of in (record.committed, record.zero_image)
    )
    rows = [
        ["LoRA", summary.adapter, summary.deviation],
        ["zero image", summary.zero_image, _deviation(zero_image)],
        ["**LoRA − baseline**", summary.to_base, summary.deviation],
        ["**LoRA − zero image**", summary.to_zero_image, _deviation(adapter - zero_image)],
        ["**LoRA − question-only prior**", summary.to_question_only, summary.deviation],
    ]
    titles = [f"{summary.seeds} training seeds", "exact match, mean", "standard deviation between seeds"]
    table = tabulate(rows, titles, tablefmt="github", disable_numparse=True)
    return "\n\n".join([table, *_agreement_sentences(record)])


def _deviation(by_seed: Floats) -> str:
    return f"{100 * float(np.std(by_seed, ddof=1)):.1f}" if len(by_seed) > 1 else "one seed"


def _agreement_sentences(record: Record) -> list[str]:
    right = np.stack(list(record.committed.values()))
    if len(right) < 2:
        return []
    shares = agreement(right)
    return [
        f"Of {right.shape[1]:,} questions in {len(record.groups):,} groups all {len(right)} seeds answer "
        f"{shares.all_right:.1%} right and {shares.none_right:.1%} wrong; two seeds agree on "
        f"{shares.two_agree:.1%}."
    ]


def _share(value: float, ci95: Interval) -> str:
    return f"{value:.1%}" if ci95 is None else f"{value:.1%} [{100 * ci95[0]:.1f}, {100 * ci95[1]:.1f}]"


def _points(value: float, ci95: Interval) -> str:
    points = f"{100 * value:+.1f}"
    return points if ci95 is None else f"{points} [{100 * ci95[0]:+.1f}, {100 * ci95[1]:+.1f}]"


def change_sentence(before: Bits, after: Bits, sizes: Sequence[int]) -> str:
    """How far the same questions `[questions]`, sorted by group, are answered better than before.

    `sizes`: questions of each group.
    """
    bounds = known_interval((after.astype(float) - before)[None, :], sizes)
    change = _points(float(after.mean() - before.mean()), bounds)
    if bounds is None:
        return f"LoRA's change: {change} points; too few questions or groups for an interval"
    sure = "may be none" if bounds[0] <= 0 <= bounds[1] else "is more than the questions' luck"
    return f"LoRA's change, question by question: {change} points, which {sure}; other seeds move it too"

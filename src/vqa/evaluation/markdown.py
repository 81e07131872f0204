"""Metrics → Markdown tables and sentences.

Metrics of any commit → metrics as they are written today.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from vqa.core.files import read_json
from vqa.evaluation.systems import (
    BASELINE,
    DIFFERENCES,
    LORA,
    SUBSETS,
    SYSTEMS,
    TO_BASELINE,
    TO_QUESTION_ONLY,
    ZERO_IMAGE,
)


def split_intervals(values: Any) -> Any:
    """The same JSON, each interval of two numbers in a list as `low` and `high`.

    Earlier versions wrote `"ci95": [low, high]`, and null where too few groups said nothing; DVC shows no
    lists.
    """
    if isinstance(values, list):
        return [split_intervals(value) for value in values]
    if not isinstance(values, dict):
        return values
    result: dict[str, Any] = {}
    for key, value in values.items():
        if key.endswith("ci95"):
            low, high = value or (None, None)
            prefix = key.removesuffix("ci95")
            result |= {f"{prefix}low": low, f"{prefix}high": high}
        else:
            result[key] = split_intervals(value)
    return result


def read_metrics(path: Path) -> Any:
    """Metrics of this checkout, which may be those of an earlier version."""
    return split_intervals(read_json(path))


COLUMNS = [system for system in SYSTEMS if system.is_column]
_GROUPS = ("systems", "differences")  # of details.json
DIFFERENCE_COLUMNS = [difference for difference in DIFFERENCES if difference.is_column]


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown as GitHub reads it; numbers stay as they are written."""
    return tabulate(list(rows), titles, tablefmt="github", disable_numparse=True)


def results_table(metrics: dict[str, Any]) -> str:
    """Every system's scores, then the differences with their 95 % intervals.

    Exact match and contains are in percent, differences in percentage points; BERTScore is rescaled
    (0: unrelated words, 1: equal). What was not evaluated has no row: an earlier version wrote the metrics.
    """
    rows = []
    for system in (system for system in SYSTEMS if system.key in metrics):
        scores = metrics[system.key]
        exact, contains = (f"{scores[name]:.1%}" for name in ("exact_match", "contains"))
        rows.append([system.title, exact, contains, f"{scores['bert_score_f1']:.3f}"])
    for difference in (difference for difference in DIFFERENCES if difference.key in metrics):
        delta = metrics[difference.key]
        exact, contains = (points(delta[name]) for name in ("exact_match", "contains"))
        rows.append([f"**{difference.title}**", exact, contains, signed(delta["bert_score_f1"])])
    return table(["", "exact match", "contains", "BERTScore F1"], rows)


def diff_table(then: dict[str, Any], now: dict[str, Any], rev: str) -> str:
    """Exact match of the systems that both evaluations have, in percent, and what changed in points; below
    them the differences between systems, in points with their 95 % intervals.
    """
    rows = []
    for system in SYSTEMS:
        if system.key in then:
            before, after = (metrics[system.key]["exact_match"] for metrics in (then, now))
            rows.append([system.title, f"{before:.1%}", f"{after:.1%}", f"{100 * (after - before):+.1f}"])
    for difference in DIFFERENCES:
        if difference.key in then:
            before, after = (metrics[difference.key]["exact_match"] for metrics in (then, now))
            change = f"{100 * (after['value'] - before['value']):+.1f}"
            rows.append([f"**{difference.title}**", points(before), points(after), change])
    return table(["exact match", rev, "now", "change"], rows)


def types_table(metrics: dict[str, Any], details: dict[str, Any]) -> str:
    """A line for each question type, commonest first: exact match in percent / BERTScore F1 of the systems,
    and the differences in exact match in points with their 95 % intervals.
    """
    by_type = metrics[LORA.key]["by_type"]
    rows = []
    for kind in sorted(by_type, key=lambda kind: -by_type[kind]["n"]):
        scores = [metrics[system.key]["by_type"][kind] for system in COLUMNS]
        deltas = [details["differences"][difference.key][kind] for difference in DIFFERENCE_COLUMNS]
        rows.append(
            [
                kind,
                f"{by_type[kind]['n']:,}",
                *(f"{100 * score['exact_match']:.1f} / {score['bert_score_f1']:.2f}" for score in scores),
                *(points(difference_value(delta)) for delta in deltas),
            ]
        )
    titles = [column.title for column in COLUMNS] + [column.title for column in DIFFERENCE_COLUMNS]
    return table(["", "questions", *titles], rows)


def subsets_table(details: dict[str, Any]) -> str:
    """Exact match where labels are supported and where the image is needed, in percent and points."""
    everything = {group: {name: of["all"] for name, of in details[group].items()} for group in _GROUPS}
    n = everything["systems"][LORA.key]["n"]
    rows = [
        [
            title,
            f"{of['n']:,}",
            *(f"{of['systems'][system.key]['exact_match']:.1%}" for system in COLUMNS),
            *(
                points(difference_value(of["differences"][difference.key]))
                for difference in DIFFERENCE_COLUMNS
            ),
        ]
        for title, of in {
            "all": everything | {"n": n},
            **{SUBSETS[name]: of for name, of in details.get("subsets", {}).items()},
        }.items()
    ]
    titles = [column.title for column in COLUMNS] + [column.title for column in DIFFERENCE_COLUMNS]
    return table(["exact match", "questions", *titles], rows)


def difference_value(difference: Mapping[str, Any]) -> dict[str, Any]:
    """A difference of details.json as `points` reads it."""
    return {"value": difference["exact_match"], "low": difference["low"], "high": difference["high"]}


def settings_table(by_setting: dict[str, dict[str, Any]]) -> str:
    """Exact match of the adapter under each setting, in percent, and its lead in points."""
    rows = [
        [
            setting,
            *(f"{metrics[system.key]['exact_match']:.1%}" for system in (LORA, ZERO_IMAGE)),
            points(metrics[TO_QUESTION_ONLY.key]["exact_match"]),
        ]
        for setting, metrics in by_setting.items()
    ]
    return table(["", LORA.title, "the same, zero image", TO_QUESTION_ONLY.title], rows)


def zero_image_sentence(evaluated: dict[str, Any]) -> str:
    """What an adapter scores that was trained and asked on zero images, and how far LoRA leads it.

    `evaluated`: what evaluate.py --predictions (with images) --against (zero images) prints.
    """
    delta = evaluated["delta"]
    return (
        f"Trained on zero images: {evaluated['against']['exact_match']:.1%} exact match, BERTScore F1 "
        f"{evaluated['against']['bert_score_f1']:.3f}. The adapter with images leads by "
        f"{points(delta['exact_match'])} points, {signed(delta['bert_score_f1'])}."
    )


def replacement_sentence(small: dict[str, Any], tiny: dict[str, Any]) -> str:
    """Whether the model of photographs serves the drawn catalogue as well as the one made for it."""
    ours, theirs = (metrics[LORA.key]["exact_match"] for metrics in (small, tiny))
    return (
        f"On the drawn catalogue blip2-small gets {ours:.1%} with LoRA where blip2-tiny gets {theirs:.1%}: "
        f"it {'can' if ours >= theirs else 'does not'} replace it."
    )


def format_sentence(metrics: dict[str, Any]) -> str:
    """How much of the gain is the one-word format rather than knowing the answer."""
    gain = 100 * metrics[TO_BASELINE.key]["exact_match"]["value"]
    contained = 100 * metrics[TO_BASELINE.key]["contains"]["value"]
    if gain <= 0:
        return "The adapter gains nothing on the baseline here, so nothing of it is answer format."
    if metrics[TO_BASELINE.key]["exact_match"]["low"] <= 0:
        gained = points(metrics[TO_BASELINE.key]["exact_match"])
        return f"The gain of {gained} points may be none, so what of it is answer format cannot be said."
    share = max(0.0, 1 - contained / gain)
    return (
        f"Of the {gain:+.1f} points, {contained:+.1f} remain when a right word anywhere in the text counts; "
        f"the rest, {share:.0%} of the gain, is answer format."
    )


def rules_sentence(metrics: dict[str, Any]) -> str:
    """Exact match of baseline and LoRA under the official VQA rules, on labels as the model is trained on."""
    base, adapted = (metrics[system]["vqa_rules"] for system in (BASELINE.key, LORA.key))
    return f"Under the official VQA rules, on the same labels: baseline {base:.1%}, LoRA {adapted:.1%}."


def minimum_detectable_effect_sentence(metrics: dict[str, Any]) -> str:
    """The smallest difference in exact match that the test set can show, for each of the compared systems."""
    minimum_detectable_effect = {
        d.title: metrics[d.key]["exact_match"]["minimum_detectable_effect"]
        for d in DIFFERENCES
        if d.key in metrics
    }
    effects = [
        f"{title} {100 * value:.1f}"
        for title, value in minimum_detectable_effect.items()
        if value is not None
    ]
    if not effects:
        return "the test set has too few groups of images to say which differences it can show"
    return f"smallest difference that such a test set shows four times in five, points: {', '.join(effects)}"


def speed_sentence(speed: dict[str, Any]) -> str:
    """What the adapter costs in speed, every model giving answers of equal length; with its spread."""
    if "ratio_low" not in speed:
        return "Speed was measured by an earlier version, without its spread: dvc repro measure_speed."
    merged, attached = (_with_spread(speed, name) for name in ("ratio", "unmerged_to_merged"))
    return (
        f"Speed, images in and answers out: adapted and merged {merged} × the baseline's (the technical "
        f"report: 0.97), the adapter left beside the weights {attached} × the merged; in brackets "
        f"the slowest "
        "and the fastest round."
    )


def _with_spread(speed: Mapping[str, float], name: str) -> str:
    low, high = (speed[f"{name}_{end}"] for end in ("low", "high"))
    return f"{speed[name]:.2f} [{low:.2f}, {high:.2f}]"


def points(difference: Mapping[str, Any]) -> str:
    """`value` in percentage points with its interval from `low` to `high`."""
    low, high = (100 * difference[end] for end in ("low", "high"))
    return f"{100 * difference['value']:+.1f} [{low:+.1f}, {high:+.1f}]"


def signed(difference: Mapping[str, Any]) -> str:
    """`value` with its interval, `low` to `high`, as they are; without one where there are too few groups."""
    if difference["low"] is None:
        return f"{difference['value']:+.3f} [too few]"
    low, high = difference["low"], difference["high"]
    return f"{difference['value']:+.3f} [{low:+.3f}, {high:+.3f}]"

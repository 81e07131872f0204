"""Metrics → what people read."""

from typing import Any

from vqa.evaluation.systems import DIFFERENCES, SYSTEMS


def results_table(metrics: dict[str, Any]) -> str:
    """Markdown: every system's scores, then the differences with their 95 % intervals.

    Exact match and contains are in percent, differences in percentage points; BERTScore is rescaled
    (0: unrelated words, 1: equal).
    """
    lines = ["| | exact match | contains | BERTScore F1 |", "|---|---|---|---|"]
    for name, title in SYSTEMS.items():
        scores = metrics[name]
        lines.append(
            f"| {title} | {scores['exact_match']:.1%} | {scores['contains']:.1%} "
            f"| {scores['bert_score_f1']:.3f} |"
        )
    for name, title in DIFFERENCES.items():
        delta = metrics[name]
        lines.append(
            f"| **{title}** | {_points(delta['exact_match'])} | {_points(delta['contains'])} "
            f"| {_signed(delta['bert_score_f1'])} |"
        )
    return "\n".join(lines)


def types_table(metrics: dict[str, Any], details: dict[str, Any]) -> str:
    """Markdown: a line for each question type, commonest first: exact match in percent / BERTScore F1 of the
    systems, and the differences in exact match in points with their 95 % intervals.
    """
    systems = ["baseline", "lora", "blind", "text_only", "majority"]
    titles = [
        "",
        "questions",
        "base",
        "LoRA",
        "blind",
        "text-only",
        "majority",
        "LoRA − blind",
        "LoRA − text-only",
    ]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    by_type = metrics["lora"]["by_type"]
    for kind in sorted(by_type, key=lambda kind: -by_type[kind]["n"]):
        scores = [metrics[name]["by_type"][kind] for name in systems]
        cells = [kind, f"{by_type[kind]['n']:,}"]
        cells += [f"{100 * score['exact_match']:.1f} / {score['bert_score_f1']:.2f}" for score in scores]
        for name in ("delta_to_blind", "delta_to_text_only"):
            difference = details["differences"][name][kind]
            cells.append(_points({"value": difference["exact_match"], "ci95": difference["ci95"]}))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def catalogues_table(by_catalogue: dict[str, dict[str, Any]]) -> str:
    """Markdown: exact match of the systems, a line for each catalogue, in percent and points."""
    systems = ["baseline", "lora", "blind", "text_only", "majority"]
    titles = [
        "exact match",
        "questions",
        *(SYSTEMS[name] for name in systems),
        "LoRA − text-only",
        "LoRA − blind",
    ]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for catalogue, metrics in by_catalogue.items():
        cells = [
            catalogue,
            f"{metrics['data']['test_pairs']:,} on {metrics['data']['test_images']:,} pictures",
            *(f"{metrics[name]['exact_match']:.1%}" for name in systems),
            *(_points(metrics[f"delta_to_{name}"]["exact_match"]) for name in ("text_only", "blind")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def settings_table(by_setting: dict[str, dict[str, Any]]) -> str:
    """Markdown: exact match of the adapter under each setting, in percent, and its lead in points."""
    lines = ["| | LoRA | the same, blind | LoRA − text-only |", "|---|---|---|---|"]
    for setting, metrics in by_setting.items():
        lead = _points(metrics["delta_to_text_only"]["exact_match"])
        exact = (f"{metrics[name]['exact_match']:.1%}" for name in ("lora", "blind"))
        lines.append(f"| {setting} | {' | '.join(exact)} | {lead} |")
    return "\n".join(lines)


def blind_sentence(judged: dict[str, Any]) -> str:
    """What an adapter reaches that was trained and asked without pictures, and how far one that looks leads.

    `judged`: what evaluate.py --predictions (the one that looks) --against (the blind one) prints.
    """
    delta = judged["delta"]
    return (
        f"Trained blind: {judged['against']['exact_match']:.1%} exact match, BERTScore F1 "
        f"{judged['against']['bert_score_f1']:.3f}. The adapter that looks leads by "
        f"{_points(delta['exact_match'])} points, {_signed(delta['bert_score_f1'])}."
    )


def replacement_sentence(small: dict[str, Any], tiny: dict[str, Any]) -> str:
    """Whether the model of photographs serves the drawn catalogue as well as the one made for it."""
    ours, theirs = (metrics["lora"]["exact_match"] for metrics in (small, tiny))
    return (
        f"On the drawn catalogue blip2-small gets {ours:.1%} with LoRA where blip2-tiny gets {theirs:.1%}: "
        f"it {'can' if ours >= theirs else 'does not'} replace it."
    )


def format_sentence(metrics: dict[str, Any]) -> str:
    """How much of the gain is the one-word format rather than knowing the answer."""
    gain = 100 * metrics["delta"]["exact_match"]["value"]
    known = 100 * metrics["delta"]["contains"]["value"]
    share = max(0.0, 1 - known / gain) if gain > 0 else 0.0
    return (
        f"Of the {gain:+.1f} points, {known:+.1f} remain when a right word anywhere in the text counts; "
        f"the rest, {share:.0%} of the gain, is answer format."
    )


def speed_sentence(speed: dict[str, Any]) -> str:
    """What the adapter costs in speed, every model giving answers of equal length."""
    return (
        f"Speed, pictures in and answers out: adapted and merged {speed['ratio']:.2f} × the base model's "
        f"(report: 0.97), the adapter left beside the weights {speed['unmerged_to_merged']:.2f} × the merged."
    )


def _points(difference: dict[str, Any]) -> str:
    low, high = (100 * bound for bound in difference["ci95"])
    return f"{100 * difference['value']:+.1f} [{low:+.1f}, {high:+.1f}]"


def _signed(difference: dict[str, Any]) -> str:
    low, high = difference["ci95"]
    return f"{difference['value']:+.3f} [{low:+.3f}, {high:+.3f}]"

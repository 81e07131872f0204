"""Metrics → what people read."""

from typing import Any

SYSTEMS = {
    "baseline": "base model",
    "lora": "with LoRA adapter",
    "blind": "adapter, features zeroed",
    "wrong_image": "adapter, another picture",
    "text_only": "text-only neighbours",
    "majority": "majority per type",
}
DIFFERENCES = {
    "delta": "LoRA − base",
    "delta_to_blind": "LoRA − blind",
    "delta_to_wrong_image": "LoRA − another picture",
    "delta_to_text_only": "LoRA − text-only",
}


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


def format_sentence(metrics: dict[str, Any]) -> str:
    """How much of the gain is the one-word format rather than knowing the answer."""
    gain = 100 * metrics["delta"]["exact_match"]["value"]
    known = 100 * metrics["delta"]["contains"]["value"]
    share = max(0.0, 1 - known / gain) if gain > 0 else 0.0
    return (
        f"Of the {gain:+.1f} points, {known:+.1f} remain when a right word anywhere in the text counts; "
        f"the rest, {share:.0%} of the gain, is answer format."
    )


def _points(difference: dict[str, Any]) -> str:
    low, high = (100 * bound for bound in difference["ci95"])
    return f"{100 * difference['value']:+.1f} [{low:+.1f}, {high:+.1f}]"


def _signed(difference: dict[str, Any]) -> str:
    low, high = difference["ci95"]
    return f"{difference['value']:+.3f} [{low:+.3f}, {high:+.3f}]"

"""Results of studies → tables and choices, as Markdown and for the page."""

import base64
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from vqa.experiments.grid import label
from vqa.experiments.results import Result, Study, best_under


def titles_of(results: Sequence[Result]) -> list[str]:
    keys = list(results[0].changes)
    return [*keys, "exact match", "to the committed settings", "validation", "parameters trained", "pairs/s"]


def cells_of(result: Result) -> list[str]:
    """Exact match in percent, differences in points, with their intervals."""
    low, high = (100 * bound for bound in result.difference_ci95)
    return [
        *map(label, result.changes.values()),
        f"{result.exact_match:.1%} [{100 * result.ci95[0]:.1f}, {100 * result.ci95[1]:.1f}]",
        f"{100 * result.difference:+.1f} [{low:+.1f}, {high:+.1f}]",
        f"{result.validation:.1%}",
        f"{result.parameters:,}",
        f"{result.pairs_per_second:.0f}",
    ]


def markdown(studies: Sequence[Study], commit: str) -> str:
    lines = [
        "# Ablations",
        "",
        f"Written by `python src study report`, from the experiments of commit `{commit}`: held-out",
        "pictures, exact match with 95 % intervals (paired bootstrap, clustered by picture). One seed a",
        "setting, so a point or two may be luck. Pairs a second are wall-clock while training,",
        "whatever else the machine did meanwhile. As a page: [ablation.html](ablation.html).",
    ]
    for study in studies:
        lines += ["", f"## {study.grid.name}", "", study.grid.why, "", f"![curve]({study.grid.name}.svg)", ""]
        rows = [list(map(_cell, cells_of(result))) for result in study.results]
        lines.append(tabulate(rows, titles_of(study.results), tablefmt="github", disable_numparse=True))
        best = "; ".join(best_line(budget, result) for budget, result in best_under(study.results))
        lines += ["", f"Best within so many trained parameters, chosen by validation: {best}."]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    """Text that neither ends a Markdown table's cell nor its row."""
    return " ".join(text.replace("|", "\\|").split())


def best_line(budget: int, result: Result) -> str:
    settings = ", ".join(f"{key} {label(value)}" for key, value in result.changes.items())
    return f"{budget:,}: {settings} ({result.exact_match:.1%})"


def shown(studies: Sequence[Study]) -> dict[str, list[dict[str, Any]]]:
    """What ablation.html shows."""
    listed = [
        {
            "name": study.grid.name,
            "why": study.grid.why,
            "curve": "data:image/svg+xml;base64," + base64.b64encode(study.curve.encode()).decode(),
            "titles": titles_of(study.results),
            "rows": [cells_of(result) for result in study.results],
            "best": [best_line(budget, result) for budget, result in best_under(study.results)],
        }
        for study in studies
    ]
    return {"studies": listed}

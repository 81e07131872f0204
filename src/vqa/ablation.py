"""A grid of settings, and what the experiments run from it say: tables and choices."""

import base64
import csv
import hashlib
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from vqa.errors import InputError
from vqa.pairs import Pair, normal_form

_LONGEST_NAME, _LONGEST_WORD = 60, 24  # letters of a text that is a name; of the beginning of another

Floats = NDArray[np.float64]
Value = int | float | str | None | list[str]


@dataclass(frozen=True)
class Grid:
    """Every combination of some settings' values: an experiment each."""

    name: str
    why: str  # the comment at the head of its file
    values: Mapping[str, Sequence[Value]]  # "lora.r" → values

    def experiments(self) -> dict[str, dict[str, Value]]:
        """Experiment name ("rank-r8-attention") → the settings it changes.

        Raises:
            InputError: two experiments would have one name.
        """
        found: dict[str, dict[str, Value]] = {}
        for combination in itertools.product(*self.values.values()):
            changes = dict(zip(self.values, combination, strict=True))
            name = "-".join([self.name, *(_word(key, value) for key, value in changes.items())])
            if found.setdefault(name, changes) != changes:
                raise InputError(
                    f"the grid {self.name} has two experiments called {name}: {found[name]} and {changes}; "
                    "leave out one of them"
                )
        return found


@dataclass(frozen=True)
class Result:
    """What one experiment came to, in exact match."""

    changes: dict[str, Value]
    exact_match: float
    ci95: Sequence[float]
    difference: float  # to the settings as committed
    difference_ci95: Sequence[float]
    validation: float  # of the validation pairs, by which settings may be chosen
    parameters: int  # that are trained
    pairs_per_second: float  # while training, whatever else the machine did


@dataclass(frozen=True)
class Study:
    """A grid, its results, and their curve as SVG."""

    grid: Grid
    results: Sequence[Result]
    curve: str


def read_grid(path: Path, params: Mapping[str, Any]) -> Grid:
    """A file of experiments/.

    Raises:
        InputError: it is no mapping of keys of `params` to lists of values.
    """
    if not path.is_file():
        known = ", ".join(str(file) for file in sorted(path.parent.glob("*.yaml")))
        raise InputError(f"{path} is missing; there are {known or 'no grids'}")
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not values:
        raise InputError(f"{path} must map settings to lists of values, such as lora.r: [8, 16]")
    for key, choices in values.items():
        block, _, name = str(key).partition(".")
        if name not in params.get(block, {}):
            raise InputError(f"{path}: {key} is no key of params.yaml; see there for what can be varied")
        if not isinstance(choices, list) or not choices:
            raise InputError(f"{path}: {key} is {choices!r}; give a list of values")
    head = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    why = " ".join(line.lstrip("# ") for line in head)
    return Grid(
        path.stem, why, {key: [_number(value) for value in choices] for key, choices in values.items()}
    )


def label(value: Value) -> str:
    """As people write it: "attention+mlp", "0.001", "all"."""
    if isinstance(value, list):
        return "+".join(str(item).rsplit(".", 1)[-1] for item in value)
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def exact_matches(predictions: str) -> tuple[list[Pair], Floats]:
    """The pairs of a predictions file and which were answered right, `[pairs]` of 0 and 1."""
    rows = list(csv.DictReader(io.StringIO(predictions)))
    pairs = [Pair(row["image_name"], row["question"], row["answer"]) for row in rows]
    right = [
        normal_form(row["generated_answer"]) == normal_form(pair.answer) != ""
        for row, pair in zip(rows, pairs, strict=True)
    ]
    return pairs, np.array(right, dtype=float)


def best_under(results: Sequence[Result]) -> list[tuple[int, Result]]:
    """For growing budgets of trained parameters the result that is best on the validation pairs.

    Choosing by the test pairs would be choosing by luck.
    """
    found: list[tuple[int, Result]] = []
    for result in sorted(results, key=lambda result: (result.parameters, -result.validation)):
        if not found or result.validation > found[-1][1].validation:
            found.append((result.parameters, result))
    return found


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
        f"Written by `python src/ablate.py report`, from the experiments of commit `{commit}`: held-out",
        "pictures, exact match with 95 % intervals (paired bootstrap, clustered by picture). One seed a",
        "setting, so a point or two may be luck. Pairs a second are wall-clock while training,",
        "whatever else the machine did meanwhile. As a page: [ablation.html](ablation.html).",
    ]
    for study in studies:
        titles = titles_of(study.results)
        lines += ["", f"## {study.grid.name}", "", study.grid.why, "", f"![curve]({study.grid.name}.svg)", ""]
        lines += [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
        lines += [f"| {' | '.join(map(_cell, cells_of(result)))} |" for result in study.results]
        best = "; ".join(best_line(budget, result) for budget, result in best_under(study.results))
        lines += ["", f"Best within so many trained parameters, chosen by validation: {best}."]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    """Text that neither ends a Markdown table's cell nor its row."""
    return " ".join(text.replace("|", "\\|").split())


def best_line(budget: int, result: Result) -> str:
    settings = ", ".join(f"{key} {label(value)}" for key, value in result.changes.items())
    return f"{budget:,}: {settings} ({result.exact_match:.1%})"


def shown(studies: Sequence[Study]) -> list[dict[str, Any]]:
    """What the page's script reads."""
    return [
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


def _number(value: Value) -> Value:
    """YAML 1.1 reads 1e-3 as text."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?e-?\d+", value) else value


def _word(key: str, value: Value) -> str:
    """Part of an experiment's name: r8, attention-mlp, rate0-001 (a git reference takes no full stops).

    A text that is more than a name, such as a prompt, is called by its beginning and a hash.
    """
    short = "" if isinstance(value, list) else key.rsplit(".", 1)[-1].rsplit("_", 1)[-1]
    word = re.sub(r"[^A-Za-z0-9]+", "-", f"{short}{label(value)}")
    if re.fullmatch(rf"[\w.+/\\:-]{{0,{_LONGEST_NAME}}}", label(value), re.ASCII):
        return word
    return f"{word[:_LONGEST_WORD].strip('-')}-{hashlib.sha256(label(value).encode()).hexdigest()[:6]}"

"""A study at toy size: its grid, its results, and prompts that are hard to carry."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from vqa.stats.seeds import Bits
from vqa.studies.grid import Grid, Value
from vqa.studies.results import Difference, Record, Result, Run, Study

GRID = Grid("rank", "What does rank give?", {"lora.r": [2, 8], "lora.targets": [["attention"], ["mlp"]]})


def of(
    changes: dict[str, Value], exact: float = 0.5, validation: float = 0.5, parameters: int = 10
) -> Result:
    """A result of two seeds, a point to either side of `exact`."""
    seeds, interval = (exact - 0.01, exact + 0.01), (exact - 0.03, exact + 0.03)
    lead = Difference(-0.02, (-0.04, 0.0), noise=0.03)
    return Result(changes, seeds, interval, lead, validation, parameters, 99.5)


def result(r: int, targets: list[str], exact: float, validation: float) -> Result:
    return of({"lora.r": r, "lora.targets": targets}, exact, validation, 1000 * r)


def bits(*digits: str) -> Bits:
    """Of "1101" for each seed, `[seeds, questions]`."""
    return np.array([[digit == "1" for digit in row] for row in digits])


def record(
    runs: Sequence[tuple[Mapping[str, Value], str]],
    committed: Sequence[str] = ("1111",),
    settings: Mapping[str, Value] = MappingProxyType({"train.seed": 0, "lora.r": 8}),
) -> Record:
    """Of two groups of two questions; the model as it came answers one right, as do all that see none."""
    return Record(
        "abc1234",
        "data/demo",
        "models/blip2-tiny",
        dict(settings),
        {"a.jpg": 2, "b.jpg": 2},
        bits("1000")[0],
        bits("0100")[0],
        {seed: bits(digits)[0] for seed, digits in enumerate(committed)},
        {seed: bits("0010")[0] for seed, _ in enumerate(committed)},
        [Run(dict(changes), bits(digits)[0], 0.5, 10, 99.5) for changes, digits in runs],
    )


def study(results: Sequence[Result], grid: Grid, curve: str) -> Study:
    return Study(grid, record([(changes, "1100") for changes in grid.experiments().values()]), results, curve)


RESULTS = [
    result(2, ["attention"], 0.61, 0.62),
    result(2, ["attention", "mlp"], 0.66, 0.60),
    result(8, ["attention"], 0.64, 0.70),
    result(8, ["attention", "mlp"], 0.70, 0.65),
]

PROMPTS = [
    "Question: {question} Answer in one word:",
    "Question: {question} Answer in one word.",
    "Frage: {question}, 'bitte' \"ein\" Wort = [x] (y) #\\",
    "${question} {question}\nin one word",
    "一言で: {question}",
]

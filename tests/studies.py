"""A study at toy size: its grid, its results, and prompts that are hard to carry."""

from vqa.experiments.grid import Grid, Value
from vqa.experiments.results import Result

GRID = Grid("rank", "What does rank give?", {"lora.r": [2, 8], "lora.targets": [["attention"], ["mlp"]]})


def result(r: int, targets: list[str], exact: float, validation: float) -> Result:
    changes: dict[str, Value] = {"lora.r": r, "lora.targets": targets}
    return Result(
        changes, exact, (exact - 0.03, exact + 0.03), -0.02, (-0.04, 0.0), validation, 1000 * r, 99.5
    )


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

"""Results of the experiments of a grid, each setting over all its training seeds.

A record of them holds what the report needs, a bit a question and run, small enough for git.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vqa.core.errors import InputError
from vqa.core.files import read_object, write_json
from vqa.pairs.pair import ALSO_RIGHT, Pair, split_also_right
from vqa.pairs.predictions import is_right
from vqa.stats.bootstrap import Floats
from vqa.stats.seeds import Bits, honest_differences, known_interval
from vqa.studies.grid import SEED, Grid, Value

Key = tuple[str, str]  # of a question: image and question


@dataclass(frozen=True)
class Questions:
    """The held-out questions, sorted by group: images that stay in one split."""

    keys: Sequence[Key]
    groups: Mapping[str, int]  # group → its questions


@dataclass(frozen=True)
class Run:
    """One experiment."""

    changes: dict[str, Value]
    right: Bits  # [questions]
    validation: float  # exact match on the validation pairs
    parameters: int  # that are trained
    pairs_per_second: float  # while training


@dataclass(frozen=True)
class Record:
    """A grid's experiments that ran, beside the settings as committed and the systems without a seed."""

    commit: str
    catalogue: str  # data.root as committed
    model: str  # model.name as committed
    settings: dict[str, Value]  # of the grid's keys, as committed
    groups: Mapping[str, int]  # group → its questions, in their order
    base: Bits  # [questions]
    question_only: Bits  # [questions]
    committed: dict[int, Bits]  # training seed → [questions]
    zero_image: dict[int, Bits]  # the same adapters on zero images
    runs: Sequence[Run]


def read_questions(test_csv: str) -> Questions:
    """Of the text of data/vqa/test.csv; where it names no groups, each image is one."""
    rows = list(csv.DictReader(io.StringIO(test_csv)))
    grouped = sorted((row.get("split_group") or row["image_name"], _key(row)) for row in rows)
    groups: dict[str, int] = {}
    for group, _ in grouped:
        groups[group] = groups.get(group, 0) + 1
    return Questions([key for _, key in grouped], groups)


def exact_matches(predictions: str, questions: Questions, sha: str) -> Bits:
    """Which `questions` the text of a predictions file answers right, `[questions]`.

    Args:
        sha: the commit or experiment that it is of.

    Raises:
        InputError: it answers others.
    """
    right = {
        _key(row): is_right(_pair_in(row), row.get("generated_text") or row["generated_answer"])
        for row in csv.DictReader(io.StringIO(predictions))
    }
    if right.keys() != set(questions.keys):
        raise InputError(
            f"{sha} answers other test pairs than the commit that it ran from; remove that experiment and "
            "run the study again"
        )
    return np.array([right[key] for key in questions.keys], dtype=bool)


def _pair_in(row: Mapping[str, str]) -> Pair:
    return Pair(*_key(row), row["answer"], also_right=split_also_right(row.get(ALSO_RIGHT) or ""))


def _key(row: Mapping[str, str]) -> Key:
    return row["image_name"], row["question"]


def write_record(path: Path, record: Record) -> None:
    """As JSON; bits in hex, eight questions in two digits, the first question's bit the highest."""
    write_json(
        path,
        {
            "commit": record.commit,
            "catalogue": record.catalogue,
            "model": record.model,
            "settings": record.settings,
            "groups": dict(record.groups),
            "base": _hex(record.base),
            "question_only": _hex(record.question_only),
            "committed": {str(seed): _hex(right) for seed, right in record.committed.items()},
            "zero_image": {str(seed): _hex(right) for seed, right in record.zero_image.items()},
            "runs": [vars(run) | {"right": _hex(run.right)} for run in record.runs],
        },
    )


def read_record(path: Path) -> Record:
    """What `write_record` wrote."""
    if not path.is_file():
        raise InputError(
            f"{path} is missing; python src study report configs/studies/{path.stem}.yaml writes it"
        )
    values: dict[str, Any] = read_object(path)
    if missing := {field.name for field in fields(Record)} - values.keys():
        raise InputError(
            f"{path} lacks {', '.join(sorted(missing))}: another version wrote it; remove it, and python src "
            f"study report configs/studies/{path.stem}.yaml writes it again"
        )
    questions = sum(values["groups"].values())

    def by_seed(name: str) -> dict[int, Bits]:
        return {int(seed): _bits(digits, questions) for seed, digits in values[name].items()}

    return Record(
        values["commit"],
        values["catalogue"],
        values["model"],
        values["settings"],
        values["groups"],
        _bits(values["base"], questions),
        _bits(values["question_only"], questions),
        by_seed("committed"),
        by_seed("zero_image"),
        [Run(**run | {"right": _bits(run["right"], questions)}) for run in values["runs"]],
    )


def _hex(bits: Bits) -> str:
    return np.packbits(bits).tobytes().hex()


def _bits(digits: str, count: int) -> Bits:
    return np.unpackbits(np.frombuffer(bytes.fromhex(digits), dtype=np.uint8), count=count).astype(bool)


Interval = tuple[float, float] | None  # None: of too few questions or groups


@dataclass(frozen=True)
class Difference:
    """The lead of a setting over the settings as committed, in exact match."""

    value: float
    ci95: Interval
    noise: float | None  # other seeds could have made a lead below it; None: not known


@dataclass(frozen=True)
class Result:
    """The result of one setting, in exact match."""

    changes: dict[str, Value]  # without the seed
    by_seed: Sequence[float]
    ci95: Interval  # of their mean, seeds and groups redrawn
    difference: Difference | None  # to the settings as committed; None: they are these
    validation: float  # of the validation pairs, by which settings may be chosen
    parameters: int  # that are trained
    pairs_per_second: float  # while training, whatever else the machine did

    @property
    def exact_match(self) -> float:
        return float(np.mean(self.by_seed))

    @property
    def ends(self) -> tuple[float, float]:
        """Of the interval; without one, of the seeds."""
        return self.ci95 or (min(self.by_seed), max(self.by_seed))

    @property
    def deviation(self) -> float | None:
        """Standard deviation between seeds; None for one."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else None


@dataclass(frozen=True)
class Study:
    """A grid, what is kept of its runs, its results, and their curve as SVG."""

    grid: Grid
    record: Record
    results: Sequence[Result]
    curve: str  # "" for a study of seeds alone

    @cached_property
    def bounds(self) -> Floats | None:
        """What `honest_differences` says of the results."""
        return honest_differences([result.by_seed for result in self.results])


def read_results(record: Record) -> list[Result]:
    """A result for each setting, in the order of the runs."""
    by_setting: dict[str, list[Run]] = {}
    for run in record.runs:
        by_setting.setdefault(json.dumps(_without_seed(run.changes)), []).append(run)
    settings = list(by_setting.values())
    differences = _differences(record, settings)
    return [_result(record, *of) for of in zip(settings, differences, strict=True)]


def _result(record: Record, runs: Sequence[Run], difference: Difference | None) -> Result:
    right = _right(runs)
    return Result(
        changes=_without_seed(runs[0].changes),
        by_seed=right.mean(axis=1).tolist(),
        ci95=known_interval(right, list(record.groups.values())),
        difference=difference,
        validation=float(np.mean([run.validation for run in runs])),
        parameters=runs[0].parameters,
        pairs_per_second=float(np.mean([run.pairs_per_second for run in runs])),
    )


def _differences(record: Record, settings: Sequence[Sequence[Run]]) -> list[Difference | None]:
    """Of each setting's runs to the settings as committed; None for these themselves."""
    sizes, reference = list(record.groups.values()), np.stack(list(record.committed.values()))
    committed = _without_seed(record.settings)
    ours = [None if _without_seed(runs[0].changes) == committed else _right(runs) for runs in settings]
    others = [right for right in ours if right is not None]
    bounds = honest_differences([right.mean(axis=1).tolist() for right in (*others, reference)])
    noise = iter([None] * len(others) if bounds is None else bounds[:-1, -1].tolist())
    differences: list[Difference | None] = []
    for right in ours:
        if right is None:
            differences.append(None)
            continue
        lead, ci95 = float(right.mean() - reference.mean()), known_interval(right, sizes, reference)
        differences.append(Difference(lead, ci95, next(noise)))
    return differences


def _right(runs: Sequence[Run]) -> Bits:
    return np.stack([run.right for run in runs])


def _without_seed(changes: dict[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in changes.items() if key != SEED}


def best_under(results: Sequence[Result]) -> list[tuple[int, Result]]:
    """For growing budgets of trained parameters the result that is best on the validation pairs.

    A choice by the test pairs would overfit them.
    """
    best: list[tuple[int, Result]] = []
    for result in sorted(results, key=lambda result: (result.parameters, -result.validation)):
        if not best or result.validation > best[-1][1].validation:
            best.append((result.parameters, result))
    return best


def within_noise(results: Sequence[Result], bounds: Floats) -> list[tuple[Result, Result]]:
    """Neighbours along the grid's first setting, all others equal, that lie closer than seeds move them.

    `bounds`: see `Study.bounds`.
    """
    first = next(iter(results[0].changes))
    lines: dict[str, list[int]] = {}
    for place, result in enumerate(results):
        others = {key: value for key, value in result.changes.items() if key != first}
        lines.setdefault(json.dumps(others), []).append(place)
    return [
        (results[a], results[b])
        for line in lines.values()
        for a, b in pairwise(line)
        if abs(results[b].exact_match - results[a].exact_match) < bounds[a, b]
    ]

"""The runs of a grid, reduced to what its report needs: a bit a question and run, small enough for git."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from vqa.core.errors import InputError
from vqa.core.files import read_object, write_json
from vqa.pairs.pair import ALSO_RIGHT, Pair, split_also_right
from vqa.pairs.predictions import is_right
from vqa.stats.seeds import Bits
from vqa.studies.grid import Value

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

"""A grid of settings: an experiment for each combination, with a name of its own.

Also the settings of the last run, from dvc.lock.
"""

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from vqa.core.errors import InputError
from vqa.core.files import content_hash
from vqa.overlays import read_yaml, refuse_old_name, with_new_names

_LONGEST_NAME, _LONGEST_WORD = 60, 24  # letters of a text that is a name; of the beginning of another

SEED = "train.seed"  # the setting that is no setting: its values are tries of the same
_WORDS = {  # for those whose key does not say it
    "lora.r": "rank",
    "train.images": "train images",
    "train.learning_rate": "peak learning rate",
}
Value = int | float | str | None | list[str]


@dataclass(frozen=True)
class Grid:
    """Every combination of some settings' values: an experiment each."""

    name: str
    why: str  # the comment at the head of its file
    values: Mapping[str, Sequence[Value]]  # "lora.r" → values

    @property
    def title(self) -> str:
        """Its settings in words: "Rank and targets"."""
        named = " and ".join(in_words(key) for key in self.values if key != SEED)
        return (named or "training seeds").capitalize()

    def experiments(self) -> dict[str, dict[str, Value]]:
        """Experiment name ("rank-r8-attention") → the settings it changes.

        Raises:
            InputError: two experiments would have one name.
        """
        by_name: dict[str, dict[str, Value]] = {}
        for combination in itertools.product(*self.values.values()):
            changes = dict(zip(self.values, combination, strict=True))
            name = "-".join([self.name, *(_word(key, value) for key, value in changes.items())])
            if by_name.setdefault(name, changes) != changes:
                raise InputError(
                    f"the grid {self.name} has two experiments called {name}: {by_name[name]} and {changes}; "
                    "leave out one of them"
                )
        return by_name


def select_share(experiments: Mapping[str, dict[str, Value]], share: str) -> dict[str, dict[str, Value]]:
    """A host's part of the experiments, such as "0/4": of every four the first, whatever ran already.

    Raises:
        InputError: it is no K/N with K below N.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", share, re.ASCII)
    first, hosts = (int(number) for number in match.groups()) if match else (0, 0)
    if first >= hosts:
        raise InputError(f"--share is {share!r}; give K/N with K from 0 to N - 1, such as 0/4")
    return dict(itertools.islice(experiments.items(), first, None, hosts))


def committed_values(grid: Grid, params: Mapping[str, Any]) -> dict[str, Value]:
    """What `params`, the content of params.yaml, has where the grid has lists."""
    blocks = {key: key.partition(".") for key in grid.values}
    return {key: params[block][name] for key, (block, _, name) in blocks.items()}


def read_grid(path: Path, params: Mapping[str, Any]) -> Grid:
    """A file of configs/studies/.

    Raises:
        InputError: it is no mapping of keys of `params` to lists of values.
    """
    if not path.is_file():
        grids = ", ".join(str(file) for file in sorted(path.parent.glob("*.yaml")))
        raise InputError(f"{path} is missing; there are {grids or 'no grids'}")
    try:
        text = path.read_text(encoding="utf-8")
        values = read_yaml(text)
    except (UnicodeDecodeError, YAMLError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not values:
        raise InputError(f"{path} must map settings to lists of values, such as lora.r: [8, 16]")
    for key, choices in values.items():
        refuse_old_name(path, str(key))
        block, _, name = str(key).partition(".")
        if name not in params.get(block, {}):
            raise InputError(f"{path}: {key} is no key of params.yaml; see there for what can be varied")
        if not isinstance(choices, list) or not choices:
            raise InputError(f"{path}: {key} is {choices!r}; give a list of values")
    head = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    why = " ".join(line.lstrip("# ") for line in head)
    return Grid(path.stem, why, values)


def in_words(key: str) -> str:
    """A key of params.yaml as people say it: "lora.r" is the rank, "train.batch_size" the batch size."""
    return _WORDS.get(key, key.rpartition(".")[2].replace("_", " "))


def label(value: Value) -> str:
    """As people write it: "attention+mlp", "0.001", "all"."""
    if isinstance(value, list):
        return "+".join(str(item).rsplit(".", 1)[-1] for item in value)
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _word(key: str, value: Value) -> str:
    """Part of an experiment's name: r8, attention-mlp, rate0-001 (a git reference takes no full stops).

    A text that is more than a name, such as a prompt, is called by its beginning and a hash.
    """
    short = "" if isinstance(value, list) else key.rsplit(".", 1)[-1].rsplit("_", 1)[-1]
    word = re.sub(r"[^A-Za-z0-9]+", "-", f"{short}{label(value)}")
    if re.fullmatch(rf"[\w.+/\\:-]{{0,{_LONGEST_NAME}}}", label(value), re.ASCII):
        return word
    return f"{word[:_LONGEST_WORD].strip('-')}-{hashlib.sha256(label(value).encode()).hexdigest()[:6]}"


_JUDGE = "evaluate"  # whose settings the metrics are of, where a run that was killed left stages with two


def settings_of_run(lock: str) -> dict[str, Any]:
    """`lock`, the text of a dvc.lock → "lora.r" → 16, of every setting that a stage ran with, by its name of
    today."""
    stages = (_read(lock) or {}).get("stages", {})
    settings: dict[str, Any] = {}
    for name in sorted(stages, key=lambda name: name == _JUDGE):
        settings |= _flat(stages[name].get("params", {}).get("params.yaml", {}))
    return with_new_names(settings)


def settings_at_hand(params: str) -> dict[str, Any]:
    """`params`, the text of a params.yaml, by the same names."""
    return _flat(_read(params))


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """ "lora.r 16 → 8", for each setting that both have, with another value."""
    return [f"{key} {before[key]} → {now[key]}" for key in before if key in now and before[key] != now[key]]


def other_files(evaluated: Mapping[str, str]) -> list[str]:
    """Of the evaluated files by their SHA-256: those that have changed since, or are gone."""
    return [name for name, digest in evaluated.items() if content_hash(Path(name)) != digest]


def _read(text: str) -> Any:
    return read_yaml(text)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat

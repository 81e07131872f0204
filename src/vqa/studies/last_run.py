"""The settings of the last run, from dvc.lock. Only this file depends on the lock's layout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqa.core.files import content_hash
from vqa.overlays import read_yaml, with_new_names

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

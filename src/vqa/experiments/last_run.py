"""What dvc.lock says of the last run: the settings that it had. Only this file knows the lock's layout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqa.foundation.files import content_hash
from vqa.overlays import read_yaml
from vqa.renamed_settings import with_new_names

_JUDGE = "evaluate"  # whose settings the metrics are of, where a run that was killed left stages with two


def settings_of_run(lock: str) -> dict[str, Any]:
    """`lock`, the text of a dvc.lock → "lora.r" → 16, of every setting that a stage ran with, by its name of
    today."""
    stages = (_read(lock) or {}).get("stages", {})
    found: dict[str, Any] = {}
    for name in sorted(stages, key=lambda name: name == _JUDGE):
        found |= _flat(stages[name].get("params", {}).get("params.yaml", {}))
    return with_new_names(found)


def settings_at_hand(params: str) -> dict[str, Any]:
    """`params`, the text of a params.yaml, by the same names."""
    return _flat(_read(params))


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """ "lora.r 16 → 8", for each setting that both have, with another value."""
    return [f"{key} {before[key]} → {now[key]}" for key in before if key in now and before[key] != now[key]]


def other_files(judged: Mapping[str, str]) -> list[str]:
    """Of files by their SHA-256, as they were when they were judged: those that are others now, or gone."""
    return [name for name, digest in judged.items() if content_hash(Path(name)) != digest]


def _read(text: str) -> Any:
    return read_yaml(text)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found

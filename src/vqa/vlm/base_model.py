"""Which model an adapter was made for: written beside it, and checked before it is used."""

from collections.abc import Mapping
from pathlib import Path

from vqa.core.errors import InputError
from vqa.core.files import read_object, sha256_file, write_json

TRAIN_AGAIN = "dvc repro --force --single-item train"
_BASE = "base_model.json"


def write_base(folder: Path, identity: Mapping[str, str | None]) -> None:
    """Write beside an adapter which model it was made for: `identity` as Pretrained gives it."""
    write_json(folder / _BASE, dict(identity))


def saved_model_name(folder: Path) -> str | None:
    """The model that an adapter was made for; None for one from elsewhere."""
    path = folder / _BASE
    return read_object(path).get("name") if path.is_file() else None


def saved_dtype(folder: Path) -> str | None:
    """The dtype of the frozen weights that an adapter was trained beside; None for one from elsewhere."""
    path = folder / _BASE
    return read_object(path).get("dtype") if path.is_file() else None


def saved_commit(folder: Path) -> str | None:
    """The commit on the hub of the model that an adapter was made for; None for a folder's."""
    path = folder / _BASE
    return read_object(path).get("commit") if path.is_file() else None


def model_version(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of an adapter, by name."""
    return {path.name: sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def check_fits(folder: Path, identity: Mapping[str, str | None]) -> None:
    """Check that an adapter was made for this model, wherever the model lies; one from elsewhere has only
    the model's name.

    Raises:
        InputError: there is no adapter, or it is another model's.
    """
    if not (folder / "adapter_config.json").is_file():
        raise InputError(f"{folder} holds no adapter; run dvc repro train, or dvc pull")
    name = str(identity["name"])
    if (folder / _BASE).is_file():
        base = read_object(folder / _BASE)
        made_for, is_same = base.get("name"), base.get("fingerprint") == identity["fingerprint"]
    else:  # not made here: its tensors will have to fit
        made_for = read_object(folder / "adapter_config.json").get("base_model_name_or_path")
        is_same = Path(str(made_for)).name == Path(name).resolve().name
    if not is_same:
        whose = f"other weights of {name}" if made_for == name else made_for
        raise InputError(
            f"{folder} adapts {whose}, but params.yaml: model.name is {name}; name that model"
            f"{' (pin it by model.revision)' if made_for == name else ''}, or run {TRAIN_AGAIN}"
        )

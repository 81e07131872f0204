"""Which model an adapter was made for: written beside it, and checked before it is used.

A pretrained model's weight files, in a folder or in the hub's cache: which there are, what identifies
them, and whether they fit its configuration.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig
from transformers.modeling_utils import load_state_dict
from transformers.utils import (
    SAFE_WEIGHTS_INDEX_NAME,
    SAFE_WEIGHTS_NAME,
    WEIGHTS_INDEX_NAME,
    WEIGHTS_NAME,
    logging,
)
from transformers.utils.hub import cached_file, extract_commit_hash, get_checkpoint_shard_files

from vqa.core.errors import InputError
from vqa.core.files import read_object, sha256_file, write_json
from vqa.core.known_hashes import KnownHashes
from vqa.settings import NEW_ADAPTER

# In transformers' own order of preference.
_NAMES = (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME, WEIGHTS_NAME, WEIGHTS_INDEX_NAME)
_BLOB = re.compile("[0-9a-f]{64}")
_LFS_POINTER = b"version https://git-lfs"
_SHOWN = 3  # names of tensors in a message


def hub_commit(name: str, revision: str | None) -> str | None:
    """The commit of a hub repository that `revision` (None: the newest) stands for; the cached one when
    offline."""
    commit: str | None = extract_commit_hash(cached_file(name, "config.json", revision=revision), None)
    return commit


def weight_files(name: str, revision: str | None) -> list[Path]:
    """The files that from_pretrained would read: those of the first kind that is there, all its shards.

    Raises:
        OSError: there is none, or a shard is missing.
    """
    for kind in _NAMES:
        path = cached_file(
            name, kind, revision=revision, _raise_exceptions_for_missing_entries=False
        )  # also of a folder
        if path is None:
            continue
        if not kind.endswith(".json"):
            return [Path(path)]
        shards, _ = get_checkpoint_shard_files(name, path, revision=revision)
        return [Path(shard) for shard in shards]
    raise OSError(f"no {' or '.join(_NAMES)}")


def check_json(name: str, file: str, revision: str | None) -> None:
    """A file that may be absent, but not damaged.

    Raises:
        ValueError: it is not JSON.
    """
    path = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False)
    if path is not None:
        try:
            json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error


def weights_hashes(paths: Sequence[Path]) -> list[str]:
    """SHA-256 of each weight file; the hub's cache names large files by it, so that they need not be read."""
    read = KnownHashes("weights")
    blobs = [path.resolve().name for path in paths]
    hashes = [b if _BLOB.fullmatch(b) else read.sha256_file(p) for b, p in zip(blobs, paths, strict=True)]
    read.keep()
    return hashes


def misfits(family: Any, config: PretrainedConfig, files: Sequence[Path]) -> str:
    """Which tensors of a `family` model with `config` the files lack or hold in another shape; "" when all
    fit.

    Unchecked, from_pretrained makes such tensors up, anew each time. Names and shapes alone are read,
    and transformers itself compares them, on the meta device, so that what it renames when it loads is
    renamed here.

    Raises:
        Exception: a file is damaged; whatever its reader raises.
    """
    tensors: dict[str, Any] = {}
    for path in files:
        with path.open("rb") as file:
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise OSError(f"{path} is a Git LFS pointer, not the file itself")
        tensors |= load_state_dict(path, map_location="meta")
    with silent(has_bar=False):
        _, loading_info = family.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            device_map={"": "meta"},
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    missing = sorted(loading_info["missing_keys"])
    wrong = [
        f"{name} {list(there)} for {list(wanted)}"
        for name, there, wanted in sorted(loading_info["mismatched_keys"])
    ]
    unknown = sorted(loading_info["unexpected_keys"]) if missing else []
    kinds = {"missing": missing, "of another shape": wrong, "not in this model": unknown}
    return "; ".join(f"{len(names)} {kind} ({_some(names)})" for kind, names in kinds.items() if names)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


@contextmanager
def silent(has_bar: bool) -> Iterator[None]:
    """In the block transformers prints no table of what is missing; its bar stays where `has_bar`."""
    verbosity, had_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not has_bar:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bar:
            logging.enable_progress_bar()


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


def adapter_to_continue(start_from: str, out: Path, identity: Mapping[str, str | None]) -> Path | None:
    """The folder that train.start_from names; None where it stands for a new adapter.

    Raises:
        InputError: it is no adapter, another model's, or in `out`, which the training writes.
    """
    if start_from == NEW_ADAPTER:
        return None
    start = Path(start_from)
    if out.resolve() in (start.resolve(), *start.resolve().parents):
        raise InputError(
            f"params.yaml: train.start_from is {start}, which DVC empties before this stage runs; copy it "
            f"first: cp -r {out}/best {out.parent}/adapter-mine"
        )
    check_fits(start, identity)
    return start


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

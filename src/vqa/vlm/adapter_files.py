"""An adapter on disk, in PEFT's format and with the names of the whole model.

`PeftModel.from_pretrained(model, folder)`, transformers' `model.load_adapter(folder)` and vLLM look for each
tensor in the model as `from_pretrained` gives it. So that all of them find it, tensors are written as
`base_model.model.language_model.…`, and `target_modules` is a regular expression that matches inside the
adapted parts alone: the ViT also has layers that are called `fc1`. Folders with the names of the bare
language model, which this project wrote before, are read too.
"""

import copy
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftConfig
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils import load_peft_weights
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file, save_file
from torch import Tensor

from vqa.core.errors import InputError, first_line
from vqa.core.files import read_json, read_object, use_umask, write_json
from vqa.vlm.base_model import TRAIN_AGAIN

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."  # PEFT's own, before the name of a module in the wrapped model
# DoRA's vectors. PEFT reads both names, transformers' load_adapter (5.23) the longer alone.
_MAGNITUDE, _LONG_MAGNITUDE = "lora_magnitude_vector", "lora_magnitude_vector.weight"
_OLD_QFORMER, _OLD_PROJECTION = "qformer", "language_projection.safetensors"  # beside the old names
# Initialisations that leave the base weights as they are, or change them the same way at every load. Others
# (pissa_niter_N, lora_ga, corda, loftq) depend on what the file does not hold: reloaded, the adapter is
# another model each time.
_REPEATABLE = (True, False, "gaussian", "orthogonal", "eva", "olora", "pissa")
_LEAVES_BASE = (True, False, "gaussian")


@dataclass(frozen=True)
class Places:
    """Names of an answer model's parts inside the whole model, and the whole model's class.

    `projection` and `qformer` are None where a family has none that could be adapted.
    """

    whole: type
    language_model: str
    projection: str | None
    qformer: str | None = None


@dataclass(frozen=True)
class SavedPart:
    """An adapter of one part of the model: tensors named as PEFT names them in that part alone.

    `place`: the part's name in the whole model, if `config` uses names of that; None: names of the part.
    """

    config: Any
    tensors: dict[str, Tensor]
    place: str | None = None

    def config_within(self, names: Iterable[str]) -> Any:
        """The configuration for the part alone, whose modules are called `names`.

        PEFT itself decides, by their names in the whole model, which of them are adapted.
        """
        config = copy.deepcopy(self.config)
        if self.place is None:
            return config
        before, module_names = f"{self.place}.", list(names)
        config.target_modules = [name for name in module_names if _is_target(self.config, before + name)]
        config.exclude_modules = config.layers_to_transform = config.layers_pattern = None
        for pattern in ("rank_pattern", "alpha_pattern"):
            of_whole = getattr(self.config, pattern, None) or {}
            keys = {name: get_pattern_key(of_whole, before + name) for name in config.target_modules}
            renamed = {re.escape(name): of_whole[key] for name, key in keys.items() if key in of_whole}
            setattr(config, pattern, renamed)
        saved = [name.removeprefix(before) for name in config.modules_to_save or ()]
        config.modules_to_save = [name for name in saved if any(_ends(n, name) for n in module_names)] or None
        return config


@dataclass(frozen=True)
class SavedAdapter:
    """What a folder holds; `projection` is a state dict, empty where it was not trained."""

    language_model: SavedPart
    qformer: SavedPart | None
    projection: dict[str, Tensor]


def _is_target(config: Any, name: str) -> bool:
    match = check_target_module_exists(config, name)
    return bool(match) and type(match).__name__ != "_ExcludedModule"


def _ends(name: str, ending: str) -> bool:
    return name == ending or name.endswith(f".{ending}")


def write_adapter(
    folder: Path,
    config: Any,
    places: Places,
    tensors: Mapping[str, Mapping[str, Tensor]],
    targets: Mapping[str, Iterable[str] | str],
    projection: Mapping[str, Tensor],
) -> None:
    """Write an adapter with the names of the whole model; equal adapters become equal bytes.

    Args:
        config: PEFT's, of the language model's adapter.
        tensors: of "language_model" and, where it is adapted, "qformer", as `get_peft_model_state_dict` gives
            them.
        targets: the module names that each of these was adapted by.
        projection: a state dict, empty where the projection does not train.
    """
    place = {"language_model": places.language_model, "qformer": str(places.qformer)}
    named = {f"{_PREFIX}{places.projection}.{name}": tensor for name, tensor in projection.items()}
    for part, of_part in tensors.items():
        named |= {f"{_PREFIX}{place[part]}.{n.removeprefix(_PREFIX)}": t for n, t in of_part.items()}
    written = copy.deepcopy(config)
    written.target_modules = "|".join(_matching(place[part], targets[part]) for part in tensors)
    written.task_type = None  # PEFT's are for bare language models
    written.modules_to_save = [places.projection] if projection else None
    written.auto_mapping = {
        "base_model_class": places.whole.__name__,
        "parent_library": places.whole.__module__,
    }
    written.inference_mode = True
    folder.mkdir(parents=True, exist_ok=True)
    long = {f"{n}.weight" if n.endswith(_MAGNITUDE) else n: t.contiguous() for n, t in named.items()}
    save_file(dict(sorted(long.items())), folder / WEIGHTS, {"format": "pt"})
    use_umask(folder / WEIGHTS)
    written.save_pretrained(folder)
    write_json(folder / CONFIG, read_json(folder / CONFIG))  # whole, and ending in a newline


def copy_adapter(source: Path, target: Path, places: Places) -> None:
    """Copy an adapter and the files beside it; an old form is rewritten with the names of the whole model."""
    shutil.copytree(source, target)
    saved = read_adapter(source, places, "cpu")
    if saved.language_model.place is not None:
        return
    shutil.rmtree(target / _OLD_QFORMER, ignore_errors=True)
    (target / _OLD_PROJECTION).unlink(missing_ok=True)
    parts = {"language_model": saved.language_model}
    if saved.qformer is not None:
        parts["qformer"] = saved.qformer
    write_adapter(
        target,
        saved.language_model.config,
        places,
        {name: part.tensors for name, part in parts.items()},
        {name: part.config.target_modules for name, part in parts.items()},
        saved.projection,
    )


def _matching(place: str, names: Iterable[str] | str) -> str:
    """The pattern that PEFT matches against a module's whole name. A string is a pattern already."""
    if isinstance(names, str):
        return rf"{re.escape(place)}\.(?:{names})"
    names = sorted(names)
    return rf"{re.escape(place)}\.(?:.*\.)?(?:{'|'.join(map(re.escape, names))})"


def read_adapter(folder: Path, places: Places, device: str) -> SavedAdapter:
    """Read an adapter for a model whose parts are at `places`.

    Raises:
        InputError: it is no adapter of such a model; it adapts parts that are cached away or not known here;
            or its weights alone do not say what it was (see `_REPEATABLE`).
    """
    config = _read_config(folder)
    if not (folder / WEIGHTS).is_file():  # PEFT would ask the hub, or read a pickle, which can run code
        raise InputError(
            f"{folder / WEIGHTS} is missing; restore it, save the adapter as safetensors, or run "
            f"{TRAIN_AGAIN}"
        )
    read = load_peft_weights(str(folder), device=device)
    tensors = {n.removesuffix(".weight") if n.endswith(_LONG_MAGNITUDE) else n: t for n, t in read.items()}
    if not any(name.startswith(f"{_PREFIX}{places.language_model}.") for name in tensors):
        return _read_old(folder, config, tensors, device)
    language_model = _taken(tensors, places.language_model)
    qformer = _taken(tensors, places.qformer) if places.qformer else {}
    projection = _taken(tensors, places.projection) if places.projection else {}
    if homeless := [*tensors, *(name for name in projection if "lora_" in name)]:
        raise InputError(
            f"{folder / WEIGHTS} has {len(homeless)} tensors for what is not adapted here ({homeless[0]}): "
            "only the language model can be, and of BLIP-2 the projection, whole, and the Q-Former"
        )
    return SavedAdapter(
        SavedPart(config, language_model, places.language_model),
        SavedPart(config, qformer, places.qformer) if qformer else None,
        {name.removeprefix(_PREFIX): tensor for name, tensor in projection.items()},
    )


def _taken(tensors: dict[str, Tensor], place: str) -> dict[str, Tensor]:
    """Take the tensors of the part at `place` out of `tensors`, named as in that part alone."""
    before = f"{_PREFIX}{place}."
    names = [name for name in tensors if name.startswith(before)]
    return {_PREFIX + name.removeprefix(before): tensors.pop(name) for name in names}


def _read_config(folder: Path) -> Any:
    content = read_object(folder / CONFIG)
    if content.get("peft_type") != "LORA":
        raise InputError(
            f"{folder / CONFIG} says peft_type: {content.get('peft_type')!r}, which is not read here; give a "
            "LoRA adapter"
        )
    how = content.get("init_lora_weights", True)
    if how not in _REPEATABLE:
        raise InputError(
            f"{folder / CONFIG} says init_lora_weights: {how!r}, which changed the base weights by numbers "
            "that the file does not hold: loaded again, it is another model each time. Save it as a plain "
            "LoRA: PEFT's save_pretrained with path_initial_model_for_weight_conversion"
        )
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{folder / CONFIG} is no configuration that PEFT reads ({first_line(error)}); restore it, or "
            f"run {TRAIN_AGAIN}"
        ) from error
    config.inference_mode = True
    return config


def _read_old(folder: Path, config: Any, tensors: dict[str, Tensor], device: str) -> SavedAdapter:
    """Read the old form: names of the bare language model, and the other parts in files beside it."""
    qformer, projection = folder / _OLD_QFORMER, folder / _OLD_PROJECTION
    attached = load_peft_weights(str(qformer), device=device) if qformer.is_dir() else {}
    return SavedAdapter(
        SavedPart(config, tensors),
        SavedPart(_read_config(qformer), attached) if attached else None,
        load_file(projection, device=device) if projection.is_file() else {},
    )


def changes_base(config: Any) -> bool:
    """Whether the base weights are other ones beside the adapter, as PiSSA's are."""
    return getattr(config, "init_lora_weights", True) not in _LEAVES_BASE


def replaces_biases(folder: Path) -> bool:
    """Whether the adapter in the folder replaces biases of the model."""
    return bool(read_object(folder / CONFIG).get("bias", "none") != "none")

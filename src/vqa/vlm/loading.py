"""Where a model comes from, a folder or the hub; what identifies it; the parts of it that a stage needs."""

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    BitsAndBytesConfig,
    PretrainedConfig,
)
from transformers.utils import GENERATION_CONFIG_NAME

from vqa.core.devices import TOO_LARGE, from_first, frozen_dtype, in_memory, limit_threads, mention_bfloat16
from vqa.core.errors import InputError, first_line, is_of_the_machine
from vqa.settings import Model
from vqa.vlm.base_model import check_json, hub_commit, misfits, silent, weight_files, weights_hashes
from vqa.vlm.blip2 import Level
from vqa.vlm.families import Family, find_family
from vqa.vlm.interfaces import AnswerModel, ImageEncoder

# Keys that do not change what an image becomes.
_NOISE = (
    "_name_or_path",
    "transformers_version",
    "processor_class",
    "image_processor_type",
    "dtype",
    "torch_dtype",
)


@dataclass(frozen=True)
class Pretrained:
    """A local folder or a hub id with its revision, and how its weights are held."""

    name: str
    revision: str | None = None
    dtype: str = "auto"  # see `frozen_dtype`
    quantization: str = "none"  # of the language model: none, 8bit, 4bit

    @classmethod
    def of(cls, settings: Model) -> "Pretrained":
        return cls(settings.name, settings.revision, settings.dtype, settings.quantization)

    @property
    def config(self) -> PretrainedConfig:
        """Its configuration, of a family that there is here."""
        with self._readable():
            return self._config

    @property
    def kind(self) -> str:
        """Its family, as transformers calls it: blip-2, llava, …"""
        return str(self.config.model_type)

    def check(self) -> None:
        """Check that what every later stage needs is there and fits: all weights, tokenizer, pixels.

        Only headers of weight files are read. The first stage that uses the model calls this, so
        that no problem shows only after all images were encoded.

        Raises:
            InputError: nothing by that name, damaged, no BLIP-2, or weights that are missing or do not fit.
        """
        with self._readable():
            problem = misfits(self._family.model_class, self._config, self._weight_files)
            check_json(self.name, GENERATION_CONFIG_NAME, self._revision)  # its loader passes over damage
        if problem:
            raise InputError(
                f"{self._named} has weights that do not fit its config.json: {problem}; {self._restore}"
            )
        self.load_processor()

    def load(self, device: torch.device) -> Any:
        """The whole model in evaluation mode, in the dtype for `device`.

        Raises:
            InputError: as `check`, or it cannot be quantised here, or does not fit into memory.
        """
        return self._load(device, left_out=())

    def load_encoder(self, device: torch.device, level: Level) -> ImageEncoder:
        """The image encoder alone, on `device`; see `load`."""
        model = self._load(device, self._family.unseen(level))
        return self._family.image_encoder(model, self.load_processor(), device, level)

    def load_answer_model(self, prompt: str, device: torch.device, level: Level) -> AnswerModel:
        """The answer model alone, on `device`; see `load`."""
        model = self._load(device, self._family.unspoken(level))
        return self._family.answer_model(model, self.load_processor(), prompt, device, level).eval()

    def load_model_parts(
        self, prompt: str, device: torch.device, level: Level
    ) -> tuple[ImageEncoder, AnswerModel]:
        """Image encoder and answer model of one model, on `device`; see `load`."""
        model = self.load(device)
        return self.split_model(model, prompt, device, level)

    def split_model(
        self, model: Any, prompt: str, device: torch.device, level: Level
    ) -> tuple[ImageEncoder, AnswerModel]:
        """Image encoder and answer model of a model that `load` gave; both hold its modules."""
        processor = self.load_processor()
        frozen = self._family.image_encoder(model, processor, device, level)
        return frozen, self._family.answer_model(model, processor, prompt, device, level).eval()

    def load_processor(self) -> Any:
        """Tokenizer and image processor; the PIL backend, so that pixels do not depend on torchvision.

        Raises:
            InputError: they cannot be read, or do not fit the model.
        """
        with self._readable():
            processor = self._family.processor(self.name, self._revision, self._image_processor)
        if problem := self._family.misfit(processor):
            raise InputError(f"{self._named} {problem}; {self._restore}")
        return processor

    def identity(self, device: torch.device) -> dict[str, str | None]:
        """What made a row of features on `device`.

        `fingerprint` of the weights and of the image encoder's shape, `processor` of pixels and the `dtype`
        in use decide; `name` and `commit` (of the hub, None for a folder) say where they came from. The
        same weights are the same model, whatever they are called and wherever they lie.
        """
        return {
            "name": self.name,
            "commit": self._commit,
            "dtype": str(frozen_dtype(self.dtype, device)).removeprefix("torch."),
            "fingerprint": self._fingerprint,
            "processor": _digest(self._image_processor.to_dict()),
        }

    def _load(self, device: torch.device, left_out: tuple[str, ...]) -> Any:
        options = self._quantized(device)
        if not options and device.type != "cpu":
            options = {"device_map": {"": device}}  # straight there, not through main memory

        def load() -> tuple[Any, dict[str, Any]]:
            kind = _without(self._family.model_class, left_out)
            loaded: tuple[Any, dict[str, Any]] = kind.from_pretrained(
                self.name,
                revision=self._revision,
                dtype=frozen_dtype(self.dtype, device),
                ignore_mismatched_sizes=True,  # we refuse them below, by name
                output_loading_info=True,
                **options,
            )
            return loaded

        with self._readable(), silent(has_bar=sys.stderr.isatty()):
            model, loading_info = in_memory(load, f"{self.name} does not fit on {device}", TOO_LARGE)
        if loading_info["missing_keys"] or loading_info["mismatched_keys"]:
            self.check()
            raise InputError(
                f"{self._named} lacks {sorted(loading_info['missing_keys'])[:3]}; {self._restore}"
            )
        parameters = sum(parameter.numel() for parameter in model.parameters())
        limit_threads(parameters)
        mention_bfloat16(self.dtype, device, parameters)
        return model.eval()

    @property
    def _named(self) -> str:
        return f"{self.name}, params.yaml's model.name,"

    @property
    def _restore(self) -> str:
        if (folder := Path(self.name)).is_dir():
            made = f" as {folder / 'README.md'} says" if (folder / "README.md").is_file() else ""
            return f"restore the folder{made}, or give another"
        return f"download it again: hf download {self.name} --force-download"

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """In the block a library's error about a damaged file becomes one sentence."""
        try:
            self._family  # noqa: B018 – raises first where no model is there, or none that can be split
            yield
        except (InputError, MemoryError):
            raise
        except Exception as error:
            if is_of_the_machine(error) or "CUDA" in str(error):
                raise
            raise InputError(
                f"{self._named} is missing or damaged ({first_line(error)}); {self._restore}"
            ) from error

    @cached_property
    def _config(self) -> PretrainedConfig:
        try:
            config = AutoConfig.from_pretrained(self.name, revision=self._revision)
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(
                f"params.yaml: model.name is {self.name!r}, but no model can be read there; give a "
                f"BLIP-2 folder or a hub id such as Salesforce/blip2-opt-2.7b ({first_line(error)})"
            ) from error
        return config

    @cached_property
    def _family(self) -> Family:
        return find_family(self._config, self.name)

    @cached_property
    def _commit(self) -> str | None:
        """Of the hub repository; None for a folder."""
        try:
            return None if Path(self.name).is_dir() else hub_commit(self.name, self.revision)
        except (OSError, ValueError):
            return None  # the next read reports that nothing is there

    @property
    def _revision(self) -> str | None:
        """The commit at which everything is read, though the hub may gain another in between."""
        return self._commit or self.revision

    @cached_property
    def _weight_files(self) -> list[Path]:
        return weight_files(self.name, self._revision)

    @cached_property
    def _fingerprint(self) -> str:
        with self._readable():
            weights = from_first(lambda: sorted(weights_hashes(self._weight_files)))
        return _digest({"weights": weights, **self._family.frozen})

    @cached_property
    def _image_processor(self) -> Any:
        with self._readable():
            return AutoImageProcessor.from_pretrained(self.name, revision=self._revision, backend="pil")

    def _quantized(self, device: torch.device) -> dict[str, Any]:
        """What from_pretrained needs to quantise the language model alone: the rest is small or frozen."""
        if self.quantization == "none":
            return {}
        if device.type != "cuda" or find_spec("bitsandbytes") is None:
            raise InputError(
                f"params.yaml: model.quantization is {self.quantization!r}, which needs a CUDA GPU and "
                "bitsandbytes (pip install bitsandbytes); set it to none"
            )
        config = BitsAndBytesConfig(
            load_in_8bit=self.quantization == "8bit",
            load_in_4bit=self.quantization == "4bit",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=frozen_dtype(self.dtype, device),
            llm_int8_skip_modules=self._family.unquantized,
        )
        return {"quantization_config": config, "device_map": {"": device}}


def _without(whole: Any, parts: Sequence[str]) -> Any:
    """The class `whole` without `parts`: transformers' own loader then reads all but theirs."""
    if not parts:
        return whole

    class Part(whole):
        _keys_to_ignore_on_load_unexpected: ClassVar = [rf"^{re.escape(part)}\b" for part in parts]

        def __init__(self, config: PretrainedConfig) -> None:
            super().__init__(config)
            for part in parts:
                module, _, name = part.rpartition(".")
                delattr(self.get_submodule(module), name)
            self._is_hf_initialized = True  # what is left gets its weights from files
            if any(part.endswith(("language_model", "text_model")) for part in parts):
                self.all_tied_weights_keys: dict[str, str] = {}

    # By these names transformers finds what to rename in older checkpoints.
    Part.__name__, Part.__module__ = whole.__name__, whole.__module__
    return Part


def _digest(settings: Mapping[str, Any]) -> str:
    decisive = {key: _without_noise(value) for key, value in settings.items() if key not in _NOISE}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


def _without_noise(value: Any) -> Any:
    return {k: v for k, v in value.items() if k not in _NOISE} if isinstance(value, dict) else value

"""Where a BLIP-2 comes from, a folder or the hub; what identifies it; and the parts of it that a stage
needs."""

import hashlib
import json
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
    Blip2ForConditionalGeneration,
    Blip2Processor,
    PretrainedConfig,
)
from transformers.utils import GENERATION_CONFIG_NAME

from vqa.foundation.devices import from_first, frozen_dtype, use_threads_for
from vqa.foundation.errors import InputError, first_line, is_of_the_machine
from vqa.foundation.memory import TOO_LARGE, in_memory
from vqa.settings import Model
from vqa.vlm.blip2 import AnswerModel, ImageEncoder, Level
from vqa.vlm.tokens import IMAGE_TOKEN
from vqa.vlm.weights import check_json, commit_of, misfits, silent, weight_files, weights_hashes

_SIGHT = ("vision_model", "qformer", "query_tokens")
_LANGUAGE = ("language_model", "language_projection")
# Says nothing about what a picture becomes.
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

    def check(self) -> None:
        """What every later stage will need is there and fits: weights of both halves, tokenizer, pixels.

        Only headers of weight files are read. For the first stage that uses the model, so that nothing is
        found out after all pictures were encoded.

        Raises:
            InputError: nothing by that name, damaged, no BLIP-2, or weights that are missing or do not fit.
        """
        with self._readable():
            problem = misfits(Blip2ForConditionalGeneration, self._config, self._weight_files)
            check_json(self.name, GENERATION_CONFIG_NAME, self._revision)  # its loader passes over damage
        if problem:
            raise InputError(
                f"{self._named} has weights that do not fit its config.json: {problem}; {self._restore}"
            )
        self._check_processor(self.load_processor())

    def _check_processor(self, processor: Blip2Processor) -> None:
        side, size = self._config.vision_config.image_size, dict(processor.image_processor.size)
        if {size.get("height"), size.get("width")} != {side}:
            raise InputError(
                f"{self._named} makes pictures of {size}, but its config.json wants {side} pixels a side; "
                f"{self._restore}"
            )
        ids = processor.tokenizer.get_vocab()
        rows = self._config.text_config.vocab_size
        beyond = [token for token, number in ids.items() if number >= rows and token != IMAGE_TOKEN]
        if beyond:
            raise InputError(
                f"{self._named} has a tokenizer with {len(beyond)} tokens ({beyond[0]!r}) that its "
                f"{rows} embeddings have no row for; {self._restore}"
            )

    def load(self, device: torch.device) -> Blip2ForConditionalGeneration:
        """The whole model in evaluation mode, in the dtype for `device`.

        Raises:
            InputError: as `check`, or it cannot be quantised here, or does not fit into memory.
        """
        return self._load(device, left_out=())

    def load_encoder(self, device: torch.device, level: Level) -> ImageEncoder:
        """The frozen half alone, on `device`; see `load`."""
        left_out = (*_LANGUAGE, "qformer", "query_tokens") if level == "vit" else _LANGUAGE
        return ImageEncoder(self._load(device, left_out), self.load_processor(), device, level)

    def load_answer_model(self, prompt: str, device: torch.device, level: Level) -> AnswerModel:
        """The live half alone, on `device`; see `load`."""
        left_out = ("vision_model",) if level == "vit" else _SIGHT
        return AnswerModel(self._load(device, left_out), self.load_processor(), prompt, device, level).eval()

    def load_processor(self) -> Blip2Processor:
        """Tokenizer and image processor; the PIL backend, so that pixels do not depend on torchvision.

        Models from before November 2024 know no image token and how many there are: both are added.
        """
        with self._readable():
            processor = Blip2Processor.from_pretrained(self.name, revision=self._revision)
            processor.num_query_tokens = self._config.num_query_tokens
            processor.image_processor = self._image_processor
        return processor

    def identity(self, device: torch.device) -> dict[str, str | None]:
        """What made a row of features on `device`.

        `fingerprint` of the weights and of the frozen half's shape, `processor` of pixels and the `dtype`
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

    def _load(self, device: torch.device, left_out: tuple[str, ...]) -> Blip2ForConditionalGeneration:
        options = self._quantized(device)
        if not options and device.type != "cpu":
            options = {"device_map": {"": device}}  # straight there, not through main memory

        def load() -> tuple[Blip2ForConditionalGeneration, dict[str, Any]]:
            loaded: tuple[Blip2ForConditionalGeneration, dict[str, Any]] = _without(left_out).from_pretrained(
                self.name,
                revision=self._revision,
                dtype=frozen_dtype(self.dtype, device),
                ignore_mismatched_sizes=True,  # we refuse them below, by name
                output_loading_info=True,
                **options,
            )
            return loaded

        with self._readable(), silent(has_bar=sys.stderr.isatty()):
            model, found = in_memory(load, f"{self.name} does not fit on {device}", TOO_LARGE)
        if found["missing_keys"] or found["mismatched_keys"]:
            self.check()
            raise InputError(f"{self._named} lacks {sorted(found['missing_keys'])[:3]}; {self._restore}")
        use_threads_for(sum(parameter.numel() for parameter in model.parameters()))
        return model.eval()

    @property
    def _named(self) -> str:
        return f"{self.name}, params.yaml's model.name,"

    @property
    def _restore(self) -> str:
        if Path(self.name).is_dir():
            return "restore the folder, or give another"
        return f"download it again: hf download {self.name} --force-download"

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What is read in the block may be damaged: a library's traceback becomes a sentence."""
        try:
            self._config  # noqa: B018 – says first that nothing is there, or no BLIP-2
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
        if config.model_type != "blip-2":
            raise InputError(
                f"params.yaml: model.name is {self.name!r}, which is a {config.model_type} model, "
                "not BLIP-2; give a BLIP-2 folder or a hub id such as Salesforce/blip2-opt-2.7b"
            )
        return config

    @cached_property
    def _commit(self) -> str | None:
        """Of the hub repository; None for a folder."""
        try:
            return None if Path(self.name).is_dir() else commit_of(self.name, self.revision)
        except (OSError, ValueError):
            return None  # whoever reads more says that nothing is there

    @property
    def _revision(self) -> str | None:
        """Everything is read at one commit, though the hub may gain another in between."""
        return self._commit or self.revision

    @cached_property
    def _weight_files(self) -> list[Path]:
        return weight_files(self.name, self._revision)

    @cached_property
    def _fingerprint(self) -> str:
        with self._readable():
            weights = from_first(lambda: sorted(weights_hashes(self._weight_files)))
        frozen = [self._config.vision_config.to_dict(), self._config.qformer_config.to_dict()]
        return _digest({"weights": weights, "vision": frozen[0], "qformer": frozen[1]})

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
            llm_int8_skip_modules=["vision_model", "qformer", "language_projection", "lm_head"],
        )
        return {"quantization_config": config, "device_map": {"": device}}


def _without(parts: Sequence[str]) -> type[Blip2ForConditionalGeneration]:
    """BLIP-2 that lacks `parts`: transformers' own loader then reads all but theirs."""

    class Part(Blip2ForConditionalGeneration):
        _keys_to_ignore_on_load_unexpected: ClassVar = [rf"^{part}\b" for part in parts]

        def __init__(self, config: PretrainedConfig) -> None:
            super().__init__(config)
            for part in parts:
                delattr(self, part)
            if "language_model" in parts:
                self.all_tied_weights_keys: dict[str, str] = {}

    return Part if parts else Blip2ForConditionalGeneration


def _digest(settings: Mapping[str, Any]) -> str:
    kept = {key: _without_noise(value) for key, value in settings.items() if key not in _NOISE}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def _without_noise(value: Any) -> Any:
    return {k: v for k, v in value.items() if k not in _NOISE} if isinstance(value, dict) else value

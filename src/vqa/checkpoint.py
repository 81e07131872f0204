"""Where a BLIP-2 comes from, a folder or the hub, and what identifies it."""

import hashlib
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    BitsAndBytesConfig,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    PretrainedConfig,
)

from vqa.blip2 import AnswerModel, Level
from vqa.devices import frozen_dtype
from vqa.errors import InputError, first_line
from vqa.files import undamaged
from vqa.settings import Model


@dataclass(frozen=True)
class Checkpoint:
    """A local folder or a hub id with its revision, and how its weights are held."""

    name: str
    revision: str | None = None
    dtype: str = "auto"  # see `frozen_dtype`
    quantization: str = "none"  # of the language model: none, 8bit, 4bit

    @classmethod
    def of(cls, settings: Model) -> "Checkpoint":
        return cls(settings.name, settings.revision, settings.dtype, settings.quantization)

    def load(self, device: torch.device) -> Blip2ForConditionalGeneration:
        """The whole model in evaluation mode, in the dtype for `device`; on the CPU unless it is quantised.

        Raises:
            InputError: nothing by that name, damaged, no BLIP-2, or it cannot be quantised here.
        """
        self._check()
        quantized = self._quantized(device)
        with undamaged(f"{self.name}, params.yaml's model.name,", "restore the folder or its download"):
            model = Blip2ForConditionalGeneration.from_pretrained(
                self.name, revision=self.revision, dtype=frozen_dtype(self.dtype, device), **quantized
            )
        return model.eval()

    def load_answer_model(self, prompt: str, device: torch.device, level: Level) -> AnswerModel:
        """The live half alone, on `device`."""
        return AnswerModel(self.load(device), self.load_processor(), prompt, device, level).eval()

    def load_processor(self) -> Blip2Processor:
        """Tokenizer and image processor; the PIL backend, so that pixels do not depend on torchvision."""
        self._check()
        processor = Blip2Processor.from_pretrained(self.name, revision=self.revision)
        processor.image_processor = self._image_processor()
        return processor

    def identity(self) -> dict[str, str | None]:
        """`name`, `revision`, `dtype` as configured, `fingerprint` of the weights, `processor` of pixels.

        A local folder's fingerprint is a SHA-256 over its files; a hub model's is its commit.
        """
        image_settings = json.dumps(self._image_processor().to_dict(), sort_keys=True, default=str)
        return {
            "name": self.name,
            "revision": self.revision,
            "dtype": self.dtype,
            "fingerprint": self._fingerprint(),
            "processor": hashlib.sha256(image_settings.encode()).hexdigest(),
        }

    def _fingerprint(self) -> str:
        folder = Path(self.name)
        if not folder.is_dir():
            return str(self._check()._commit_hash)
        digest = hashlib.sha256()
        for path in sorted(folder.glob("*")):
            if path.suffix in {".safetensors", ".bin"} or path.name.endswith("config.json"):
                digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def _image_processor(self) -> Any:
        self._check()
        return AutoImageProcessor.from_pretrained(self.name, revision=self.revision, backend="pil")

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

    def _check(self) -> PretrainedConfig:
        try:
            config = AutoConfig.from_pretrained(self.name, revision=self.revision)
        except (OSError, ValueError) as error:
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

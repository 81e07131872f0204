"""What differs between model families when they load: class, parts, processor, identity of a feature row."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import AutoTokenizer, Blip2ForConditionalGeneration, Blip2Processor
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
from transformers.utils.hub import cached_file

from vqa.core.errors import InputError
from vqa.vlm import blip2, image_text_model
from vqa.vlm.blip2 import Level
from vqa.vlm.interfaces import AnswerModel, ImageEncoder
from vqa.vlm.prompts import PromptTokens
from vqa.vlm.tokens import tokenizer_misfit

# Files that make a processor, of which a folder has some.
_PROCESSOR_FILES = (
    "processor_config.json",
    "preprocessor_config.json",
    "chat_template.jinja",
    "chat_template.json",
)


class Family(Protocol):
    """A family of models that split into image encoder and answer model, with one configuration."""

    @property
    def model_class(self) -> Any:
        """The whole model's."""

    @property
    def frozen(self) -> Mapping[str, Any]:
        """What decides a row's numbers beside the weights."""

    @property
    def projection(self) -> str | None:
        """The part between features and language model; None where features are cached behind it."""

    @property
    def unquantized(self) -> list[str]:
        """Modules that stay as they are when the language model is quantised: small or frozen ones."""

    def unseen(self, level: Level) -> tuple[str, ...]:
        """Parts that the image encoder does without."""

    def unspoken(self, level: Level) -> tuple[str, ...]:
        """Parts that the answer model does without."""

    def processor(self, name: str, revision: str | None, image_processor: Any) -> Any:
        """Tokenizer and image processor, both with `save_pretrained`."""

    def misfit(self, processor: Any) -> str:
        """Why the processor does not fit the model; "" when it does."""

    def image_encoder(
        self, model: Any, processor: Any, device: torch.device, level: Level
    ) -> ImageEncoder: ...

    def answer_model(
        self, model: Any, processor: Any, prompt: str, device: torch.device, level: Level
    ) -> AnswerModel: ...


def find_family(config: Any, name: str) -> Family:
    """The family that `config`, of the model `name`, belongs to.

    Raises:
        InputError: it has none here; it says why.
    """
    kind = str(config.model_type)
    if kind == "blip-2":
        return Blip2(config)
    if kind in image_text_model.PARTS:
        return ImageTextFamily(config)
    kinds = ", ".join(["blip-2", *image_text_model.PARTS])
    raise InputError(
        f"params.yaml: model.name is {name!r}, which is a {kind} model, and {_reason(config)}; give the "
        f"folder or hub id of a model of one of the kinds {kinds}, such as Salesforce/blip2-opt-2.7b"
    )


def _reason(config: Any) -> str:
    """Why features of a model's images cannot be cached here."""
    if str(config.model_type).startswith("instructblip"):
        return "its Q-Former reads the question too, so that no image has features of its own"
    whole = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING.get(type(config), None)
    if whole is None:
        return "it answers no questions about images in transformers"
    if "mm_encoder_outputs" not in signature(whole.forward).parameters:
        return "transformers cannot take its images' features apart from their pixels"
    return "no test here holds its answers from cached features to those from pixels"


@dataclass(frozen=True)
class Blip2:
    """BLIP-2; see `Family`."""

    config: Any

    @property
    def model_class(self) -> Any:
        return Blip2ForConditionalGeneration

    @property
    def frozen(self) -> Mapping[str, Any]:
        return {
            "vision": self.config.vision_config.to_dict(),
            "qformer": self.config.qformer_config.to_dict(),
        }

    @property
    def projection(self) -> str:
        return "language_projection"

    @property
    def unquantized(self) -> list[str]:
        return ["vision_model", "qformer", self.projection, "lm_head"]

    def unseen(self, level: Level) -> tuple[str, ...]:
        language = ("language_model", self.projection)
        return (*language, "qformer", "query_tokens") if level == "vit" else language

    def unspoken(self, level: Level) -> tuple[str, ...]:
        return ("vision_model",) if level == "vit" else ("vision_model", "qformer", "query_tokens")

    def processor(self, name: str, revision: str | None, image_processor: Any) -> Blip2Processor:
        """Models from before November 2024 have no image token and no count of it: both are added."""
        processor = Blip2Processor.from_pretrained(name, revision=revision)
        processor.num_query_tokens = self.config.num_query_tokens
        processor.image_processor = image_processor
        return processor

    def misfit(self, processor: Blip2Processor) -> str:
        side, size = self.config.vision_config.image_size, dict(processor.image_processor.size)
        if {size.get("height"), size.get("width")} != {side}:
            return f"makes images of {size}, but its config.json wants {side} pixels a side"
        return tokenizer_misfit(processor.tokenizer, self.config.text_config.vocab_size)

    def image_encoder(self, model: Any, processor: Any, device: torch.device, level: Level) -> ImageEncoder:
        return blip2.Blip2ImageEncoder(model, processor, device, level)

    def answer_model(
        self, model: Any, processor: Any, prompt: str, device: torch.device, level: Level
    ) -> AnswerModel:
        return blip2.Blip2AnswerModel(model, processor, prompt, device, level)


@dataclass(frozen=True)
class ImageTextProcessor:
    """What a model's own processor is made of, without the part that transformers asks for videos."""

    tokenizer: Any
    image_processor: Any
    chat_template: str | None
    files: tuple[Path, ...]

    def save_pretrained(self, folder: Path) -> None:
        """The files that transformers makes the whole processor from."""
        self.tokenizer.save_pretrained(folder)
        for file in self.files:
            (folder / file.name).write_bytes(file.read_bytes())


@dataclass(frozen=True)
class ImageTextFamily:
    """An image-text model; see `Family`."""

    config: Any

    @property
    def model_class(self) -> Any:
        return MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(self.config)]

    @property
    def frozen(self) -> Mapping[str, Any]:
        text = ("text_config", "architectures")
        return {"model": {key: value for key, value in self.config.to_dict().items() if key not in text}}

    @property
    def projection(self) -> str | None:
        is_live = image_text_model.is_cut_before_projector(self.config)
        return f"model.{self._parts.projector}" if is_live else None

    @property
    def unquantized(self) -> list[str]:
        parts = self._parts
        return [f"model.{part}" for part in (*parts.sight, parts.projector) if part] + ["lm_head"]

    @property
    def _parts(self) -> image_text_model.Parts:
        return image_text_model.PARTS[self.config.model_type]

    def unseen(self, level: Level) -> tuple[str, ...]:
        return (f"model.{self._parts.language}", "lm_head")

    def unspoken(self, level: Level) -> tuple[str, ...]:
        parts = self._parts
        is_dropped = parts.projector and not self.projection
        return tuple(f"model.{p}" for p in (*parts.sight, *([parts.projector] if is_dropped else [])))

    def processor(self, name: str, revision: str | None, image_processor: Any) -> ImageTextProcessor:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
        processor_files = {
            file: cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False)
            for file in _PROCESSOR_FILES
        }
        files = tuple(Path(path) for path in processor_files.values() if path)
        return ImageTextProcessor(tokenizer, image_processor, _template(tokenizer, files), files)

    def misfit(self, processor: ImageTextProcessor) -> str:
        return tokenizer_misfit(processor.tokenizer, self.config.get_text_config().vocab_size)

    def image_encoder(self, model: Any, processor: Any, device: torch.device, level: Level) -> ImageEncoder:
        """See `Family`.

        Raises:
            InputError: `level` is one that only BLIP-2 has.
        """
        if level != "qformer":
            raise InputError(
                f"params.yaml: features.level is {level!r}, which only BLIP-2 has; set it to qformer: what a "
                f"{self.config.model_type} keeps of an image does not depend on it"
            )
        return image_text_model.ImageTextEncoder(model, processor.image_processor, device)

    def answer_model(
        self, model: Any, processor: Any, prompt: str, device: torch.device, level: Level
    ) -> AnswerModel:
        tokens = PromptTokens(processor.tokenizer, self.config, prompt, processor.chat_template)
        return image_text_model.ImageTextAnswerModel(model, tokens, device)


def _template(tokenizer: Any, files: tuple[Path, ...]) -> str | None:
    """The chat template; older checkpoints keep it where only the processor reads it."""
    if tokenizer.chat_template is not None:
        return str(tokenizer.chat_template)
    for file in files:
        if file.suffix == ".json" and (template := json.loads(file.read_text()).get("chat_template")):
            return str(template)
    return None

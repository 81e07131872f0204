"""Answer models at published widths with random weights, for benchmarks, without image encoders.

Text is of random ids, so that every prompt and every answer has its number of tokens.
"""

import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("src", "models/recipes", "tests/helpers")]

import torch
from torch import Tensor
from transformers import Blip2ForConditionalGeneration

from toy_image_text import toy_image_text
from vqa.memory_estimate.meta_device import at_most, published_config
from vqa.settings import load_settings
from vqa.vlm import image_text_model, lora
from vqa.vlm.blip2 import Blip2AnswerModel
from vqa.vlm.families import ImageTextFamily
from vqa.vlm.image_features import Features, ImageFeatures, together
from vqa.vlm.interfaces import AnswerModel
from vqa.vlm.prompts import TILED, PromptTokens

PROMPT_TOKENS, ANSWER_TOKENS = 20, 3  # of text; with its end an answer has one more


class Words:
    """BLIP-2's tokenizer, of random ids."""

    pad_token_id = 1

    def __call__(self, text: str, add_special_tokens: bool = True, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": _ids(text, PROMPT_TOKENS if add_special_tokens else ANSWER_TOKENS)}

    def batch_decode(self, sequences: Tensor, **_: Any) -> list[str]:
        return [str(row.tolist()) for row in sequences]


class ImageTextWords(PromptTokens):
    """The prompt of a family, its own tokens around the image, with questions and answers of random ids."""

    def text_ids(self, question: str) -> list[int]:
        ids = super().text_ids("")
        at = ids.index(self.image_token_id) + 1
        # The template's own tokens behind the image count among the prompt's.
        return ids[:at] + _ids(question, max(0, PROMPT_TOKENS - len(ids[at:]))) + ids[at:]

    def answer_ids(self, answer: str) -> list[int]:
        return _ids(answer, ANSWER_TOKENS)

    def too_long(self, question: str, max_new_tokens: int, answer: str = "") -> str:
        return ""


class RandomImageTextModel(image_text_model.ImageTextAnswerModel):
    """Whose texts are their ids: the toy's tokenizer has words for few."""

    def _decoded(self, sequences: Tensor) -> list[str]:
        return [str(row.tolist()) for row in sequences]


def _ids(text: str, count: int) -> list[int]:
    drawn = random.Random(text)
    # Beyond the toy tokenizer's, so that none is an image token.
    return [drawn.randrange(2000, 30000) for _ in range(count)]


def random_blip2(name: str, layers: int | None, device: torch.device, dtype: torch.dtype) -> Blip2AnswerModel:
    """A published BLIP-2 with at most `layers` in its language model."""
    config = at_most(published_config(name), layers)
    config.vision_config.num_hidden_layers = config.qformer_config.num_hidden_layers = 1
    base = _drawn(lambda: Blip2ForConditionalGeneration(config), device, dtype)
    processor: Any = SimpleNamespace(tokenizer=Words(), image_processor=None)
    return Blip2AnswerModel(base, processor, "Question: {question} Answer in one word:", device)


def random_image_text_model(
    name: str, layers: int | None, device: torch.device, dtype: torch.dtype
) -> image_text_model.ImageTextAnswerModel:
    """A published image-text model, without its vision tower."""
    config = at_most(published_config(name), layers)
    toy, processor = toy_image_text(config.model_type)
    config.image_token_id = toy.config.image_token_id
    for mark in ("vision_start_token_id", "vision_end_token_id", "video_token_id"):
        if hasattr(config, mark):
            setattr(config, mark, getattr(toy.config, mark))
    depth = "depth" if hasattr(config.vision_config, "depth") else "num_hidden_layers"
    setattr(config.vision_config, depth, 2)
    model = _drawn(lambda: ImageTextFamily(config).model_class(config), device, dtype)
    for part in image_text_model.PARTS[config.model_type].sight:
        delattr(model.model, part)
    model.generation_config.eos_token_id = toy.generation_config.eos_token_id
    tokens = ImageTextWords(processor.tokenizer, config, "{question}", processor.chat_template)
    return RandomImageTextModel(model, tokens, device)


def _drawn(build: Any, device: torch.device, dtype: torch.dtype) -> Any:
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with device:
            return build().eval()
    finally:
        torch.set_default_dtype(torch.float32)


def add_adapter(model: AnswerModel, name: str) -> None:
    """The report's, as params.yaml has it, with weights that are not zero."""
    lora.add_adapter(model, load_settings(ROOT / "params.yaml").lora, name)
    for parameter_name, parameter in model.named_parameters():
        if "lora_B" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.02)


def random_features(model: AnswerModel, images: int) -> Features:
    """Of square images as ABO's small ones are: see docs/models.md."""
    torch.manual_seed(0)
    if isinstance(model, Blip2AnswerModel):
        return torch.randn(images, model.num_query_tokens, model.feature_size)
    assert isinstance(model, image_text_model.ImageTextAnswerModel)
    config = model.whole.config
    family, width = config.model_type, config.get_text_config().hidden_size
    if image_text_model.is_cut_before_projector(config):
        width = config.vision_config.hidden_size
    rows, grid = 576, tuple[int, ...]()
    if family in TILED:
        rows, grid = 17 * 64, (4, 4)  # each tile 64 rows, and the whole image
    elif family == "qwen2_5_vl":
        rows, grid = 81, (1, 18, 18)
    return together([ImageFeatures(torch.randn(rows, width), grid) for _ in range(images)])

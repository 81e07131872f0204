"""BLIP-2 in two halves: pictures → features (frozen, run once), features + question → answer (adapted).

The only file that knows BLIP-2. Q-Former output does not depend on the question, so `ImageEncoder`
runs once a picture and `AnswerModel` never needs the ViT or the Q-Former. Together they are the full
model: same logits, same tokens (tests/test_blip2.py), for a decoder-only (OPT) and an encoder-decoder
(T5) language model. BLIP-2: Li et al. 2023, https://arxiv.org/abs/2301.12597
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    PretrainedConfig,
)

from vqa.errors import InputError

IGNORED = -100  # label value that torch's cross-entropy leaves out of the loss
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def default_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def frozen_dtype(setting: str, device: torch.device) -> torch.dtype:
    """dtype of the frozen weights for `model.dtype`.

    `auto` is bf16 on a GPU that has it, else fp32: fp16 overflows in BLIP-2's language model (NaN
    loss: transformers#30789, peft#376), and bf16 on a CPU is many times slower than fp32.
    """
    if setting != "auto":
        return DTYPES[setting]
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if has_bf16 else torch.float32


@dataclass(frozen=True)
class Checkpoint:
    """Where a BLIP-2 comes from: a local folder or a hub id with its revision."""

    name: str
    revision: str | None = None

    def load(self, dtype: torch.dtype) -> Blip2ForConditionalGeneration:
        """The whole model on the CPU, in evaluation mode.

        Raises:
            InputError: nothing by that name, or it is not a BLIP-2.
        """
        self._check()
        model = Blip2ForConditionalGeneration.from_pretrained(self.name, revision=self.revision, dtype=dtype)
        return model.eval()

    def load_processor(self) -> Blip2Processor:
        """Tokenizer and image processor; the PIL backend, so that pixels do not depend on torchvision."""
        self._check()
        processor = Blip2Processor.from_pretrained(self.name, revision=self.revision)
        processor.image_processor = AutoImageProcessor.from_pretrained(
            self.name, revision=self.revision, backend="pil"
        )
        return processor

    def identity(self) -> dict[str, str]:
        """`name` and `fingerprint`; the latter changes with the weights or with what pixels become.

        A local folder's is a SHA-256 over its files; a hub model's is its commit.
        """
        folder = Path(self.name)
        if not folder.is_dir():
            return {"name": self.name, "fingerprint": str(self._check()._commit_hash)}
        digest = hashlib.sha256()
        for path in sorted(folder.glob("*")):
            if path.suffix in {".safetensors", ".bin", ".json"}:
                digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        return {"name": self.name, "fingerprint": digest.hexdigest()}

    def _check(self) -> PretrainedConfig:
        try:
            config = AutoConfig.from_pretrained(self.name, revision=self.revision)
        except (OSError, ValueError) as error:
            raise InputError(
                f"params.yaml: model.name is {self.name!r}, but no model can be read there; give a "
                f"BLIP-2 folder or a hub id such as Salesforce/blip2-opt-2.7b ({_first_line(error)})"
            ) from error
        if config.model_type != "blip-2":
            raise InputError(
                f"params.yaml: model.name is {self.name!r}, which is a {config.model_type} model, "
                "not BLIP-2; give a BLIP-2 folder or a hub id such as Salesforce/blip2-opt-2.7b"
            )
        return config


class ImageEncoder:
    """The frozen half: ViT and Q-Former."""

    def __init__(
        self, model: Blip2ForConditionalGeneration, processor: Blip2Processor, device: torch.device
    ) -> None:
        self.device = device
        self._image_processor = processor.image_processor
        self._vision_model = model.vision_model.to(device)
        self._qformer = model.qformer.to(device)
        self._query_tokens = model.query_tokens.to(device)
        self._dtype = next(model.vision_model.parameters()).dtype

    def pixels(self, images: Sequence[Image.Image], side: int | None = None) -> Tensor:
        """RGB pictures → `[B, 3, H, W]` fp32, resized and normalised as the checkpoint asks.

        `side`: another height and width in pixels, for crops to be taken from.
        """
        size = {"size": {"height": side, "width": side}} if side else {}
        pixels: Tensor = self._image_processor(list(images), return_tensors="pt", **size)["pixel_values"]
        return pixels

    def features(self, pixels: Tensor) -> Tensor:
        """`[B, 3, H, W]` → Q-Former output `[B, num_query_tokens, qformer_hidden]`, fp32."""
        seen = self._vision_model(pixels.to(self.device, self._dtype)).last_hidden_state  # [B, P, Dv]
        queries = self._query_tokens.expand(seen.shape[0], -1, -1)
        mask = torch.ones(seen.shape[:-1], dtype=torch.long, device=self.device)
        output = self._qformer(query_embeds=queries, encoder_hidden_states=seen, encoder_attention_mask=mask)
        # The full model rounds the fp32 Q-Former output to the ViT's dtype; so do we, to be equal to it.
        return output.last_hidden_state.to(self._dtype).float()


class AnswerModel:
    """The live half: `language_projection` and the language model, fed with features."""

    def __init__(
        self,
        model: Blip2ForConditionalGeneration,
        processor: Blip2Processor,
        prompt: str,
        device: torch.device,
    ) -> None:
        self.device = device
        self.language_model: Any = model.language_model.to(device)  # also PEFT-wrapped or merged
        self.is_encoder_decoder: bool = not model.config.use_decoder_only_language_model
        self.num_query_tokens: int = model.config.num_query_tokens
        self.feature_size: int = model.config.qformer_config.hidden_size
        self._projection = model.language_projection.to(device)
        self._tokenizer = processor.tokenizer
        self._prompt = prompt
        self._image_token_id: int = model.config.image_token_id
        self._end_token_id = _end_token_id(model)
        pad = self._tokenizer.pad_token_id
        self._pad_token_id: int = self._end_token_id if pad is None else pad

    def splice(self, input_ids: Tensor, features: Tensor) -> Tensor:
        """Input embeddings `[B, T, D]` with the projected features `[B, Q, Dq]` at the image tokens."""
        embeds = self.language_model.get_input_embeddings()(input_ids)
        projected = self._projection(features.to(self._projection.weight.dtype)).to(embeds.dtype)
        at_image = (input_ids == self._image_token_id).unsqueeze(-1)
        return embeds.masked_scatter(at_image, projected)

    def training_batch(self, questions: Sequence[str], answers: Sequence[str]) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask`, `labels`: each `[B, T]` int64, right-padded.

        Only the answer and its end token carry a label.
        """
        prompts = [self._prompt.format(question=question) for question in questions]
        prompt_ids = [self._prompt_ids(prompt) for prompt in prompts]
        answer_ids = [self._answer_ids(answer) for answer in answers]
        if self.is_encoder_decoder:
            return self._padded(prompt_ids) | {"labels": _pad(answer_ids, IGNORED, "right")}
        labels = [[IGNORED] * len(p) + a for p, a in zip(prompt_ids, answer_ids, strict=True)]
        full = [p + a for p, a in zip(prompt_ids, answer_ids, strict=True)]
        return self._padded(full) | {"labels": _pad(labels, IGNORED, "right")}

    def forward(self, batch: dict[str, Tensor], features: Tensor) -> dict[str, Tensor]:
        """Keyword arguments of the language model's forward for one training batch, on its device."""
        input_ids = batch["input_ids"].to(self.device)
        return {
            "inputs_embeds": self.splice(input_ids, features.to(self.device)),
            "attention_mask": batch["attention_mask"].to(self.device),
            "labels": batch["labels"].to(self.device),
        }

    @torch.inference_mode()
    def texts(
        self, questions: Sequence[str], features: Tensor, max_new_tokens: int, num_beams: int = 1
    ) -> list[str]:
        """Greedy (or beam) continuations for one batch: the text after the prompt, stripped.

        Left-padded, so that the batch a question sits in does not change its answer.
        """
        prompts = [self._prompt_ids(self._prompt.format(question=q)) for q in questions]
        side = "right" if self.is_encoder_decoder else "left"
        batch = self._padded(prompts, side)
        generated = self.language_model.generate(
            inputs_embeds=self.splice(batch["input_ids"].to(self.device), features.to(self.device)),
            attention_mask=batch["attention_mask"].to(self.device),
            max_new_tokens=max_new_tokens,
            num_beams=num_beams,
            do_sample=False,
            eos_token_id=self._end_token_id,
            pad_token_id=self._pad_token_id,
        )
        decoded = self._tokenizer.batch_decode(generated, skip_special_tokens=True)
        return [text.strip() for text in decoded]

    def _prompt_ids(self, prompt: str) -> list[int]:
        # BLIP-2 puts the image tokens before everything, the begin token included.
        text_ids: list[int] = self._tokenizer(prompt)["input_ids"]
        return [self._image_token_id] * self.num_query_tokens + text_ids

    def _answer_ids(self, answer: str) -> list[int]:
        # A decoder continues the prompt, hence the space; T5 starts a text of its own.
        text = answer if self.is_encoder_decoder else f" {answer}"
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return [*ids, self._end_token_id]

    def _padded(self, rows: list[list[int]], side: str = "right") -> dict[str, Tensor]:
        return {
            "input_ids": _pad(rows, self._pad_token_id, side),
            "attention_mask": _pad([[1] * len(row) for row in rows], 0, side),
        }


def _pad(rows: list[list[int]], value: int, side: str) -> Tensor:
    width = max(len(row) for row in rows)
    if side == "left":
        return torch.tensor([[value] * (width - len(row)) + row for row in rows])
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def _end_token_id(model: Blip2ForConditionalGeneration) -> int:
    """The token that ends an answer: the checkpoint's own ("\\n", 50118, for BLIP-2 OPT)."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = model.config.text_config.eos_token_id
    return int(ends[0] if isinstance(ends, list) else ends)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

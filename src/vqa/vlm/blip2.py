"""BLIP-2 in two parts: image encoder (frozen, run once an image) and answer model (adapted).

Q-Former output does not depend on the question, so `Blip2ImageEncoder` runs once an image and
`Blip2AnswerModel` never needs the ViT or the Q-Former. Together they are the full model: same logits,
gradients and tokens (tests/vlm/test_exactness.py), for a decoder-only (OPT) and an encoder-decoder (T5)
language model. BLIP-2: Li et al. 2023, https://arxiv.org/abs/2301.12597
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from vqa.vlm.adapter_files import Places
from vqa.vlm.batching import logits_at, make_states_contiguous, next_tokens, pair_rows, prompt_rows, read
from vqa.vlm.image_features import Features
from vqa.vlm.interfaces import AnswerModel
from vqa.vlm.shared_prefix import Prefix, attention_inputs, branches, prefix_rows, sharing_refusal
from vqa.vlm.tokens import Tokens, end_token_id

# What is cached: Q-Former rows [32, 768] (opt-2.7b), or the ViT's [257, 1408] for adapters in the Q-Former.
Level = Literal["qformer", "vit"]


class QueryTransformer(nn.Module):
    """The Q-Former with its queries: ViT output → query output."""

    def __init__(self, model: Blip2ForConditionalGeneration) -> None:
        super().__init__()
        self.qformer: Any = model.qformer  # also PEFT-wrapped
        self.query_tokens = model.query_tokens

    def forward(self, seen: Tensor) -> Tensor:
        """`[B, P, Dv]` → `[B, num_query_tokens, qformer_hidden]`, in the dtype of `seen`."""
        queries = self.query_tokens.expand(seen.shape[0], -1, -1)
        mask = torch.ones(seen.shape[:-1], dtype=torch.long, device=seen.device)
        output = self.qformer(query_embeds=queries, encoder_hidden_states=seen, encoder_attention_mask=mask)
        # The full model rounds the fp32 Q-Former output to the ViT's dtype; so do we, to be equal to it.
        return output.last_hidden_state.to(seen.dtype)


class PixelReader:
    """See `interfaces.Reader`."""

    def __init__(self, image_processor: Any) -> None:
        self._image_processor = image_processor

    def pixels(self, images: Sequence[Image.Image], side: int | None = None) -> Tensor:
        """RGB images → `[B, 3, H, W]` fp32, resized and normalised as the model asks.

        `side`: another height and width in pixels, for crops to be taken from.
        """
        size = {"size": {"height": side, "width": side}} if side else {}
        pixels: Tensor = self._image_processor(list(images), return_tensors="pt", **size)["pixel_values"]
        return pixels


class Blip2ImageEncoder:
    """The image encoder: ViT and Q-Former, or the ViT alone."""

    def __init__(
        self,
        model: Blip2ForConditionalGeneration,
        processor: Blip2Processor,
        device: torch.device,
        level: Level = "qformer",
    ) -> None:
        self.device = device
        self.reader = PixelReader(processor.image_processor)
        self._vision_model = model.vision_model.to(device)
        self._queries = QueryTransformer(model).to(device) if level == "qformer" else None
        self._dtype = next(model.vision_model.parameters()).dtype

    def pixels(self, images: Sequence[Image.Image], side: int | None = None) -> Tensor:
        """See `PixelReader.pixels`."""
        return self.reader.pixels(images, side)

    def features(self, pixels: Tensor) -> Tensor:
        """`[B, 3, H, W]` → features `[B, rows, size]`, fp32."""
        patches = self._vision_model(pixels.to(self.device, self._dtype)).last_hidden_state  # [B, P, Dv]
        return patches.float() if self._queries is None else self._queries(patches).float()


class Blip2AnswerModel(AnswerModel):
    """The answer model: `language_projection` and the language model, which read features."""

    NO_QUERIES = (
        "params.yaml: lora.qformer_targets adapts the Q-Former, whose output is cached; set "
        "features.level to vit (15 times the size on disk), or lora.qformer_targets to []"
    )
    tokens: Tokens
    projection: nn.Linear

    def __init__(
        self,
        model: Blip2ForConditionalGeneration,
        processor: Blip2Processor,
        prompt: str,
        device: torch.device,
        level: Level = "qformer",
    ) -> None:
        queries = QueryTransformer(model) if level == "vit" else None
        super().__init__(model.language_model, model.language_projection, queries, device)
        make_states_contiguous(model.get_output_embeddings())
        self.tokens = Tokens(processor.tokenizer, model.config, prompt)
        self.is_encoder_decoder = self.tokens.is_encoder_decoder
        self.sharing_refusal = sharing_refusal(model.language_model)
        self.num_query_tokens = self.tokens.num_query_tokens
        self.feature_size: int = model.config.qformer_config.hidden_size
        self.frozen_dtype = model.language_projection.weight.dtype
        self._end_token_id = end_token_id(model)
        pad = processor.tokenizer.pad_token_id
        self._pad_token_id = self._end_token_id if pad is None else pad

    @property
    def places(self) -> Places:
        """See `AnswerModel.places`."""
        return Places(
            Blip2ForConditionalGeneration, "language_model", "language_projection", qformer="qformer"
        )

    def splice(self, input_ids: Tensor, features: Tensor) -> Tensor:
        """Input embeddings `[B, T, D]` with the projected features `[B, rows, size]` at the image tokens."""
        at_image = input_ids == self.tokens.image_token_id
        # The id itself may be one that the embeddings have no row for (models from before November
        # 2024).
        embeds = self.language_model.get_input_embeddings()(
            input_ids.masked_fill(at_image, self._end_token_id)
        )
        queried = features if self.queries is None else self.queries(features.to(self.frozen_dtype))
        projected = self.projection(queried.to(self.projection.weight.dtype)).to(embeds.dtype)
        return embeds.masked_scatter(at_image.unsqueeze(-1), projected)

    def training_batch(
        self, questions: Sequence[str], answers: Sequence[str], features: Features | None = None
    ) -> dict[str, Tensor]:
        """See `AnswerModel.training_batch`; every image takes `num_query_tokens`."""
        rows = self._ids(questions, answers)
        return pair_rows(*rows, self._pad_token_id, self.is_encoder_decoder)

    def _prompt_ids(self, question: str, seen: Any) -> list[int]:
        return self.tokens.prompt_ids(question)

    def _prefix(self, prompt: list[int], seen: Any) -> Prefix:
        return Prefix.counted(prompt[: self.num_query_tokens])

    def _ids(
        self, questions: Sequence[str], answers: Sequence[str]
    ) -> tuple[list[list[int]], list[list[int]]]:
        return [self.tokens.prompt_ids(q) for q in questions], [self._answer_ids(a) for a in answers]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        features: Tensor,
        position_ids: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> dict[str, Tensor]:
        """`loss`: cross-entropy over labelled positions, fp32; `logits` `[labelled, vocabulary]`.

        Takes what `training_batch` or `shared_batch` gives, and features in the order of their image tokens.
        `num_items_in_batch`: see `AnswerModel._loss`.
        """
        device = self.device
        labels, mask = labels.to(device), attention_mask.to(device)
        options: dict[str, Tensor] = {}
        if self.is_encoder_decoder:
            options["decoder_input_ids"] = self.language_model.prepare_decoder_input_ids_from_labels(labels)
            wanted = labels
        else:
            wanted = next_tokens(labels)
        positions = None if position_ids is None else position_ids.to(device)
        is_read = read(wanted)
        wanted = wanted[is_read]
        with self._precision(), logits_at(self.language_model.get_output_embeddings(), is_read):
            embeds = self.splice(input_ids.to(device), features.to(device))
            options |= attention_inputs(mask, positions, embeds.dtype)
            logits = self.language_model(inputs_embeds=embeds, **options).logits
        return self._loss(logits, wanted, num_items_in_batch)

    def _begun(
        self, questions: Sequence[str], features: Features, images: Sequence[int], new: int, num_beams: int
    ) -> tuple[dict[str, Any], int]:
        """Embeddings and mask of the prompts; of images with several questions what was read already.

        An encoder-decoder's output begins with a start token, a decoder's that is fed embeddings empty.
        """
        assert isinstance(features, Tensor)
        of = torch.tensor(images, device=self.device)
        inputs = self._inputs(questions, features.to(self.device), of, num_beams)
        return inputs, 1 if self.is_encoder_decoder else 0

    def _inputs(
        self, questions: Sequence[str], features: Tensor, images: Tensor, num_beams: int
    ) -> dict[str, Any]:
        if not self.shares_prefix or len(features) == len(questions):
            prompts = [self.tokens.prompt_ids(question) for question in questions]
            ids, mask = self._on_device(prompts, "right" if self.is_encoder_decoder else "left")
            return {"inputs_embeds": self.splice(ids, features[images]), "attention_mask": mask}
        prefixes, texts = self._split_prompts(questions, images.tolist(), features)
        ids, mask = self._on_device(texts, "left")
        read = {
            name: rows.to(self.device) for name, rows in prefix_rows(prefixes, self._pad_token_id).items()
        }
        image_states = self.splice(read.pop("input_ids"), features)
        cache = self.language_model(
            inputs_embeds=image_states, use_cache=True, logits_to_keep=1, **read
        ).past_key_values
        # `generate` skips what is in the cache, but counts it.
        embeds = torch.cat([image_states[images], self.language_model.get_input_embeddings()(ids)], dim=1)
        inputs = branches(cache, prefixes, read["attention_mask"], mask, images, num_beams)
        return {"inputs_embeds": embeds, **inputs}

    def _on_device(self, prompts: list[list[int]], side: str) -> list[Tensor]:
        return [rows.to(self.device) for rows in prompt_rows(prompts, self._pad_token_id, side).values()]

"""BLIP-2 in two halves: pictures → features (frozen, run once), features + question → answer (adapted).

The only file that knows BLIP-2. Q-Former output does not depend on the question, so `ImageEncoder`
runs once a picture and `AnswerModel` never needs the ViT or the Q-Former. Together they are the full
model: same logits, gradients and tokens (tests/vlm/test_exactness.py), for a decoder-only (OPT) and an
encoder-decoder (T5) language model. BLIP-2: Li et al. 2023, https://arxiv.org/abs/2301.12597
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from vqa.foundation.errors import InputError
from vqa.vlm.answer_tree import AnswerTree
from vqa.vlm.shared_look import added_to_scores, branches, shared_rows
from vqa.vlm.token_rows import IGNORED, at_least, only_at, pair_rows, prompt_rows
from vqa.vlm.tokens import Tokens, end_token_id

# Rows of the last product, at least: fewer take another kernel, which rounds otherwise than a whole batch's.
_FEW = 16
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
    """Pictures → the model's input. Small, so that processes that decode pictures can be handed one."""

    def __init__(self, image_processor: Any) -> None:
        self._image_processor = image_processor

    def pixels(self, images: Sequence[Image.Image], side: int | None = None) -> Tensor:
        """RGB pictures → `[B, 3, H, W]` fp32, resized and normalised as the model asks.

        `side`: another height and width in pixels, for crops to be taken from.
        """
        size = {"size": {"height": side, "width": side}} if side else {}
        pixels: Tensor = self._image_processor(list(images), return_tensors="pt", **size)["pixel_values"]
        return pixels


class ImageEncoder:
    """The frozen half: ViT and Q-Former, or the ViT alone."""

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
        seen = self._vision_model(pixels.to(self.device, self._dtype)).last_hidden_state  # [B, P, Dv]
        return seen.float() if self._queries is None else self._queries(seen).float()


class AnswerModel(nn.Module):
    """The live half: `language_projection` and the language model, fed with features."""

    accepts_loss_kwargs = True  # tells transformers' Trainer that forward takes num_items_in_batch

    def __init__(
        self,
        model: Blip2ForConditionalGeneration,
        processor: Blip2Processor,
        prompt: str,
        device: torch.device,
        level: Level = "qformer",
    ) -> None:
        super().__init__()
        self.device = device
        self.language_model: Any = model.language_model.to(device)  # also PEFT-wrapped or merged
        self.projection = model.language_projection.to(device)
        self.queries = QueryTransformer(model).to(device) if level == "vit" else None
        self.tokens = Tokens(processor.tokenizer, model.config, prompt)
        self.is_encoder_decoder = self.tokens.is_encoder_decoder
        self.num_query_tokens = self.tokens.num_query_tokens
        self.feature_size: int = model.config.qformer_config.hidden_size
        self.frozen_dtype: torch.dtype = model.language_projection.weight.dtype
        self._end_token_id = end_token_id(model)
        pad = processor.tokenizer.pad_token_id
        self._pad_token_id: int = self._end_token_id if pad is None else pad
        # Something that trains is held in fp32 inside layers of half precision: their products need autocast.
        self.is_mixed = False

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

    def training_batch(self, questions: Sequence[str], answers: Sequence[str]) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask`, `labels`: each `[B, T]` int64, right-padded.

        Only the answer and its end token carry a label.
        """
        rows = self._ids(questions, answers)
        return pair_rows(*rows, self._pad_token_id, self.is_encoder_decoder)

    def shared_batch(
        self, questions: Sequence[str], answers: Sequence[str], pictures: Sequence[int]
    ) -> dict[str, Tensor]:
        """The same for `forward` with each picture's features once: see `shared_look.shared_rows`.

        Only where the language model is decoder-only: T5's encoder lets image tokens see the question.
        """
        rows = self._ids(questions, answers)
        return shared_rows(*rows, pictures, self.num_query_tokens, self._pad_token_id)

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
        `num_items_in_batch`: labelled positions of the whole optimiser step, over all its parts and
        processes, to divide by; without it, those of this batch.
        """
        device = self.device
        labels, mask = labels.to(device), attention_mask.to(device)
        options: dict[str, Tensor] = {}
        if self.is_encoder_decoder:
            options["decoder_input_ids"] = self.language_model.prepare_decoder_input_ids_from_labels(labels)
            wanted = labels
        else:
            wanted = functional.pad(labels[:, 1:], (0, 1), value=IGNORED)  # a position predicts the next
        if position_ids is not None:
            options["position_ids"] = position_ids.to(device)
        is_read = at_least(_FEW, wanted != IGNORED)
        wanted = wanted[is_read]
        with self._precision(), only_at(self.language_model.get_output_embeddings(), is_read):
            embeds = self.splice(input_ids.to(device), features.to(device))
            if mask.ndim > 2:
                mask = added_to_scores(mask, embeds.dtype)
            logits = self.language_model(inputs_embeds=embeds, attention_mask=mask, **options).logits
        total = functional.cross_entropy(logits.float(), wanted, ignore_index=IGNORED, reduction="sum")
        is_labelled = wanted != IGNORED
        count = is_labelled.sum() if num_items_in_batch is None else num_items_in_batch
        return {"loss": total / count, "logits": logits[is_labelled]}

    @torch.inference_mode()
    def texts(
        self,
        questions: Sequence[str],
        features: Tensor,
        max_new_tokens: int,
        num_beams: int = 1,
        min_new_tokens: int = 0,
        vocabulary: AnswerTree | None = None,
        pictures: Sequence[int] | None = None,
    ) -> list[str]:
        """Greedy (or beam) continuations for one batch: the text after the prompt, stripped.

        Left-padded, so that the batch a question sits in does not change its answer. `min_new_tokens`
        makes two models' work equal, to compare their speed; `vocabulary` is all that may be said.
        Question i is about row `pictures[i]` of `features`; None: about row i.
        """
        options: dict[str, Any] = {"min_new_tokens": min_new_tokens, "num_beams": num_beams}
        if vocabulary:
            # An encoder-decoder's output begins with a start token, a decoder's that is fed embeddings empty.
            skipped = 1 if self.is_encoder_decoder else 0
            options["prefix_allowed_tokens_fn"] = vocabulary.allowed(skipped, self._pad_token_id)
        return self._decoded(self._generated(questions, features, max_new_tokens, options, pictures))

    @torch.inference_mode()
    def likeliest_texts(
        self,
        questions: Sequence[str],
        features: Tensor,
        max_new_tokens: int,
        count: int = 1,
        pictures: Sequence[int] | None = None,
    ) -> list[list[tuple[str, float]]]:
        """For each question the `count` best continuations with their probabilities, the best first.

        With 1 the greedy one, as `texts`; with more those of a beam search of that width. A probability
        is the product over a continuation's tokens, its end included. `pictures`: as in `texts`.
        """
        options: dict[str, Any] = {"num_beams": count, "num_return_sequences": count}
        options |= {"output_scores": True, "return_dict_in_generate": True}
        if count > 1:
            options["length_penalty"] = 0.0
        found = self._generated(questions, features, max_new_tokens, options, pictures)
        scores = self.language_model.compute_transition_scores(
            found.sequences, found.scores, found.get("beam_indices"), normalize_logits=count == 1
        )  # [B × count, T], log
        said = found.sequences[:, -scores.shape[1] :]
        is_end = said == self._end_token_id
        is_after_end = is_end.cumsum(dim=1) > is_end
        probabilities = scores.masked_fill(is_after_end, 0.0).sum(dim=1).exp().tolist()
        both = list(zip(self._decoded(found.sequences), probabilities, strict=True))
        return [both[start : start + count] for start in range(0, len(both), count)]

    def _generated(
        self,
        questions: Sequence[str],
        features: Tensor,
        max_new_tokens: int,
        options: dict[str, Any],
        pictures: Sequence[int] | None,
    ) -> Any:
        for question in questions:
            if problem := self.tokens.too_long(question, max_new_tokens):
                raise InputError(f"{question[:80]!r}: {problem}; shorten it")
        of = torch.tensor(range(len(questions)) if pictures is None else pictures, device=self.device)
        with self._precision():
            return self.language_model.generate(
                **self._begun(questions, features.to(self.device), of, options["num_beams"]),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                eos_token_id=self._end_token_id,
                pad_token_id=self._pad_token_id,
                **options,
            )

    def _begun(
        self, questions: Sequence[str], features: Tensor, pictures: Tensor, num_beams: int
    ) -> dict[str, Any]:
        """Embeddings and mask of the prompts; of pictures with several questions what was read already."""
        prompts = [self.tokens.prompt_ids(question) for question in questions]
        if self.is_encoder_decoder or len(features) == len(questions):
            ids, mask = self._on_device(prompts, "right" if self.is_encoder_decoder else "left")
            return {"inputs_embeds": self.splice(ids, features[pictures]), "attention_mask": mask}
        ids, mask = self._on_device([prompt[self.num_query_tokens :] for prompt in prompts], "left")
        image_ids = ids.new_full((len(features), self.num_query_tokens), self.tokens.image_token_id)
        embeds = self.language_model.get_input_embeddings()(ids)
        images = self.splice(image_ids, features)
        return branches(self.language_model, images, embeds, mask, pictures, num_beams)

    def _on_device(self, prompts: list[list[int]], side: str) -> list[Tensor]:
        return [rows.to(self.device) for rows in prompt_rows(prompts, self._pad_token_id, side).values()]

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.frozen_dtype, enabled=self.is_mixed)

    def _decoded(self, sequences: Tensor) -> list[str]:
        return [
            text.strip() for text in self.tokens.tokenizer.batch_decode(sequences, skip_special_tokens=True)
        ]

    def vocabulary_of(self, answers: Sequence[str]) -> AnswerTree:
        """The tree of `answers` as this model spells them."""
        return AnswerTree(self._answer_ids(answer) for answer in set(answers))

    def length_of(self, question: str, answer: str) -> int:
        """Tokens of a pair, image tokens included: what batches are grouped by."""
        ids = len(self.tokens.prompt_ids(question))
        return ids if self.is_encoder_decoder else ids + len(self._answer_ids(answer))

    def _answer_ids(self, answer: str) -> list[int]:
        return [*self.tokens.answer_ids(answer), self._end_token_id]

"""Image-text models of transformers, split into image encoder and answer model.

`get_image_features` makes features of pixels, and `mm_encoder_outputs` hands them to the rest of the model.
Both ways compute the same loss, gradients and tokens (tests/vlm/test_image_text_model.py).
LLaVA: Liu et al. 2023, https://arxiv.org/abs/2304.08485
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from vqa.core.errors import InputError
from vqa.vlm.adapter_files import Places
from vqa.vlm.batching import IGNORED, logits_at, make_states_contiguous, pair_rows, prompt_rows, read_targets
from vqa.vlm.image_features import Features, ImageFeatures
from vqa.vlm.interfaces import AnswerModel
from vqa.vlm.prompts import TILED, PromptTokens
from vqa.vlm.shared_prefix import Prefix, attention_inputs, branches, prefix_rows, sharing_refusal
from vqa.vlm.tokens import end_token_id


@dataclass(frozen=True)
class Parts:
    """Names of a family's modules inside its `model`.

    `projector`: works row by row, so that features can be cached before it; None: they are cached as the
    language model gets them.
    """

    sight: tuple[str, ...]
    language: str
    projector: str | None = None


PARTS = {
    "llava": Parts(("vision_tower",), "language_model", "multi_modal_projector"),
    "paligemma": Parts(("vision_tower",), "language_model", "multi_modal_projector"),
    "idefics3": Parts(("vision_model", "connector"), "text_model"),
    "smolvlm": Parts(("vision_model", "connector"), "text_model"),
    "qwen2_5_vl": Parts(("visual",), "language_model"),
}
# What image processors make beside pixels that `get_image_features` takes.
_INPUTS = ("pixel_values", "pixel_attention_mask", "image_grid_thw")


def is_cut_before_projector(config: Any) -> bool:
    """Whether features are cached before the projector, which makes them wider."""
    if PARTS[config.model_type].projector is None:
        return False
    layers = getattr(config, "vision_feature_layer", -1)
    vision_width: int = config.vision_config.hidden_size * (len(layers) if isinstance(layers, list) else 1)
    return vision_width < int(config.get_text_config().hidden_size)


@dataclass(frozen=True)
class Pixels:
    """One image as the model's input: tensors by their names in `get_image_features`, and its grid."""

    tensors: dict[str, Tensor]
    grid: tuple[int, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple((name, tensor.shape) for name, tensor in self.tensors.items())


class PixelReader:
    """See `interfaces.Reader`."""

    def __init__(self, image_processor: Any, family: str) -> None:
        self._image_processor = image_processor
        self._options = {"return_row_col_info": True} if family in TILED else {}

    def pixels(self, images: Sequence[Image.Image]) -> list[Pixels]:
        """Pixels of each image alone, so that none is padded to another's size."""
        return [self._of(image) for image in images]

    def _of(self, image: Image.Image) -> Pixels:
        made = self._image_processor([image], return_tensors="pt", **self._options)
        grid: tuple[int, ...] = ()
        if "rows" in made:
            grid = (int(made["rows"][0][0]), int(made["cols"][0][0]))
        elif "image_grid_thw" in made:
            grid = tuple(made["image_grid_thw"][0].tolist())
        return Pixels({name: made[name] for name in _INPUTS if name in made}, grid)


class ImageTextEncoder:
    """The image encoder: pixels → rows, as the language model reads them or as the projector does."""

    def __init__(self, model: Any, image_processor: Any, device: torch.device) -> None:
        self.device = device
        self.reader = PixelReader(image_processor, model.config.model_type)
        self._model = model.to(device)
        self._dtype = model.dtype
        parts = PARTS[model.config.model_type]
        is_cut = is_cut_before_projector(model.config)
        self._projector = getattr(model.model, str(parts.projector)) if is_cut else None

    def pixels(self, images: Sequence[Image.Image]) -> list[Pixels]:
        """See `PixelReader.pixels`."""
        return self.reader.pixels(images)

    def features(self, pixels: Sequence[Pixels]) -> list[ImageFeatures]:
        """Features of each image, fp32; images of one shape are encoded together."""
        alike: dict[tuple[Any, ...], list[int]] = {}
        for number, image in enumerate(pixels):
            alike.setdefault(image.shape, []).append(number)
        by_number: dict[int, Tensor] = {}
        for numbers in alike.values():
            by_number |= dict(zip(numbers, self._rows([pixels[i].tensors for i in numbers]), strict=True))
        return [ImageFeatures(by_number[i].float(), image.grid) for i, image in enumerate(pixels)]

    def _rows(self, images: Sequence[dict[str, Tensor]]) -> Iterator[Tensor]:
        """`[rows, size]` of each of several images of one shape."""
        inputs = {name: torch.cat([p[name] for p in images]).to(self.device) for name in images[0]}
        inputs["pixel_values"] = inputs["pixel_values"].to(self._dtype)
        if self._projector is None:
            yield from self._model.get_image_features(**inputs, return_dict=True).pooler_output
            return
        read: list[Tensor] = []
        handle = self._projector.register_forward_pre_hook(lambda _, given: read.append(given[0]))
        try:
            self._model.get_image_features(**inputs, return_dict=True)
        finally:
            handle.remove()
        yield from read[0]


class ImageTextAnswerModel(AnswerModel):
    """The answer model: the model without its vision tower, which reads cached features."""

    NO_QUERIES = "params.yaml: lora.qformer_targets adapts a Q-Former, which only BLIP-2 has; set it to []"

    def __init__(self, model: Any, tokens: PromptTokens, device: torch.device) -> None:
        config, inner = model.config, model.model
        self._parts = parts = PARTS[config.model_type]
        is_cut = is_cut_before_projector(config)
        projector = getattr(inner, str(parts.projector)) if is_cut else nn.Identity()
        super().__init__(getattr(inner, parts.language), projector, None, device)
        make_states_contiguous(model.get_output_embeddings())
        self.whole = model.to(device)
        self.tokens: PromptTokens = tokens
        self.frozen_dtype = model.dtype
        self._family = config.model_type
        self.sharing_refusal = sharing_refusal(self.language_model)
        if self._family == "paligemma":
            self.sharing_refusal = "paligemma's prompt sees its image, and its image the prompt"
        self._positions: int = config.get_text_config().max_position_embeddings
        self._end_token_id = end_token_id(model)
        pad = tokens.tokenizer.pad_token_id
        self._pad_token_id = self._end_token_id if pad is None else pad

    @property
    def places(self) -> Places:
        """See `AnswerModel.places`."""
        projection = None if isinstance(self.projection, nn.Identity) else f"model.{self._parts.projector}"
        return Places(type(self.whole), f"model.{self._parts.language}", projection)

    def put_language_model(self, language_model: Any) -> None:
        """See `AnswerModel.put_language_model`."""
        super().put_language_model(language_model)
        setattr(self.whole.model, self._parts.language, language_model)

    @property
    def _speaker(self) -> Any:
        return self.whole

    def training_batch(
        self, questions: Sequence[str], answers: Sequence[str], features: Features | None = None
    ) -> dict[str, Tensor]:
        """See `AnswerModel.training_batch`."""
        assert isinstance(features, list)
        prompts = [
            self.tokens.prompt_ids(q, image_features)
            for q, image_features in zip(questions, features, strict=True)
        ]
        answer_ids = [self._answer_ids(answer) for answer in answers]
        return pair_rows(prompts, answer_ids, self._pad_token_id, is_encoder_decoder=False)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        features: list[ImageFeatures],
        position_ids: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> dict[str, Tensor]:
        """`loss`: cross-entropy over labelled positions, fp32; `logits` `[labelled, vocabulary]`.

        Takes what `training_batch` or `shared_batch` gives of `features`, these in the order of their image
        tokens. `num_items_in_batch`: see `AnswerModel._loss`.
        """
        ids, mask, labels = (rows.to(self.device) for rows in (input_ids, attention_mask, labels))
        wanted, is_read = read_targets(labels)
        with self._precision(), logits_at(self.whole.get_output_embeddings(), is_read):
            per_image = self._projected(features)
            if position_ids is None:
                inputs = self._seen(ids, per_image, labels != IGNORED) | {"attention_mask": mask}
            else:
                inputs = self._images(per_image)
                inputs |= attention_inputs(mask, position_ids.to(self.device), self.frozen_dtype)
            logits = self.whole(input_ids=ids, use_cache=False, **inputs).logits
        return self._loss(logits, wanted[is_read], num_items_in_batch)

    def _projected(self, features: Sequence[ImageFeatures]) -> list[ImageFeatures]:
        """Features as the language model reads them."""
        rows = [image_features.rows.to(self.device) for image_features in features]
        weight = next(self.projection.parameters(), None)
        if weight is not None:  # images of these families are alike
            rows = list(self.projection(torch.stack(rows).to(weight.dtype)))
        return [
            ImageFeatures(row, image_features.grid)
            for row, image_features in zip(rows, features, strict=True)
        ]

    def _images(self, per_image: Sequence[ImageFeatures]) -> dict[str, Any]:
        """Images as the model takes them in place of pixels, in the order of their tokens."""
        rows: Any = [image_features.rows.to(self.frozen_dtype) for image_features in per_image]
        if self._family == "paligemma":
            rows = torch.stack(rows)
        return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=rows)}}

    def _seen(self, ids: Tensor, per_image: Sequence[ImageFeatures], is_answer: Tensor) -> dict[str, Any]:
        """What the model takes beside `ids` `[B, T]`: the image of each row, and which tokens are what."""
        kinds: dict[str, Tensor] = {}
        if (
            self._family == "paligemma"
        ):  # the prompt attends to itself both ways, the answer to what is before it
            kinds = {"token_type_ids": is_answer.long()}
        elif self._family == "qwen2_5_vl":  # the image's positions count in three directions
            kinds = self._kinds_of_tokens(ids, [image_features.grid for image_features in per_image])
        return self._images(per_image) | kinds

    def _kinds_of_tokens(self, ids: Tensor, grids: Sequence[tuple[int, ...]]) -> dict[str, Tensor]:
        at_image = ids == self.tokens.image_token_id
        return {
            "mm_token_type_ids": at_image.long(),
            "image_grid_thw": torch.tensor(grids, device=ids.device),
        }

    def _prompt_ids(self, question: str, seen: ImageFeatures) -> list[int]:
        return self.tokens.prompt_ids(question, seen)

    def _prefix(self, prompt: list[int], seen: ImageFeatures) -> Prefix:
        """The template's head and the image, to its last token."""
        end = len(prompt) - prompt[::-1].index(self.tokens.image_token_id)
        if self._family != "qwen2_5_vl":
            return Prefix.counted(prompt[:end])
        ids = torch.tensor([prompt[:end]])
        positions, _ = self.whole.model.get_rope_index(ids, **self._kinds_of_tokens(ids, [seen.grid]))
        return Prefix(prompt[:end], positions[:, 0].tolist())

    def _begun(
        self, questions: Sequence[str], features: Features, images: Sequence[int], new: int, num_beams: int
    ) -> tuple[dict[str, Any], int]:
        """Ids and mask of the prompts, and their images; the output repeats the ids.

        A checkpoint may come with a repetition penalty, which would make words of the question less likely.
        """
        assert isinstance(features, list)
        prompts = [self.tokens.prompt_ids(q, features[i]) for q, i in zip(questions, images, strict=True)]
        for question, prompt in zip(questions, prompts, strict=True):
            if (needed := len(prompt) + new) > self._positions:
                raise InputError(
                    f"{question[:80]!r}: the question needs {needed} tokens with its prompt, image and "
                    f"answer, and the model has room for {self._positions}; shorten it"
                )
        per_image = self._projected(features)
        if self.shares_prefix and len(features) < len(questions):
            given = self._branches(questions, per_image, images, num_beams)
        else:
            ids, mask = self._on_device(prompt_rows(prompts, self._pad_token_id, "left")).values()
            is_answer = torch.zeros_like(ids, dtype=torch.bool)
            given = self._seen(ids, [per_image[i] for i in images], is_answer)
            given |= {"input_ids": ids, "attention_mask": mask}
        return given | {"repetition_penalty": 1.0}, given["input_ids"].shape[1]

    def _branches(
        self, questions: Sequence[str], per_image: list[ImageFeatures], images: Sequence[int], num_beams: int
    ) -> dict[str, Any]:
        """As `_begun`, for images with several questions, each of which was read already."""
        prefixes, texts = self._split_prompts(questions, images, per_image)
        read = self._on_device(prefix_rows(prefixes, self._pad_token_id))
        cache = self.whole.model(**read, **self._images(per_image), use_cache=True).past_key_values
        ids, mask = self._on_device(prompt_rows(texts, self._pad_token_id, "left")).values()
        of = torch.tensor(images, device=self.device)
        inputs = branches(cache, prefixes, read["attention_mask"], mask, of, num_beams)
        return {"input_ids": torch.cat([read["input_ids"][of], ids], dim=1), **inputs}

    def _on_device(self, rows: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: of.to(self.device) for name, of in rows.items()}

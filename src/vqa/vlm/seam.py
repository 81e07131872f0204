"""Models whose picture features transformers takes apart from their pixels, in two halves.

`get_image_features` makes features of pixels, `mm_encoder_outputs` hands them to the rest of the model: this
is the seam. Both ways are one function: same loss, gradients and tokens (tests/vlm/test_seam.py). LLaVA: Liu
et al. 2023, https://arxiv.org/abs/2304.08485
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from vqa.foundation.errors import InputError
from vqa.vlm.adapter_files import Places
from vqa.vlm.halves import LiveHalf, next_tokens, read
from vqa.vlm.looks import Features, Look
from vqa.vlm.prompts import TILED, PromptTokens
from vqa.vlm.shared_prefix import Prefix, attention_inputs, branches, prefix_rows, sharing_refusal
from vqa.vlm.token_rows import IGNORED, make_states_contiguous, only_at, pair_rows, prompt_rows
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
    seen: int = config.vision_config.hidden_size * (len(layers) if isinstance(layers, list) else 1)
    return seen < int(config.get_text_config().hidden_size)


@dataclass(frozen=True)
class Pixels:
    """One picture as the model's input: tensors by their names in `get_image_features`, and its grid."""

    tensors: dict[str, Tensor]
    grid: tuple[int, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple((name, tensor.shape) for name, tensor in self.tensors.items())


class PixelReader:
    """See `halves.Reader`."""

    def __init__(self, image_processor: Any, family: str) -> None:
        self._image_processor = image_processor
        self._options = {"return_row_col_info": True} if family in TILED else {}

    def pixels(self, images: Sequence[Image.Image]) -> list[Pixels]:
        """Of each picture alone, so that none is padded to another's size."""
        return [self._of(image) for image in images]

    def _of(self, image: Image.Image) -> Pixels:
        made = self._image_processor([image], return_tensors="pt", **self._options)
        grid: tuple[int, ...] = ()
        if "rows" in made:
            grid = (int(made["rows"][0][0]), int(made["cols"][0][0]))
        elif "image_grid_thw" in made:
            grid = tuple(made["image_grid_thw"][0].tolist())
        return Pixels({name: made[name] for name in _INPUTS if name in made}, grid)


class Encoder:
    """The frozen half: pixels → rows, as the language model gets them or as the projector does."""

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

    def features(self, pixels: Sequence[Pixels]) -> list[Look]:
        """Of each picture, fp32; pictures of one shape are looked at together."""
        alike: dict[tuple[Any, ...], list[int]] = {}
        for number, picture in enumerate(pixels):
            alike.setdefault(picture.shape, []).append(number)
        found: dict[int, Tensor] = {}
        for numbers in alike.values():
            found |= dict(zip(numbers, self._rows([pixels[i].tensors for i in numbers]), strict=True))
        return [Look(found[i].float(), picture.grid) for i, picture in enumerate(pixels)]

    def _rows(self, pictures: Sequence[dict[str, Tensor]]) -> Iterator[Tensor]:
        """`[rows, size]` of each of several pictures of one shape."""
        inputs = {name: torch.cat([p[name] for p in pictures]).to(self.device) for name in pictures[0]}
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


class AnswerModel(LiveHalf):
    """The live half: the model without what sees, fed through the seam."""

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
        """See `LiveHalf.places`."""
        projection = None if isinstance(self.projection, nn.Identity) else f"model.{self._parts.projector}"
        return Places(type(self.whole), f"model.{self._parts.language}", projection)

    def put_language_model(self, language_model: Any) -> None:
        """See `LiveHalf.put_language_model`."""
        super().put_language_model(language_model)
        setattr(self.whole.model, self._parts.language, language_model)

    @property
    def _speaker(self) -> Any:
        return self.whole

    def training_batch(
        self, questions: Sequence[str], answers: Sequence[str], features: Features | None = None
    ) -> dict[str, Tensor]:
        """See `LiveHalf.training_batch`."""
        assert isinstance(features, list)
        prompts = [self.tokens.prompt_ids(q, look) for q, look in zip(questions, features, strict=True)]
        said = [self._answer_ids(answer) for answer in answers]
        return pair_rows(prompts, said, self._pad_token_id, is_encoder_decoder=False)

    def length_of(self, question: str, answer: str) -> int:
        """Tokens of a pair without its picture's, which only its features tell."""
        return len(self.tokens.text_ids(question)) + len(self._answer_ids(answer))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        features: list[Look],
        position_ids: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> dict[str, Tensor]:
        """`loss`: cross-entropy over labelled positions, fp32; `logits` `[labelled, vocabulary]`.

        Takes what `training_batch` or `shared_batch` gives of `features`, these in the order of their image
        tokens. `num_items_in_batch`: see `LiveHalf._loss`.
        """
        ids, mask, labels = (rows.to(self.device) for rows in (input_ids, attention_mask, labels))
        wanted = next_tokens(labels)
        is_read = read(wanted)
        with self._precision(), only_at(self.whole.get_output_embeddings(), is_read):
            looks = self._projected(features)
            if position_ids is None:
                seen = self._seen(ids, looks, labels != IGNORED) | {"attention_mask": mask}
            else:
                seen = self._images(looks)
                seen |= attention_inputs(mask, position_ids.to(self.device), self.frozen_dtype)
            logits = self.whole(input_ids=ids, use_cache=False, **seen).logits
        return self._loss(logits, wanted[is_read], num_items_in_batch)

    def _projected(self, features: Sequence[Look]) -> list[Look]:
        """As the language model gets them."""
        rows = [look.rows.to(self.device) for look in features]
        weight = next(self.projection.parameters(), None)
        if weight is not None:  # pictures of these families are alike
            rows = list(self.projection(torch.stack(rows).to(weight.dtype)))
        return [Look(row, look.grid) for row, look in zip(rows, features, strict=True)]

    def _images(self, looks: Sequence[Look]) -> dict[str, Any]:
        """Images as the model takes them in place of pixels, in the order of their tokens."""
        rows: Any = [look.rows.to(self.frozen_dtype) for look in looks]
        if self._family == "paligemma":
            rows = torch.stack(rows)
        return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=rows)}}

    def _seen(self, ids: Tensor, looks: Sequence[Look], is_answer: Tensor) -> dict[str, Any]:
        """What the model takes beside `ids` `[B, T]`: the picture of each row, and which tokens are what."""
        kinds: dict[str, Tensor] = {}
        if self._family == "paligemma":  # the prompt sees itself both ways, the answer what is before it
            kinds = {"token_type_ids": is_answer.long()}
        elif self._family == "qwen2_5_vl":  # the picture's positions count in three directions
            kinds = self._kinds_of_tokens(ids, [look.grid for look in looks])
        return self._images(looks) | kinds

    def _kinds_of_tokens(self, ids: Tensor, grids: Sequence[tuple[int, ...]]) -> dict[str, Tensor]:
        at_image = ids == self.tokens.image_token_id
        return {
            "mm_token_type_ids": at_image.long(),
            "image_grid_thw": torch.tensor(grids, device=ids.device),
        }

    def _prompt_ids(self, question: str, seen: Look) -> list[int]:
        return self.tokens.prompt_ids(question, seen)

    def _prefix(self, prompt: list[int], seen: Look) -> Prefix:
        """The template's head and the image, to its last token."""
        end = len(prompt) - prompt[::-1].index(self.tokens.image_token_id)
        if self._family != "qwen2_5_vl":
            return Prefix.counted(prompt[:end])
        ids = torch.tensor([prompt[:end]])
        positions, _ = self.whole.model.get_rope_index(ids, **self._kinds_of_tokens(ids, [seen.grid]))
        return Prefix(prompt[:end], positions[:, 0].tolist())

    def _begun(
        self, questions: Sequence[str], features: Features, pictures: Sequence[int], new: int, num_beams: int
    ) -> tuple[dict[str, Any], int]:
        """Ids and mask of the prompts, and their pictures; the output repeats the ids.

        A checkpoint may come with a repetition penalty, which would make words of the question less likely.
        """
        assert isinstance(features, list)
        prompts = [self.tokens.prompt_ids(q, features[i]) for q, i in zip(questions, pictures, strict=True)]
        for question, prompt in zip(questions, prompts, strict=True):
            if (needed := len(prompt) + new) > self._positions:
                raise InputError(
                    f"{question[:80]!r}: the question needs {needed} tokens with its prompt, picture and "
                    f"answer, and the model has room for {self._positions}; shorten it"
                )
        looks = self._projected(features)
        if self.shares_prefix and len(features) < len(questions):
            given = self._branches(questions, looks, pictures, num_beams)
        else:
            ids, mask = self._on_device(prompt_rows(prompts, self._pad_token_id, "left")).values()
            is_answer = torch.zeros_like(ids, dtype=torch.bool)
            given = self._seen(ids, [looks[i] for i in pictures], is_answer)
            given |= {"input_ids": ids, "attention_mask": mask}
        return given | {"repetition_penalty": 1.0}, given["input_ids"].shape[1]

    def _branches(
        self, questions: Sequence[str], looks: list[Look], pictures: Sequence[int], num_beams: int
    ) -> dict[str, Any]:
        """The same of images with several questions, each read already."""
        prefixes, texts = self._split_prompts(questions, pictures, looks)
        read = self._on_device(prefix_rows(prefixes, self._pad_token_id))
        cache = self.whole.model(**read, **self._images(looks), use_cache=True).past_key_values
        ids, mask = self._on_device(prompt_rows(texts, self._pad_token_id, "left")).values()
        of = torch.tensor(pictures, device=self.device)
        seen = branches(cache, prefixes, read["attention_mask"], mask, of, num_beams)
        return {"input_ids": torch.cat([read["input_ids"][of], ids], dim=1), **seen}

    def _on_device(self, rows: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: of.to(self.device) for name, of in rows.items()}

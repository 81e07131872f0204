"""What each stage holds of an image-text model and its adapter, counted without weights.

What the backward pass keeps is not a formula but a count: autograd says what it keeps when the language model
runs on the meta device, where tensors have shapes and take no memory.
"""

import copy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from vqa.memory_estimate.blip2 import TARGET_TOKENS, TEXT_TOKENS, MemoryEstimate, scorer_bytes
from vqa.memory_estimate.published import image_text_on_meta
from vqa.settings import Settings
from vqa.vlm import image_text_model, lora
from vqa.vlm.families import ImageTextFamily
from vqa.vlm.prompts import TILED

_SIDE = 256  # pixels of an image where they decide how many rows it has: ABO's small ones have no more
_TILES = 17  # of a square image as Idefics3's processor cuts it by default: 4 × 4 and the whole


class ImageTextMemory:
    """What an image-text model and its adapter take under `settings`; `dtype` of the frozen weights."""

    def __init__(self, config: Any, settings: Settings, dtype: torch.dtype, is_gpu: bool = True) -> None:
        """`is_gpu` False: on a CPU, where nothing is rounded for speed."""
        self._config, self._settings, self._size = config, settings, dtype.itemsize
        self._text, self._is_gpu = config.get_text_config(), is_gpu
        family = ImageTextFamily(config)
        self._model = image_text_on_meta(config).to(dtype)
        with torch.device("meta"):
            adapted = lora.adapted(copy.deepcopy(self._model).get_decoder(), settings.lora, "counted")
        self.parameters = _count(self._model)
        self.trainable, _ = lora.trainable_share(adapted)
        self.seen = self._without(family.unseen("qformer"))  # parameters of the image encoder
        self.live = self._without(family.unspoken("qformer"))

    def _without(self, parts: tuple[str, ...]) -> int:
        names = self._model.named_parameters()
        return sum(p.numel() for name, p in names if not name.startswith(tuple(f"{part}." for part in parts)))

    @cached_property
    def patches(self) -> int:
        """Patches of an image in the vision tower."""
        vision = self._config.vision_config
        if self._config.model_type == "qwen2_5_vl":
            return int(round(_SIDE / vision.patch_size / 2) * 2) ** 2
        tiles = _TILES if self._config.model_type in TILED else 1
        return int((vision.image_size // vision.patch_size) ** 2) * tiles

    @property
    def rows(self) -> int:
        """Of an image in the prompt, each one token."""
        if self._config.model_type == "qwen2_5_vl":
            return self.patches // int(self._config.vision_config.spatial_merge_size) ** 2
        if self._config.model_type in TILED:
            return self.patches // int(self._config.scale_factor) ** 2
        return self.patches

    @property
    def width(self) -> int:
        """Numbers a row: before the projector where that is less."""
        is_cut = image_text_model.is_cut_before_projector(self._config)
        return int(self._config.vision_config.hidden_size if is_cut else self._text.hidden_size)

    @property
    def row_kb(self) -> float:
        """An image's features in bf16."""
        return 2 * self.rows * self.width / 1e3

    def encoding(self) -> MemoryEstimate:
        """cache_features: pixels, a layer's input, its sum with attention, two norms, the MLP's sides."""
        vision, images = self._config.vision_config, self._settings.features.batch_size
        a_patch = self._size * (4 * vision.hidden_size + 2 * vision.intermediate_size)
        pixels = (4 + self._size) * 3 * vision.patch_size**2
        return MemoryEstimate(
            self._size * self.seen, activations=float(images * self.patches * (a_patch + pixels))
        )

    def training(self, pairs: int) -> MemoryEstimate:
        """The train stage with so many pairs at once."""
        # A fp32 weight, its gradient and Adam's two moments; on a GPU also autocast's copy of the weight.
        adapter = (16.0 + (self._size if self._is_gpu else 0)) * self.trainable
        logits = (2 * self._size + 8) * TARGET_TOKENS * self._text.vocab_size
        scorer = scorer_bytes(self._settings.evaluate.scorer)
        activations = float(pairs * (self.kept + logits))
        return MemoryEstimate(self._size * self.live, adapter, activations, scorer=scorer)

    def generation(self, pairs: int | None = None) -> MemoryEstimate:
        """The answer model with so many pairs at once (None: decoding.batch_size): its fullest layer or the
        last logits, the cache.
        """
        pairs = self._settings.decoding.batch_size if pairs is None else pairs
        text, tokens = self._text, self.rows + TEXT_TOKENS
        heads = text.num_key_value_heads * getattr(
            text, "head_dim", text.hidden_size // text.num_attention_heads
        )
        new = self._settings.decoding.max_new_tokens
        cache = 2 * text.num_hidden_layers * heads * (tokens + new) * self._size
        layer = tokens * self._size * (2 * text.hidden_size + 3 * text.intermediate_size)
        logits = text.vocab_size * (self._size + 4)
        return MemoryEstimate(
            self._size * self.live, activations=float(pairs * max(layer, logits)), cache=float(pairs * cache)
        )

    def validating(self) -> MemoryEstimate:
        """The train stage when it validates."""
        training, generation = self.training(1), self.generation(self._settings.train.eval_batch_size)
        return MemoryEstimate(
            generation.weights, training.adapter, generation.activations, generation.cache, training.scorer
        )

    def by_stage(self) -> dict[str, MemoryEstimate]:
        """By stage, as `Blip2Memory.by_stage`."""
        train, generation, encoding = self._settings.train, self.generation(), self.encoding()
        training, validating = self.training(train.micro_batch_size), self.validating()
        timed = max(generation.activations + generation.cache, encoding.activations)
        return {
            "cache_features": encoding,
            "train": max(training, validating, key=lambda by_stage: by_stage.total),
            "answer_base": generation,
            "answer_adapted": generation,
            "measure_speed": MemoryEstimate(self._size * self.parameters, 4.0 * self.trainable, timed),
            "evaluate": MemoryEstimate(0.0, scorer=training.scorer),
        }

    @cached_property
    def kept(self) -> int:
        """Bytes of a pair that autograd keeps for the backward pass: of a layer, and of each further one."""
        one, two = (self._kept_by(layers) for layers in (1, 2))
        return one + (self._text.num_hidden_layers - 1) * (two - one)

    def _kept_by(self, layers: int) -> int:
        """Attention is counted as the fused kernels do it, which keep no squares of the tokens."""
        inner = copy.deepcopy(self._model).get_decoder().requires_grad_(False)
        inner.layers = inner.layers[:layers]
        tokens = self.rows + TEXT_TOKENS
        with torch.device("meta"):
            adapted = lora.adapted(inner, self._settings.lora, "counted").train()
            adapted.to(inner.dtype)  # as autocast computes with it
            embeds = torch.empty(1, tokens, self._text.hidden_size, dtype=inner.dtype)
            mask: Any = torch.empty(1, 1, tokens, tokens, dtype=inner.dtype)
            positions = torch.empty(1, tokens, dtype=torch.long)
        if self._config.model_type == "qwen2_5_vl":
            positions = positions.expand(3, 1, tokens)
        if len(set(getattr(self._text, "layer_types", None) or ())) > 1:
            mask = {"full_attention": mask, "sliding_attention": mask}
        weights = {p.untyped_storage()._cdata for p in adapted.parameters()}
        saved: dict[int, Tensor] = {}

        def keep(tensor: Tensor) -> Tensor:
            if tensor.untyped_storage()._cdata not in weights and tensor.shape[-2:] != (tokens, tokens):
                saved[tensor.untyped_storage()._cdata] = tensor
            return tensor

        with saved_tensors_hooks(keep, lambda tensor: tensor):
            adapted(inputs_embeds=embeds, position_ids=positions, attention_mask=mask, use_cache=False)
        return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())

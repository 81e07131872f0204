"""What each stage holds of a model and its adapter, counted without weights.

The model is built on the meta device, where tensors have shapes and take no memory, and its language model
runs there: parameters, the keys and values in the cache and what the backward pass keeps are counted, not
calculated. Formulas remain for what comes and goes within a layer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from transformers import EncoderDecoderCache

from vqa.memory_estimate.meta_device import DeviceKernels, at_most, on_meta, scorer_bytes
from vqa.settings import Model, Settings
from vqa.vlm import image_text_model, lora
from vqa.vlm.families import Family, find_family
from vqa.vlm.prompts import TILED

TEXT_TOKENS = 24  # of a prompt and its answer, without the image tokens
TARGET_TOKENS = 3  # of these the answer and its end: what T5's decoder reads, and what has a label
_SIDE = 256  # pixels of an image where they decide how many rows it has: ABO's small ones have no more
_TILES = 17  # of a square image as Idefics3's processor cuts it by default: 4 × 4 and the whole


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes in the memory of the device at a stage's fullest moment.

    `adapter`: with gradient and Adam where it is trained; `activations`: with logits and what is put in;
    `cache`: keys and values; `scorer`: BERTScore's encoder.
    """

    weights: float
    adapter: float = 0.0
    activations: float = 0.0
    cache: float = 0.0
    scorer: float = 0.0

    @property
    def total(self) -> float:
        return float(sum(astuple(self)))


class ModelMemory:
    """What a model and its adapter take under `settings`.

    `parameters` of the whole, `answer_parameters` of its answer model, `trainable` of all that is trained.
    """

    def __init__(self, config: Any, settings: Settings, dtype: torch.dtype, is_gpu: bool = True) -> None:
        """`dtype` of the frozen weights; `is_gpu` False: on a CPU, whose kernels keep more.

        Raises:
            InputError: no family here has such a configuration.
        """
        self._config, self._settings, self._is_gpu = config, settings, is_gpu
        self._text, self._dtype, self._size = config.get_text_config(), dtype, dtype.itemsize
        family = find_family(config, settings.model.name)
        model = on_meta(config).to(dtype).requires_grad_(False)
        level, held = settings.features.level, _parameter_bytes(model, settings.model, family)
        self._whole, self._seeing = sum(held.values()), _without(held, family.unseen(level))
        self._live = _without(held, family.unspoken(level))
        counts = {name: parameter.numel() for name, parameter in model.named_parameters()}
        self.parameters = sum(counts.values())
        self.answer_parameters = int(_without(counts, family.unspoken(level)))
        self._has_class_token = any(name.endswith("class_embedding") for name in counts)
        self._inner, self._numbers_a_token = _fullest_layer(model.get_decoder())
        self._qformer = self._adapted_qformer(model)
        adapted = self._with_adapter(model)
        self.trainable, _ = lora.trainable_share(adapted)
        self.trainable += lora.trainable_share(self._qformer)[0] if self._qformer else 0
        if settings.lora.train_projection and family.projection:
            self.trainable += lora.trainable_share(model.get_submodule(family.projection))[1]
        self._largest = max(m.weight.numel() for m in adapted.modules() if hasattr(m, "lora_A"))
        self._prompt_tokens = self.rows + TEXT_TOKENS

    @property
    def _patches(self) -> int:
        """Patches of an image in the image encoder."""
        vision = self._config.vision_config
        if self._config.model_type == "qwen2_5_vl":
            return int(round(_SIDE / vision.patch_size / 2) * 2) ** 2
        tiles = _TILES if self._config.model_type in TILED else 1
        return int((vision.image_size // vision.patch_size) ** 2) * tiles

    @property
    def rows(self) -> int:
        """Of an image in the prompt, each one token."""
        if self._config.model_type == "blip-2":
            return int(self._config.num_query_tokens)
        if self._config.model_type == "qwen2_5_vl":
            return self._patches // int(self._config.vision_config.spatial_merge_size) ** 2
        if self._config.model_type in TILED:
            return self._patches // int(self._config.scale_factor) ** 2
        return self._patches

    @property
    def width(self) -> int:
        """Numbers a row: before the projector where that is less."""
        if self._config.model_type == "blip-2":
            return int(self._config.qformer_config.hidden_size)
        is_cut = image_text_model.is_cut_before_projector(self._config)
        return int(self._config.vision_config.hidden_size if is_cut else self._text.hidden_size)

    @property
    def row_kb(self) -> float:
        """An image's features on disk, as features.level and features.dtype say."""
        rows, width = self._patch_states if self._keeps_patches else (self.rows, self.width)
        return getattr(torch, self._settings.features.dtype).itemsize * rows * width / 1e3

    @property
    def _keeps_patches(self) -> bool:
        """Whether the ViT's output is cached, and BLIP-2's Q-Former is part of the answer model."""
        return self._config.model_type == "blip-2" and self._settings.features.level == "vit"

    @property
    def _patch_states(self) -> tuple[int, int]:  # the ViT's output: rows, and numbers a row
        return self._patches + self._has_class_token, int(self._config.vision_config.hidden_size)

    def by_stage(self) -> dict[str, MemoryEstimate]:
        """By stage; `evaluate` holds its encoder in main memory."""
        decoding = self._settings.decoding
        generation = self.generation(decoding.batch_size, decoding.num_beams)
        attached = MemoryEstimate(self._live, 4.0 * self.trainable, self._merging())  # until it is merged
        images = replace(attached, activations=self._encoding(decoding.batch_size))
        beside = self.generation(decoding.batch_size, decoding.num_beams, is_attached=True)
        timed = _fullest(attached, images, replace(beside, adapter=attached.adapter))
        encoding = self._encoding(self._settings.features.batch_size)
        return {
            "cache_features": MemoryEstimate(self._seeing, activations=encoding),
            "train": _fullest(self.training(self._settings.train.micro_batch_size), self.validating()),
            "answer_base": generation,
            "answer_adapted": _fullest(attached, generation),
            "measure_speed": replace(timed, weights=self._whole),
            "evaluate": MemoryEstimate(0.0, scorer=scorer_bytes(self._settings.evaluate.scorer)),
        }

    def training(self, pairs: int) -> MemoryEstimate:
        """The train stage with so many pairs at once."""
        # A fp32 weight, its gradient and Adam's two moments; on a GPU also autocast's copy of the weight.
        adapter = (16.0 + (self._size if self._is_gpu else 0)) * self.trainable
        # Logits where there are labels, in fp32 too, their log-softmax and the gradient.
        logits = (2 * self._size + 8) * TARGET_TOKENS * self._text.vocab_size
        scorer = scorer_bytes(self._settings.evaluate.scorer)
        # A batch of left-over pairs has an image for each pair, whatever train.questions_per_prefix.
        return MemoryEstimate(self._live, adapter, float(pairs * (self.kept + logits)), scorer=scorer)

    def validating(self) -> MemoryEstimate:
        """The train stage when it validates; the adapter stands beside the weights."""
        training = self.training(1)
        generation = self.generation(self._settings.train.eval_batch_size, 1, is_attached=True)
        return replace(generation, adapter=training.adapter, scorer=training.scorer)

    def generation(self, pairs: int, beams: int = 1, is_attached: bool = False) -> MemoryEstimate:
        """The answer model with so many pairs at once: its fullest layer or the last logits, the cache.

        `is_attached`: the adapter is not in the weights.
        """
        rows = pairs * beams
        lifted = 4 * self._inner if is_attached and self._size == 2 else 0  # an adapter works in fp32
        activations = self._prompt_tokens * (self._size * self._numbers_a_token + lifted)
        logits = self._text.vocab_size * (self._size + 4)
        return MemoryEstimate(
            self._live, activations=float(rows * max(activations, logits)), cache=float(rows * self._cached)
        )

    def _encoding(self, images: int) -> float:
        """The ViT at work: pixels, a layer's input, its sum with attention, two norms, the MLP's sides."""
        vision = self._config.vision_config
        pixels = (4 + self._size) * 3 * self._patches * vision.patch_size**2
        a_patch = self._size * (4 * vision.hidden_size + 2 * vision.intermediate_size)
        return float(images * (pixels + self._patch_states[0] * a_patch))

    def _merging(self) -> float:
        """The largest adapted layer while the adapter is added: in fp32, with twice what is added."""
        if self._settings.model.quantization != "none":
            return 0.0  # stays beside
        return float(self._largest * (8 if self._size == 4 else 12))

    def _with_adapter(self, model: Any) -> Any:
        with torch.device("meta"):
            return lora.adapted(model.get_decoder(), self._settings.lora, "counted")

    def _adapted_qformer(self, model: Any) -> nn.Module | None:
        """BLIP-2's Q-Former with its adapter, where it is trained."""
        if not (self._keeps_patches and self._settings.lora.qformer_targets):
            return None
        with torch.device("meta"):
            return lora.adapted_qformer(model.qformer, self._settings.lora, "counted")

    def _of_all_layers(self, count: Callable[[Any], int]) -> int:
        """`count` of the language model with its adapter: what one layer takes, and each further one."""
        models = (on_meta(at_most(self._config, layers)).to(self._dtype) for layers in (1, 2))
        one, two = (count(self._with_adapter(model)) for model in models)
        return one + (self._text.num_hidden_layers - 1) * (two - one)

    @cached_property
    def kept(self) -> int:
        """Bytes of a pair, with an image of its own, that autograd keeps for the backward pass."""
        return self._of_all_layers(self._kept_by) + self._kept_by_qformer()

    def _kept_by(self, adapted: Any) -> int:
        inputs = self._inputs(self._prompt_tokens, TARGET_TOKENS)
        return self._kept_of(adapted, partial(adapted.train(), **inputs, use_cache=False))

    def _kept_by_qformer(self) -> int:
        if self._qformer is None:
            return 0
        with torch.device("meta"):
            states = torch.empty(1, *self._patch_states, dtype=self._dtype)
            queries = torch.empty(1, self.rows, self.width, dtype=self._dtype)
        forward = partial(self._qformer.train(), query_embeds=queries, encoder_hidden_states=states)
        return self._kept_of(self._qformer, forward)

    def _kept_of(self, module: nn.Module, forward: Callable[[], Any]) -> int:
        """Bytes that autograd keeps of a forward pass, without the module's weights."""
        kernels = DeviceKernels(self._is_gpu, self._dtype)
        kept: dict[int, Tensor] = {}

        def keep(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage()._cdata] = tensor
            return tensor

        with saved_tensors_hooks(keep, lambda tensor: tensor), kernels:
            forward()
        weights = {w.untyped_storage()._cdata for w in (*module.parameters(), *kernels.copies)}
        return sum(kept[storage].untyped_storage().nbytes() for storage in kept.keys() - weights)

    @cached_property
    def _cached(self) -> int:
        """Bytes of a row's keys and values once it is answered."""
        return self._of_all_layers(self._cached_by)

    def _cached_by(self, adapted: Any) -> int:
        prompt, new = self._prompt_tokens, self._settings.decoding.max_new_tokens
        source = prompt if self._text.is_encoder_decoder else prompt + new
        with torch.no_grad():
            found = adapted.eval()(**self._inputs(source, new), use_cache=True).past_key_values
        is_double = isinstance(found, EncoderDecoderCache)
        caches = (found.self_attention_cache, found.cross_attention_cache) if is_double else (found,)
        return sum(layer.keys.nbytes + layer.values.nbytes for cache in caches for layer in cache.layers)

    def _inputs(self, source: int, target: int) -> dict[str, Tensor]:
        """A row of `source` tokens for the language model; `target` of them more for T5's decoder."""
        with torch.device("meta"):
            embeds = torch.empty(1, source, self._text.hidden_size, dtype=self._dtype)
            if not self._text.is_encoder_decoder:
                mask = torch.empty(1, 1, source, source, dtype=self._dtype)
                positions = torch.empty(1, source, dtype=torch.long)
                return {"inputs_embeds": embeds, "attention_mask": mask, "position_ids": positions}
            return {
                "inputs_embeds": embeds,
                "attention_mask": torch.empty(1, 1, 1, source, dtype=self._dtype),
                "decoder_input_ids": torch.empty(1, target, dtype=torch.long),
                "decoder_attention_mask": torch.empty(1, 1, target, target, dtype=self._dtype),
            }


def _parameter_bytes(model: Any, settings: Model, family: Family) -> dict[str, float]:
    """In memory, by name."""
    # nf4 has an fp32 scale for 64 weights: Dettmers et al. 2023, https://arxiv.org/abs/2305.14314
    few = {"none": None, "8bit": 1.0, "4bit": 0.5 + 4 / 64}[settings.quantization]
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    held = {}
    for name, parameter in model.named_parameters():
        # transformers holds some in fp32 when the rest is fp16 (not when it is bf16).
        is_fp32 = parameter.dtype == torch.float16 and model._keep_in_fp32_modules & set(name.split("."))
        size = 4.0 if is_fp32 else parameter.itemsize
        is_spared = any(f".{part}." in f".{name}" for part in family.unquantized)
        if few is not None and name in linear and not is_spared:
            size = few
        held[name] = size * parameter.numel()
    return held


def _without(by_name: Mapping[str, float], parts: Sequence[str]) -> float:
    """The sum of all but those of the model's `parts`."""
    left_out = tuple(f"{part}." for part in parts)
    return float(sum(number for name, number in by_name.items() if not f"{name}.".startswith(left_out)))


def _fullest_layer(language_model: nn.Module) -> tuple[int, int]:
    """The width inside an MLP, and the numbers a token where a layer holds most: its input, the norm of that,
    and what the MLP makes of it and then activates or multiplies.
    """
    linear = [module for module in language_model.modules() if isinstance(module, nn.Linear)]
    down = max(linear, key=lambda layer: layer.in_features)
    inner, width = down.in_features, down.out_features
    shapes = [(layer.in_features, layer.out_features) for layer in linear]
    made = shapes.count((width, inner)) // shapes.count((inner, width))
    return inner, 2 * width + (made + 1) * inner


def _fullest(*moments: MemoryEstimate) -> MemoryEstimate:
    return max(moments, key=lambda moment: moment.total)

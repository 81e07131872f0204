"""Models on the meta device, where tensors have shapes and take no memory, and the kernels that count there.

The published models and BERTScore's encoders are built from their configurations.

configs/<name>/config.json has the values of the repository on the hub, without most of those that are
transformers' defaults. BERTScore's encoders lie there too, by their names in params.yaml.
BLIP-2: Li et al. 2023, https://arxiv.org/abs/2301.12597; LLaVA-1.5: Liu et al. 2023,
https://arxiv.org/abs/2310.03744; PaliGemma 2: Steiner et al. 2024, https://arxiv.org/abs/2412.03555; SmolVLM:
Marafioti et al. 2025, https://arxiv.org/abs/2504.05299; Qwen2.5-VL: Bai et al. 2025,
https://arxiv.org/abs/2502.13923
"""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig, AutoModel

from vqa.vlm.families import find_family

BLIP2 = ("blip2-opt-2.7b", "blip2-opt-6.7b", "blip2-flan-t5-xl", "blip2-flan-t5-xxl")
IMAGE_TEXT = ("smolvlm-256m", "smolvlm-500m", "paligemma2-3b", "qwen2.5-vl-3b", "llava-1.5-7b")
_CONFIGS = Path(__file__).parent / "configs"
# By these names configurations count the layers of a part; T5 has as many in its encoder as in its decoder.
_LAYERS = ("num_hidden_layers", "num_decoder_layers", "depth")


def published_config(name: str) -> Any:
    """Configuration of a published model; `name` is a folder of configs."""
    return AutoConfig.from_pretrained(_CONFIGS / name)


def at_most(config: Any, layers: int | None) -> Any:
    """A copy of the configuration with at most `layers` in each part, and of T5 in each half; None: all."""
    config = copy.deepcopy(config)
    if layers is not None:
        for part in config.sub_configs:
            _cut(getattr(config, part), layers)
    return config


def _cut(part: Any, layers: int) -> None:
    """Leave at most `layers` in the configuration of a part."""
    for count in _LAYERS:
        if hasattr(part, count):
            setattr(part, count, min(layers, getattr(part, count)))
    if getattr(part, "layer_types", None):
        part.layer_types = part.layer_types[:layers]
    if hasattr(part, "fullatt_block_indexes"):  # layers of Qwen's vision tower that see the whole image
        within = [index for index in part.fullatt_block_indexes if index < layers]
        part.fullatt_block_indexes = within or [layers - 1]


def on_meta(config: Any) -> Any:
    """The model of a configuration on the meta device, its parts tied as a published model's are."""
    with torch.device("meta"):
        model = find_family(config, config.model_type).model_class(config)
        model.tie_weights()
        if config.get_text_config().model_type == "t5":
            # Flan-T5 ships a head of its own; transformers 5 ties it until it sees that among the weights.
            head = model.language_model.lm_head
            head.weight = nn.Parameter(torch.empty_like(head.weight))
    return model


@cache
def scorer_bytes(scorer: str) -> float:
    """BERTScore's encoder, always in fp32."""
    with torch.device("meta"):
        encoder = AutoModel.from_config(published_config(scorer), dtype=torch.float32)
    return float(sum(parameter.nbytes for parameter in encoder.parameters()))


class DeviceKernels(TorchFunctionMode):
    """Operations on the meta device keep for the backward pass what a GPU's or CPU's kernels would.

    Left alone, attention there keeps squares of the tokens that no fused kernel makes, dropout a mask as wide
    as its input, and autocast does nothing. `copies` of weights in half precision are no activations.
    """

    def __init__(self, is_gpu: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self._is_gpu, self._dtype, self.copies = is_gpu, dtype, list[Tensor]()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        options = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            return self._attention(*args, **options)
        if func is functional.dropout and self._is_gpu:
            return _fused_dropout(*args, **options)
        if func is functional.linear and self._dtype.itemsize == 2:
            args = tuple(None if arg is None else arg.to(self._dtype) for arg in args)
            self.copies.append(args[1])
        # Of the operations that autocast runs in fp32 on a GPU, these two get half precision here.
        if func in (functional.layer_norm, torch.pow) and self._is_gpu:
            args = tuple(arg.float() if isinstance(arg, Tensor) else arg for arg in args)
        return func(*args, **options)

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None,
        dropout_p: float,
        **options: Any,
    ) -> Any:
        """By the kernel that takes a mask: on a CPU only without dropout."""
        mask = None if attn_mask is None else attn_mask.expand(*query.shape[:3], key.shape[2])
        if self._is_gpu:
            efficient = torch.ops.aten._scaled_dot_product_efficient_attention
            return efficient(query, key, value, mask, True, dropout_p, **options)[0]
        if not dropout_p:
            flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
            return flash(query, key, value, attn_mask=mask, **options)[0]
        return functional.scaled_dot_product_attention(query, key, value, mask, dropout_p, **options)


def _fused_dropout(tensor: Tensor, p: float, training: bool, inplace: bool = False) -> Tensor:
    """As on a GPU, with a mask of one byte a number."""
    return torch.native_dropout(tensor, p, True)[0] if training and p else tensor

"""A DINOv2 backbone as BLIP-2's vision model.

The two differ in three things, none of which changes what the model computes:

- DINOv2 scales each branch by learnt factors (LayerScale): they are multiplied into the branch's last layer.
- DINOv2's keys have a bias, BLIP-2's have none: it adds the same to all of a query's scores, which
  softmax takes no notice of.
- DINOv2 interpolates its 37 × 37 positions to the image's patches: here it is done once.

DINOv2: Oquab et al. 2023, https://arxiv.org/abs/2304.07193
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional
from transformers import Blip2VisionConfig

from vqa.core.errors import InputError

IMAGE_SIZE = 224  # pixels a side: 16 × 16 patches
_HEAD_SIZE = 64  # in every DINOv2
_LAYER = "encoder.layer.{}."


def vision_config(backbone: Mapping[str, Tensor]) -> Blip2VisionConfig:
    """The shape of a backbone, read off its tensors."""
    kernel = _get(backbone, "embeddings.patch_embeddings.projection.weight")  # [D, 3, patch, patch]
    return Blip2VisionConfig(
        hidden_size=kernel.shape[0],
        intermediate_size=_get(backbone, "encoder.layer.0.mlp.fc1.bias").shape[0],
        num_hidden_layers=_layers(backbone),
        num_attention_heads=kernel.shape[0] // _HEAD_SIZE,
        image_size=IMAGE_SIZE,
        patch_size=kernel.shape[-1],
        hidden_act="gelu",
        layer_norm_eps=1e-6,
        initializer_range=0.02,
    )


def vision_state(backbone: Mapping[str, Tensor], config: Blip2VisionConfig) -> dict[str, Tensor]:
    """Tensors of a Blip2VisionModel that gives what the backbone gives, fp32.

    Raises:
        InputError: the backbone lacks one.
    """
    state = {
        "embeddings.class_embedding": _get(backbone, "embeddings.cls_token"),
        "embeddings.position_embedding": _positions(
            _get(backbone, "embeddings.position_embeddings"), config.image_size // config.patch_size
        ),
    }
    state |= _copied(
        backbone, "embeddings.patch_embeddings.projection", "embeddings.patch_embedding"
    ) | _copied(backbone, "layernorm", "post_layernorm")
    for number in range(config.num_hidden_layers):
        state |= {f"encoder.layers.{number}.{name}": t for name, t in _layer(backbone, number).items()}
    return {name: tensor.contiguous() for name, tensor in state.items()}


def _layer(backbone: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    layer = _LAYER.format(number)
    projections = [f"{layer}attention.attention.{name}" for name in ("query", "key", "value")]
    query, _, value = (_get(backbone, f"{name}.bias") for name in projections)
    state = {
        "self_attn.qkv.weight": torch.cat([_get(backbone, f"{name}.weight") for name in projections]),
        "self_attn.qkv.bias": torch.cat([query, torch.zeros_like(query), value]),
    }
    state |= _copied(backbone, f"{layer}norm1", "layer_norm1")
    state |= _copied(backbone, f"{layer}norm2", "layer_norm2")
    state |= _copied(backbone, f"{layer}mlp.fc1", "mlp.fc1")
    first, second = (_get(backbone, f"{layer}layer_scale{branch}.lambda1") for branch in (1, 2))
    state |= _copied(backbone, f"{layer}attention.output.dense", "self_attn.projection", first)
    return state | _copied(backbone, f"{layer}mlp.fc2", "mlp.fc2", second)


def _copied(
    backbone: Mapping[str, Tensor], source: str, target: str, scale: Tensor | None = None
) -> dict[str, Tensor]:
    """A layer's weight and bias, their rows times `scale` `[out]`."""
    state = {kind: _get(backbone, f"{source}.{kind}") for kind in ("weight", "bias")}
    if scale is not None:
        wide = scale.double()
        state = {
            "weight": (wide[:, None] * state["weight"]).float(),
            "bias": (wide * state["bias"]).float(),
        }
    return {f"{target}.{kind}": tensor for kind, tensor in state.items()}


def _positions(embedding: Tensor, side: int) -> Tensor:
    """`[1, 1 + n², D]` → `[1, 1 + side², D]`, as transformers' Dinov2Embeddings interpolates."""
    place, grid = embedding[:, :1], embedding[:, 1:]
    known = round(grid.shape[1] ** 0.5)
    maps = grid.reshape(1, known, known, -1).permute(0, 3, 1, 2)
    maps = functional.interpolate(maps, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([place, maps.permute(0, 2, 3, 1).reshape(1, side * side, -1)], dim=1)


def _layers(backbone: Mapping[str, Tensor]) -> int:
    prefix = _LAYER.partition("{")[0]
    return 1 + max(int(name.split(".")[2]) for name in backbone if name.startswith(prefix))


def _get(backbone: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in backbone:
        raise InputError(f"the backbone has no tensor {name}; it is no DINOv2 as PyTorch exports one")
    return backbone[name]

"""The published models that `sizes` knows as configurations, and as models without weights.

On the meta device every parameter has a shape and none takes memory. Values as in the config.json of the
repositories on the hub. BLIP-2: Li et al. 2023, https://arxiv.org/abs/2301.12597; LLaVA-1.5: Liu et al. 2023,
https://arxiv.org/abs/2310.03744; PaliGemma 2: Steiner et al. 2024, https://arxiv.org/abs/2412.03555; SmolVLM:
Marafioti et al. 2025, https://arxiv.org/abs/2504.05299; Qwen2.5-VL: Bai et al. 2025,
https://arxiv.org/abs/2502.13923
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    CLIPVisionConfig,
    Gemma2Config,
    Idefics3Config,
    LlamaConfig,
    LlavaConfig,
    OPTConfig,
    PaliGemmaConfig,
    Qwen2_5_VLConfig,
    SiglipVisionConfig,
    T5Config,
)

from vqa.vlm.families import ImageTextFamily

_OPT: dict[str, Any] = {"vocab_size": 50304, "num_attention_heads": 32, "dropout": 0.1, "eos_token_id": 50118}
_T5: dict[str, Any] = {
    "vocab_size": 32128,
    "d_kv": 64,
    "feed_forward_proj": "gated-gelu",
    "decoder_start_token_id": 0,
}
_TEXT: dict[str, Callable[[int], OPTConfig | T5Config]] = {
    "blip2-opt-2.7b": lambda depth: _opt(depth, 2560),
    "blip2-opt-6.7b": lambda depth: _opt(depth, 4096),
    "blip2-flan-t5-xl": lambda depth: _t5(depth, d_model=2048, d_ff=5120, num_heads=32),
    "blip2-flan-t5-xxl": lambda depth: _t5(depth, d_model=4096, d_ff=10240, num_heads=64),
}
PUBLISHED = tuple(_TEXT)


def published_config(name: str, layers: int | None = None) -> Blip2Config:
    """Configuration of `Salesforce/<name>`; `name` is one of PUBLISHED.

    `layers`: at most so many in the ViT, the Q-Former and the language model (T5: encoder and decoder each).
    """

    def depth(published: int) -> int:
        return published if layers is None else min(layers, published)

    text = _TEXT[name](depth(32 if "opt" in name else 24))
    return Blip2Config(
        vision_config=Blip2VisionConfig(
            hidden_size=1408,
            intermediate_size=6144,
            num_hidden_layers=depth(39),
            num_attention_heads=16,
            image_size=224,
            patch_size=14,
        ),
        qformer_config=Blip2QFormerConfig(encoder_hidden_size=1408, num_hidden_layers=depth(12)),
        text_config=text,
        num_query_tokens=32,
        image_token_index=50265 if isinstance(text, OPTConfig) else 32100,
    )


def _opt(layers: int, width: int) -> OPTConfig:
    return OPTConfig(
        hidden_size=width, word_embed_proj_dim=width, ffn_dim=4 * width, num_hidden_layers=layers, **_OPT
    )


def _t5(layers: int, **widths: int) -> T5Config:
    # tie_word_embeddings False says that outputs are not scaled; transformers 5 then forgets it.
    return T5Config(num_layers=layers, num_decoder_layers=layers, tie_word_embeddings=False, **widths, **_T5)


def on_meta(config: Blip2Config) -> Blip2ForConditionalGeneration:
    """The model of a configuration on the meta device, its parts tied as a published model's are."""
    with torch.device("meta"):
        model = Blip2ForConditionalGeneration(config)
        head = getattr(model.language_model, "lm_head", None)
        if config.text_config.model_type == "t5" and head is not None:
            # Flan-T5 ships a head of its own; transformers 5 ties it until it sees that among the weights.
            head.weight = nn.Parameter(torch.empty_like(head.weight))
    return model


def without_weights(name: str) -> Blip2ForConditionalGeneration:
    """The published model on the meta device."""
    return on_meta(published_config(name))


def image_text_config(name: str, layers: int | None = None) -> Any:
    """Configuration of a published model; `name` is one of CONFIGS.

    `layers`: at most so many in the language model, and in proportion, but two at least, in the vision tower.
    """
    config = CONFIGS[name]()
    text, sight = config.get_text_config(), config.vision_config
    if layers is None or layers >= text.num_hidden_layers:
        return config
    depth = "depth" if hasattr(sight, "depth") else "num_hidden_layers"
    setattr(sight, depth, max(2, round(layers / text.num_hidden_layers * getattr(sight, depth))))
    if hasattr(sight, "fullatt_block_indexes"):
        sight.fullatt_block_indexes = [1]
    text.num_hidden_layers = layers
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:layers]
    return config


def image_text_on_meta(config: Any) -> Any:
    """The model of a configuration on the meta device, its parts tied as a published model's are."""
    with torch.device("meta"):
        model = ImageTextFamily(config).model_class(config)
        model.tie_weights()
    return model


def _layers(width: int, inner: int, count: int, heads: int, groups: int | None = None) -> dict[str, Any]:
    """Of a transformer; `groups`: heads of keys and values, where they are fewer."""
    named = {"hidden_size": width, "intermediate_size": inner, "num_hidden_layers": count}
    return named | {"num_attention_heads": heads} | ({"num_key_value_heads": groups} if groups else {})


def _llava() -> LlavaConfig:
    sight = _layers(1024, 4096, 24, 16)
    return LlavaConfig(
        vision_config=CLIPVisionConfig(**sight, image_size=336, patch_size=14, projection_dim=768),
        text_config=LlamaConfig(vocab_size=32064, max_position_embeddings=4096, tie_word_embeddings=False),
        image_token_index=32000,
        tie_word_embeddings=False,
    )


def _paligemma2() -> PaliGemmaConfig:
    sight = _layers(1152, 4304, 27, 16)
    return PaliGemmaConfig(
        vision_config=SiglipVisionConfig(**sight, image_size=224, patch_size=14, vision_use_head=False),
        text_config=Gemma2Config(vocab_size=257216, head_dim=256, **_layers(2304, 9216, 26, 8, 4)),
        projection_dim=2304,
        image_token_index=257152,
    )


def _smolvlm(**text: int) -> Idefics3Config:
    positions = {"max_position_embeddings": 8192, "tie_word_embeddings": False}
    return Idefics3Config(
        vision_config={**_layers(768, 3072, 12, 12), "image_size": 512, "patch_size": 16},
        text_config=LlamaConfig(vocab_size=49280, **text, **positions),
        image_token_id=49190,
        scale_factor=4,
        tie_word_embeddings=False,
    )


def _qwen() -> Qwen2_5_VLConfig:
    return Qwen2_5_VLConfig(
        vision_config={
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 2048,
            "patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": [7, 15, 23, 31],
        },
        text_config={
            **_layers(2048, 11008, 36, 16, 2),
            "vocab_size": 151936,
            "max_position_embeddings": 128000,
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
        },
        tie_word_embeddings=True,
    )


CONFIGS: dict[str, Callable[[], Any]] = {
    "smolvlm-256m": lambda: _smolvlm(**_layers(576, 1536, 30, 9, 3)),
    "smolvlm-500m": lambda: _smolvlm(**_layers(960, 2560, 32, 15, 5)),
    "paligemma2-3b": _paligemma2,
    "qwen2.5-vl-3b": _qwen,
    "llava-1.5-7b": _llava,
}

"""The four published BLIP-2s as configurations, and what each needs, counted without weights.

Models are built on the meta device: every parameter has a shape and none takes memory. Values as in the
config.json of the Salesforce repositories on the hub. Li et al. 2023, https://arxiv.org/abs/2301.12597
"""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    OPTConfig,
    T5Config,
)

_OPT = {"vocab_size": 50304, "num_hidden_layers": 32, "num_attention_heads": 32, "dropout": 0.1}
_T5: dict[str, Any] = {
    "vocab_size": 32128,
    "d_kv": 64,
    "num_layers": 24,
    "num_decoder_layers": 24,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
}
_TEXT: dict[str, OPTConfig | T5Config] = {
    "blip2-opt-2.7b": OPTConfig(hidden_size=2560, word_embed_proj_dim=2560, ffn_dim=10240, **_OPT),
    "blip2-opt-6.7b": OPTConfig(hidden_size=4096, word_embed_proj_dim=4096, ffn_dim=16384, **_OPT),
    "blip2-flan-t5-xl": T5Config(d_model=2048, d_ff=5120, num_heads=32, **_T5),
    "blip2-flan-t5-xxl": T5Config(d_model=4096, d_ff=10240, num_heads=64, **_T5),
}
PUBLISHED = tuple(_TEXT)
TEXT_TOKENS = 24  # of a prompt and its answer, without the image tokens
_GB = 1e9


def published_config(name: str) -> Blip2Config:
    """Configuration of `Salesforce/<name>`; `name` is one of PUBLISHED."""
    text = _TEXT[name]
    return Blip2Config(
        vision_config=Blip2VisionConfig(
            hidden_size=1408,
            intermediate_size=6144,
            num_hidden_layers=39,
            num_attention_heads=16,
            image_size=224,
            patch_size=14,
        ),
        qformer_config=Blip2QFormerConfig(encoder_hidden_size=1408),
        text_config=text,
        num_query_tokens=32,
        image_token_index=50265 if isinstance(text, OPTConfig) else 32100,
    )


def without_weights(name: str) -> Blip2ForConditionalGeneration:
    """The published model on the meta device."""
    with torch.device("meta"):
        return Blip2ForConditionalGeneration(published_config(name))


@dataclass(frozen=True)
class Sizes:
    """Parameters of each part, and gigabytes (1e9) on the device with frozen weights in bf16."""

    vision: int
    qformer: int
    language: int  # with language_projection
    cache_gb: float  # weights of ViT and Q-Former
    answer_gb: float  # weights of the language model
    train_gb: dict[int, float]  # by pairs at once: weights, adapter with Adam, activations (an estimate)
    row_kb: float  # one picture's features in bf16
    vit_row_kb: float  # the same with features.level vit


def sizes_of(
    model: Blip2ForConditionalGeneration, trainable: int, batches: tuple[int, ...] = (1, 4)
) -> Sizes:
    """Count a model (meta or not) whose adapter has `trainable` parameters, held in fp32."""
    vision, qformer = _count(model.vision_model), _count(model.qformer) + model.query_tokens.numel()
    language = _count(model.language_model) + _count(model.language_projection)
    queries, hidden = model.config.num_query_tokens, model.config.qformer_config.hidden_size
    seen = model.config.vision_config
    patches = (seen.image_size // seen.patch_size) ** 2 + 1
    fixed = 2 * language + 16 * trainable  # bf16; fp32 weight, gradient and Adam's two moments
    return Sizes(
        vision=vision,
        qformer=qformer,
        language=language,
        cache_gb=(2 * vision + 4 * qformer) / _GB,
        answer_gb=2 * language / _GB,
        train_gb={b: (fixed + _activations(model.config, b)) / _GB for b in batches},
        row_kb=2 * queries * hidden / 1e3,
        vit_row_kb=2 * patches * seen.hidden_size / 1e3,
    )


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _activations(config: Blip2Config, batch: int) -> float:
    """Bytes kept for the backward pass in 16 bit: 34 s b h + 5 a s² b a layer, and the logits.

    Source: Korthikanti et al. 2022, https://arxiv.org/abs/2205.05198, equation 2.
    """
    text = config.text_config
    tokens = config.num_query_tokens + TEXT_TOKENS
    width, heads, layers = text.hidden_size, text.num_attention_heads, text.num_hidden_layers
    if isinstance(text, T5Config):
        layers, labelled = text.num_layers + text.num_decoder_layers, 8
    else:
        labelled = tokens
    a_layer = 34 * tokens * batch * width + 5 * heads * tokens**2 * batch
    return layers * a_layer + 10 * labelled * batch * text.vocab_size  # logits, their fp32 copy and gradient

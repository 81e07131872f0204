"""The four published BLIP-2s as configurations, and as models without weights.

On the meta device every parameter has a shape and none takes memory. Values as in the config.json of the
Salesforce repositories on the hub. Li et al. 2023, https://arxiv.org/abs/2301.12597
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
    OPTConfig,
    T5Config,
)

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

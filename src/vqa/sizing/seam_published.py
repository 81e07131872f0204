"""Published models with transformers' seam for picture features, as configurations.

Values as in the config.json of the repositories on the hub. LLaVA-1.5: Liu et al. 2023,
https://arxiv.org/abs/2310.03744; PaliGemma 2: Steiner et al. 2024, https://arxiv.org/abs/2412.03555; SmolVLM:
Marafioti et al. 2025, https://arxiv.org/abs/2504.05299; Qwen2.5-VL: Bai et al. 2025,
https://arxiv.org/abs/2502.13923
"""

from collections.abc import Callable
from typing import Any

from transformers import (
    CLIPVisionConfig,
    Gemma2Config,
    Idefics3Config,
    LlamaConfig,
    LlavaConfig,
    PaliGemmaConfig,
    Qwen2_5_VLConfig,
    SiglipVisionConfig,
)


def _llava() -> LlavaConfig:
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
            image_size=336,
            patch_size=14,
            projection_dim=768,
        ),
        text_config=LlamaConfig(vocab_size=32064, max_position_embeddings=4096, tie_word_embeddings=False),
        image_token_index=32000,
        tie_word_embeddings=False,
    )


def _paligemma2() -> PaliGemmaConfig:
    return PaliGemmaConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=1152,
            intermediate_size=4304,
            num_hidden_layers=27,
            num_attention_heads=16,
            image_size=224,
            patch_size=14,
            vision_use_head=False,
        ),
        text_config=Gemma2Config(
            vocab_size=257216,
            hidden_size=2304,
            intermediate_size=9216,
            num_hidden_layers=26,
            num_attention_heads=8,
            num_key_value_heads=4,
            head_dim=256,
        ),
        projection_dim=2304,
        image_token_index=257152,
    )


def _smolvlm(width: int, inner: int, layers: int, heads: int, groups: int) -> Idefics3Config:
    return Idefics3Config(
        vision_config={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "image_size": 512,
            "patch_size": 16,
        },
        text_config=LlamaConfig(
            vocab_size=49280,
            hidden_size=width,
            intermediate_size=inner,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=groups,
            max_position_embeddings=8192,
            tie_word_embeddings=False,
        ),
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
            "vocab_size": 151936,
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "max_position_embeddings": 128000,
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
        },
        tie_word_embeddings=True,
    )


CONFIGS: dict[str, Callable[[], Any]] = {
    "smolvlm-256m": lambda: _smolvlm(576, 1536, 30, 9, 3),
    "smolvlm-500m": lambda: _smolvlm(960, 2560, 32, 15, 5),
    "paligemma2-3b": _paligemma2,
    "qwen2.5-vl-3b": _qwen,
    "llava-1.5-7b": _llava,
}

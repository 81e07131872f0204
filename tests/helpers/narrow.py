"""Published configurations of two layers, true in all but width and image size."""

from typing import Any

from transformers import Blip2Config

from vqa.memory_estimate.meta_device import at_most, published_config


def narrowed(name: str) -> Blip2Config:
    config = at_most(published_config(name), 2)
    for part, widths in {
        "vision_config": {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
        | {"image_size": 28},
        "qformer_config": {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
        | {"encoder_hidden_size": 32, "vocab_size": 2},
        "text_config": {"d_model": 256, "d_ff": 640, "num_heads": 4, "d_kv": 64}
        if "t5" in name
        else {"hidden_size": 256, "word_embed_proj_dim": 256, "ffn_dim": 1024, "num_attention_heads": 4},
    }.items():
        for key, value in widths.items():
            setattr(getattr(config, part), key, value)
    return config


def narrow_image_text_model(name: str) -> Any:
    """The same of a model with the seam, whose images stay as large as they are."""
    config = at_most(published_config(name), 2)
    text, sight = config.get_text_config(), config.vision_config
    widths = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "head_dim": 16}
    widths["num_key_value_heads"] = 2
    if "qwen" in name:
        text.rope_parameters = text.rope_parameters | {"mrope_section": [2, 3, 3]}
        widths.pop("head_dim")
        sight.out_hidden_size = 64
    if "paligemma" in name:
        config.projection_dim = sight.projection_dim = 64
    for key, value in widths.items():
        setattr(text, key, value)
    for key, value in {"hidden_size": 32, "intermediate_size": 64}.items():
        setattr(sight, key, value)
    setattr(sight, "num_heads" if "qwen" in name else "num_attention_heads", 2)
    return config

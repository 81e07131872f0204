"""Published configurations of two layers, true in all but width and picture size."""

from transformers import Blip2Config

from vqa.sizing.published import published_config


def narrowed(name: str) -> Blip2Config:
    config = published_config(name, 2)
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

#!/bin/sh
# Blip2ForConditionalGeneration.generate does not read the model's generation_config, its generation_config.json included.
#
# It makes embeddings of the image and the prompt and calls generate of the language model inside, which reads a
# configuration of its own, made from text_config when the model is loaded. So max_new_tokens, the end token or beams
# that a checkpoint ships for the whole model have no effect; only arguments of the call do.
#
# Versions: torch 2.13.0, transformers 5.23.0. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   generation_config of the loaded model says: 3
#   new tokens by it: 20
#   new tokens with the argument: 3
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0

cat > try.py <<'PY'
import torch
from transformers import (
    Blip2Config, Blip2ForConditionalGeneration, Blip2QFormerConfig, Blip2VisionConfig, OPTConfig
)

torch.manual_seed(0)
size = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
config = Blip2Config(
    vision_config=Blip2VisionConfig(**size, intermediate_size=32, image_size=28, initializer_range=0.02).to_dict(),
    qformer_config=Blip2QFormerConfig(**size, intermediate_size=32, encoder_hidden_size=16, vocab_size=64).to_dict(),
    text_config=OPTConfig(
        **size, word_embed_proj_dim=16, ffn_dim=32, vocab_size=64, max_position_embeddings=64, eos_token_id=None
    ).to_dict(),
    num_query_tokens=4,
    image_token_id=60,
)
model = Blip2ForConditionalGeneration(config)
model.generation_config.max_new_tokens = 3
model.save_pretrained("model")
loaded = Blip2ForConditionalGeneration.from_pretrained("model").eval()

ids = torch.tensor([[60, 60, 60, 60, 5, 6, 7]])
asked = dict(pixel_values=torch.randn(1, 3, 28, 28), input_ids=ids, attention_mask=torch.ones_like(ids))
by_config = loaded.generate(**asked).shape[1] - ids.shape[1]
by_argument = loaded.generate(**asked, max_new_tokens=3).shape[1] - ids.shape[1]
print("generation_config of the loaded model says:", loaded.generation_config.max_new_tokens)
print("new tokens by it:", by_config)
print("new tokens with the argument:", by_argument)
assert loaded.generation_config.max_new_tokens == 3 and by_argument == 3
assert by_config > 3
PY
python try.py

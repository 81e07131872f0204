#!/bin/sh
# transformers ignores mm_encoder_outputs under a key that it does not know, and the model answers without the
# image.
#
# The key is "image". "images", which processors use as the name of their argument, raises nothing: the
# placeholders keep the embedding of the token <image>, and the logits are those of a call without any image, to
# the last bit.
#
# Versions: torch 2.13.0, transformers 5.23.0. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   'image' equals the pixels: True
#   'images' equals no image at all: True and differs from the pixels by 0.27407920360565186
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0

cat > try.py <<'PY'
import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

torch.manual_seed(0)
size = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
model = LlavaForConditionalGeneration(
    LlavaConfig(
        vision_config=CLIPVisionConfig(**size, image_size=28, patch_size=14),
        text_config=LlamaConfig(**size, vocab_size=64),
        image_token_id=60,
        vision_feature_layer=-1,
    )
).eval()
ids = torch.tensor([[60, 60, 60, 60, 5, 6, 7]])
pixels = torch.randn(1, 3, 28, 28)
whole = model(input_ids=ids, pixel_values=pixels).logits
features = model.get_image_features(pixel_values=pixels)
right = model(input_ids=ids, mm_encoder_outputs={"image": features}).logits
wrong = model(input_ids=ids, mm_encoder_outputs={"images": features}).logits
without = model(input_ids=ids).logits
print("'image' equals the pixels:", torch.equal(right, whole))
print("'images' equals no image at all:", torch.equal(wrong, without), "and differs from the pixels by", (wrong - whole).abs().max().item())
assert torch.equal(right, whole) and torch.equal(wrong, without) and not torch.allclose(wrong, whole, atol=1e-3)
PY
python try.py

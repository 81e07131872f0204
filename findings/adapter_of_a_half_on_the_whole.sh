#!/bin/sh
# A PEFT adapter that was saved from model.language_model loads on the whole model and changes nothing.
#
# The names in the file are those below the language model. Loaded on the whole BLIP-2, no tensor finds a place;
# PEFT makes a fresh adapter, whose update is zero, and says so in one warning among others. The answers are the
# baseline's to the last bit. Loaded on model.language_model the adapter is exact.
#
# Versions: torch 2.13.0, transformers 5.23.0, peft 0.21.2. The script ends with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   trained adapter against the plain model: 0.24653078615665436
#   loaded on the whole against the plain model: 0.0
#   loaded on the language model against the trained: 0.0
#   warnings: ['Found missing adapter keys while loading the checkpoint']
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0 peft==0.21.2

cat > try.py <<'PY'
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    Blip2Config, Blip2ForConditionalGeneration, Blip2QFormerConfig, Blip2VisionConfig, OPTConfig
)


def blip2():
    torch.manual_seed(0)
    size = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
    config = Blip2Config(
        vision_config=Blip2VisionConfig(**size, intermediate_size=32, image_size=28, initializer_range=0.02).to_dict(),
        qformer_config=Blip2QFormerConfig(**size, intermediate_size=32, encoder_hidden_size=16, vocab_size=64).to_dict(),
        text_config=OPTConfig(**size, word_embed_proj_dim=16, ffn_dim=32, vocab_size=64, max_position_embeddings=64).to_dict(),
        num_query_tokens=4,
        image_token_id=60,
    )
    model = Blip2ForConditionalGeneration(config).eval()
    torch.nn.init.normal_(model.query_tokens, std=0.5)
    return model


ids = torch.tensor([[60, 60, 60, 60, 5, 6, 7]])
pixels = torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(1))
logits = lambda model: model(pixel_values=pixels, input_ids=ids, attention_mask=torch.ones_like(ids)).logits.detach()

plain = logits(blip2())
whole = blip2()
half = get_peft_model(whole.language_model, LoraConfig(target_modules=["q_proj", "v_proj"])).eval()
for name, weight in half.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(weight)
trained = logits(whole)
half.save_pretrained("adapter")

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    loaded = PeftModel.from_pretrained(blip2(), "adapter").eval()
lost = [str(warning.message).split(":")[0] for warning in said if "missing adapter keys" in str(warning.message)]
again = blip2()
again.language_model = PeftModel.from_pretrained(again.language_model, "adapter").eval()

print("trained adapter against the plain model:", (trained - plain).abs().max().item())
print("loaded on the whole against the plain model:", (logits(loaded) - plain).abs().max().item())
print("loaded on the language model against the trained:", (logits(again) - trained).abs().max().item())
print("warnings:", lost)
assert (trained - plain).abs().max() > 0.01
assert torch.equal(logits(loaded), plain) and len(lost) == 1
assert torch.equal(logits(again), trained)
PY
python try.py

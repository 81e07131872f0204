#!/bin/sh
# Trainer's label_smoothing_factor trains image-text models on the wrong tokens.
#
# With smoothing, Trainer computes the loss itself, and shifts the labels by one only if the class is in its
# list of causal language models. LlavaForConditionalGeneration and the other image-text classes are not: each
# position is then scored against its own token, which the model has just read. A smoothing of 1e-9, which
# should change nothing, shows it.
#
# Versions: torch 2.13.0, transformers 5.23.0, accelerate 1.15.0. The script ends with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   smoothing of 1e-9, which should change nothing:
#   LlamaForCausalLM: loss 4.17417 without, 4.17417 with; each token scored as its own label 4.18306
#   LlavaForConditionalGeneration: loss 4.14649 without, 4.17063 with; each token scored as its own label 4.17063
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0 accelerate==1.15.0

cat > try.py <<'PY'
import torch
from transformers import (
    CLIPVisionConfig, LlamaConfig, LlamaForCausalLM, LlavaConfig, LlavaForConditionalGeneration, Trainer, TrainingArguments
)

size = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
text = LlamaConfig(**size, vocab_size=64)


def llava():
    vision = CLIPVisionConfig(**size, image_size=28, patch_size=14)
    return LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text, image_token_id=60, vision_feature_layer=-1))


torch.manual_seed(1)
ids = torch.cat([torch.full((4, 4), 60), torch.randint(3, 50, (4, 8))], 1)
inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
pixels = {"pixel_values": torch.randn(4, 3, 28, 28)}


def loss(make, inputs, smoothing):
    torch.manual_seed(0)
    model = make().eval()
    arguments = TrainingArguments("run", label_smoothing_factor=smoothing, report_to=[], use_cpu=True)
    with torch.no_grad():
        value = Trainer(model, arguments).compute_loss(model, dict(inputs)).item()
        logits = model(**{key: tensor for key, tensor in inputs.items() if key != "labels"}).logits
    unshifted = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten()).item()
    return value, unshifted


print("smoothing of 1e-9, which should change nothing:")
for name, make, given in (
    ("LlamaForCausalLM", lambda: LlamaForCausalLM(text), inputs),
    ("LlavaForConditionalGeneration", llava, inputs | pixels),
):
    off, unshifted = loss(make, given, 0.0)
    on, _ = loss(make, given, 1e-9)
    print(f"{name}: loss {off:.5f} without, {on:.5f} with; each token scored as its own label {unshifted:.5f}")
    shifted = abs(on - off) < 1e-4
    assert shifted == (name == "LlamaForCausalLM")
    assert shifted or abs(on - unshifted) < 1e-4
PY
python try.py

#!/bin/sh
# PEFT's exclude_modules as a list excludes nothing when it names a part of the model.
#
# A list is compared with the ends of module names, as target_modules is: "vision_tower" would exclude a linear
# layer of that name, not what is inside it. LLaVA's vision tower and its language model both have q_proj and
# v_proj, so the LoRA lands in both, without a warning. A regular expression excludes the tower.
#
# Versions: torch 2.13.0, transformers 5.23.0, peft 0.21.2. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   exclude_modules = None → in the vision tower, in all, warnings: (4, 8, [])
#   exclude_modules = ['vision_tower'] → in the vision tower, in all, warnings: (4, 8, [])
#   exclude_modules = ['model.vision_tower'] → in the vision tower, in all, warnings: (4, 8, [])
#   exclude_modules = '.*vision_tower.*' → in the vision tower, in all, warnings: (0, 4, [])
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0 peft==0.21.2

cat > try.py <<'PY'
import warnings

from peft import LoraConfig, get_peft_model
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

size = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)


def adapted(exclude):
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(**size, image_size=28, patch_size=14),
            text_config=LlamaConfig(**size, vocab_size=64),
        )
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = get_peft_model(model, LoraConfig(target_modules=["q_proj", "v_proj"], exclude_modules=exclude))
    names = [name for name, _ in model.named_modules() if name.endswith("lora_A")]
    return sum("vision_tower" in name for name in names), len(names), [s for s in said if "exclude" in str(s.message)]


for exclude in (None, ["vision_tower"], ["model.vision_tower"], r".*vision_tower.*"):
    print("exclude_modules =", repr(exclude), "→ in the vision tower, in all, warnings:", adapted(exclude))
assert adapted(None) == adapted(["vision_tower"]) == adapted(["model.vision_tower"]) == (4, 8, [])
assert adapted(r".*vision_tower.*") == (0, 4, [])
PY
python try.py

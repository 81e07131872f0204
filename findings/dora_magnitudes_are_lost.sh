#!/bin/sh
# A DoRA adapter that PEFT saved loses its magnitudes when transformers' own load_adapter loads it.
#
# PEFT writes the vectors as "…lora_magnitude_vector" and adds ".weight" when it reads them. transformers looks for the
# longer name alone, so each vector is fresh: the norm of the base weight. The rank-r update is there, its scale is not.
# The load report lists the vectors as missing and unexpected; nothing is raised. PeftModel.from_pretrained is exact.
#
# Versions: torch 2.13.0, transformers 5.23.0, peft 0.21.2. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   largest difference by PeftModel.from_pretrained: 0.0
#   largest difference by model.load_adapter: 0.14358623325824738
#   the same, without DoRA: 0.0
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0 peft==0.21.2

cat > try.py <<'PY'
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import OPTConfig, OPTForCausalLM

SIZE = dict(hidden_size=16, word_embed_proj_dim=16, ffn_dim=32, num_hidden_layers=2, num_attention_heads=2)
IDS = torch.tensor([[2, 5, 6, 7, 8]])


def base():
    torch.manual_seed(0)
    return OPTForCausalLM(OPTConfig(**SIZE, vocab_size=64, max_position_embeddings=64)).eval()


def differences(use_dora):
    """Largest difference from the trained logits, by PEFT and by transformers."""
    folder = f"adapter-{use_dora}"
    trained = get_peft_model(base(), LoraConfig(r=2, target_modules=["q_proj", "fc1"], use_dora=use_dora)).eval()
    torch.manual_seed(1)
    for name, weight in trained.named_parameters():
        if "lora_" in name:
            weight.data += torch.randn_like(weight) * 0.3
    trained.save_pretrained(folder)
    by_peft = PeftModel.from_pretrained(base(), folder).eval()
    by_transformers = base()
    by_transformers.load_adapter(folder)
    with torch.no_grad():
        logits = trained(IDS).logits
        return [(model.eval()(IDS).logits - logits).abs().max().item() for model in (by_peft, by_transformers)]


peft, transformers = differences(use_dora=True)
plain = differences(use_dora=False)
print("largest difference by PeftModel.from_pretrained:", peft)
print("largest difference by model.load_adapter:", transformers)
print("the same, without DoRA:", plain[1])
assert peft == 0.0 and plain == [0.0, 0.0]
assert transformers > 0.01
PY
python try.py

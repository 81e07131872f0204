#!/bin/sh
# PEFT's add_weighted_adapter with combination_type="linear" does not average two adapters.
#
# Each factor is multiplied by the root of its weight and the factors are summed, so that the update is the
# product of the sums: half of (B1 + B2)(A1 + A2) instead of half of B1 A1 + B2 A2. The crossed products are as
# large as the mean itself where the adapters are independent, as those of two seeds are. "cat" gives the mean;
# with one adapter alone both agree, which hides it.
#
# Versions: torch 2.13.0, transformers 5.23.0, peft 0.21.2. The script ends with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   cat: differs from the mean of both updates by 5.9e-08 of its norm
#   linear: differs from the mean of both updates by 1.0e+00 of its norm
#   one adapter by itself is halved exactly: True
#   'linear' is the product of the summed factors: True
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0 peft==0.21.2

cat > try.py <<'PY'
import torch
from peft import LoraConfig, get_peft_model

torch.manual_seed(0)
config = lambda: LoraConfig(target_modules=["0"], r=4)
model = get_peft_model(torch.nn.Sequential(torch.nn.Linear(64, 64)), config(), adapter_name="first")
model.add_adapter("second", config())
for name, weight in model.named_parameters():
    if "lora_" in name:
        torch.nn.init.normal_(weight)
layer = model.base_model.model[0]
mean = (layer.get_delta_weight("first") + layer.get_delta_weight("second")) / 2
away = {}
for way in ("cat", "linear"):
    model.add_weighted_adapter(["first", "second"], [0.5, 0.5], way, combination_type=way)
    away[way] = ((layer.get_delta_weight(way) - mean).norm() / mean.norm()).item()
    print(f"{way}: differs from the mean of both updates by {away[way]:.1e} of its norm")

model.add_weighted_adapter(["first"], [0.5], "alone", combination_type="linear")
print("one adapter by itself is halved exactly:",
      torch.allclose(layer.get_delta_weight("alone"), layer.get_delta_weight("first") / 2, atol=1e-5))
a, b = (layer.lora_A[n].weight for n in ("first", "second")), (layer.lora_B[n].weight for n in ("first", "second"))
crossed = sum(b) @ sum(a) / 2 * layer.scaling["first"]  # (B1 + B2)(A1 + A2) / 2
print("'linear' is the product of the summed factors:", torch.allclose(layer.get_delta_weight("linear"), crossed, atol=1e-4))
assert away["cat"] < 1e-5 and away["linear"] > 0.5
assert torch.allclose(layer.get_delta_weight("linear"), crossed, atol=1e-4)
PY
python try.py

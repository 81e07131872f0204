#!/bin/sh
# An adapter that PEFT made with init_lora_weights="pissa_niter_4" reloads as another model each time.
#
# The file holds the two factors; the frozen rest is computed again from the base weights when it is loaded, by
# a singular value decomposition that draws random numbers. Nothing is said. Plain pissa, olora and orthogonal
# are computed again as well, but without chance, and reload exactly.
#
# Versions: torch 2.13.0, transformers 5.23.0, peft 0.21.2. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   pissa, loaded after seed 4: differs by 0.0e+00 of the largest output
#   pissa, loaded after seed 5: differs by 0.0e+00 of the largest output
#   pissa_niter_4, loaded after seed 4: differs by 5.0e-01 of the largest output
#   pissa_niter_4, loaded after seed 5: differs by 3.6e-01 of the largest output
#   olora, loaded after seed 4: differs by 0.0e+00 of the largest output
#   olora, loaded after seed 5: differs by 0.0e+00 of the largest output
#   orthogonal, loaded after seed 4: differs by 0.0e+00 of the largest output
#   orthogonal, loaded after seed 5: differs by 0.0e+00 of the largest output
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0 peft==0.21.2

cat > try.py <<'PY'
import torch
from peft import LoraConfig, PeftModel, get_peft_model


def base():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 64))


rows = torch.randn(8, 64, generator=torch.Generator().manual_seed(1))
away = {}
for way in ("pissa", "pissa_niter_4", "olora", "orthogonal"):
    whole = base()
    torch.manual_seed(3)
    model = get_peft_model(whole, LoraConfig(target_modules=["0"], r=8, init_lora_weights=way))
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data += 0.05 * torch.randn(weight.shape)  # stands for training
    model.save_pretrained(way)
    expected = model(rows)
    for seed in (4, 5):
        whole = base()
        torch.manual_seed(seed)
        found = PeftModel.from_pretrained(whole, way)(rows)
        away[way, seed] = ((found - expected).abs().max() / expected.abs().max()).item()
        print(f"{way}, loaded after seed {seed}: differs by {away[way, seed]:.1e} of the largest output")
assert all(value < 1e-5 for (way, _), value in away.items() if way != "pissa_niter_4")
assert away["pissa_niter_4", 4] > 1e-3 and away["pissa_niter_4", 5] > 1e-3
assert away["pissa_niter_4", 4] != away["pissa_niter_4", 5]
PY
python try.py

#!/bin/sh
# PyTorch multiplies sliced states by a frozen weight with a batched product, by a weight that trains with a
# plain one.
#
# torch.matmul folds the batch into the rows if the weight requires a gradient, also under no_grad, or if that
# needs no copy. states[:, -1:], which generate gives to the head for the first token, is not contiguous, so a
# frozen vocabulary matrix is expanded once a row; in bf16 on a CPU it is copied once a row. Contiguous states
# avoid it. What is under a LoRA is frozen.
#
# Versions: torch 2.13.0. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   weight trains, states sliced: ['aten::mm']
#   weight is frozen, states sliced: ['aten::bmm']
#   weight is frozen, states contiguous: ['aten::mm']
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0

cat > try.py <<'PY'
import torch
from torch.profiler import ProfilerActivity, profile

head = torch.nn.Linear(64, 20_000, bias=False)
states = torch.randn(32, 10, 64)


def calls(trainable, states):
    head.weight.requires_grad_(trainable)
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as seen:
        head(states)
    return sorted({event.key for event in seen.key_averages()} & {"aten::mm", "aten::bmm"})


last = states[:, -1:]  # [32, 1, 64], not contiguous: what generate gives the head for the first token
for trainable, what, rows in (
    (True, "sliced", last), (False, "sliced", last), (False, "contiguous", last.contiguous())
):
    print(f"weight {'trains' if trainable else 'is frozen'}, states {what}: {calls(trainable, rows)}")
assert calls(True, last) == ["aten::mm"]
assert calls(False, last) == ["aten::bmm"]
assert calls(False, last.contiguous()) == ["aten::mm"]
PY
python try.py 2>/dev/null

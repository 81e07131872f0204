#!/bin/sh
# In transformers the same ids and position_ids give other logits with use_cache=False, or with gradient
# checkpointing, if positions restart.
#
# Positions that restart are how several questions share one prefix. Without an attention mask and without a
# cache, which is switched off in checkpointed training, they are taken for packed sequences: the second
# question then does not see the prefix, which in an image-text model is the image. With a cache it sees the
# prefix and the first question. A mask of four axes says what is meant, and is obeyed.
#
# Versions: torch 2.13.0, transformers 5.23.0. The script ends with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   a mask of four axes: as the question alone behind the prefix, to 2.9802322387695312e-08
#   use_cache=False: as the question without the prefix, to 4.470348358154297e-08
#   gradient checkpointing: as use_cache=False, to 0.0
#   use_cache=True, away from use_cache=False: 0.0775633230805397
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0

cat > try.py <<'PY'
import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
model = LlamaForCausalLM(
    LlamaConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=64)
).eval()
prefix, first, second = torch.tensor([[9, 8, 7, 6]]), torch.tensor([[11, 12, 13]]), torch.tensor([[21, 22, 23]])
ids = torch.cat([prefix, first, second], 1)  # two questions behind one prefix
positions = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 4, 5, 6]])  # the second starts where the first did
blocked = torch.zeros(10, 10).masked_fill(torch.ones(10, 10).triu(1).bool(), float("-inf"))
blocked[7:, 4:7] = float("-inf")  # the second question does not see the first

alone = model(input_ids=torch.cat([prefix, second], 1)).logits[:, 4:]
no_prefix = model(input_ids=second, position_ids=positions[:, 7:]).logits
masked = model(input_ids=ids, position_ids=positions, attention_mask=blocked[None, None]).logits[:, 7:]
cached = model(input_ids=ids, position_ids=positions).logits[:, 7:]
uncached = model(input_ids=ids, position_ids=positions, use_cache=False).logits[:, 7:]
model.train().gradient_checkpointing_enable()
checkpointed = model(input_ids=ids, position_ids=positions).logits[:, 7:]
print("a mask of four axes: as the question alone behind the prefix, to", (masked - alone).abs().max().item())
print("use_cache=False: as the question without the prefix, to", (uncached - no_prefix).abs().max().item())
print("gradient checkpointing: as use_cache=False, to", (checkpointed - uncached).abs().max().item())
print("use_cache=True, away from use_cache=False:", (cached - uncached).abs().max().item())
assert torch.allclose(masked, alone, atol=1e-5) and torch.allclose(uncached, no_prefix, atol=1e-5)
assert torch.allclose(checkpointed, uncached, atol=1e-5)
assert not torch.allclose(cached, uncached, atol=1e-3) and not torch.allclose(uncached, alone, atol=1e-3)
PY
python try.py

#!/bin/sh
# One padding token in a batch makes training on a CPU keep a square of the tokens for every layer.
#
# transformers gives no attention mask if nothing is padded, and else one boolean mask for all layers.
# scaled_dot_product_attention on a CPU makes it a float mask in each call and keeps that for the backward pass:
# rows × tokens² × 4 bytes a layer, which is above all else that is kept where texts are long. A mask that is a
# float tensor already is kept once.
#
# Versions: torch 2.13.0, transformers 5.23.0. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64, four layers, two rows of 512 tokens:
#   nothing padded: 20.9 MB kept, 0 squares
#   one token padded: 29.3 MB kept, 4 squares
#   one token padded, float mask: 23.0 MB kept, 1 square
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0

cat > try.py <<'PY'
import torch
from torch.autograd.graph import saved_tensors_hooks
from transformers import LlamaConfig, LlamaForCausalLM

LAYERS, TOKENS = 4, 512
torch.manual_seed(0)
model = LlamaForCausalLM(
    LlamaConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=LAYERS, num_attention_heads=4,
        num_key_value_heads=4, vocab_size=100, max_position_embeddings=TOKENS,
    )
).train()
ids = torch.randint(1, 100, (2, TOKENS))


def kept(what, mask):
    seen = {}

    def keep(tensor):
        seen[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(input_ids=ids, attention_mask=mask, labels=ids).loss
    loss.backward()
    squares = sum(tensor.shape[-2:] == (TOKENS, TOKENS) for tensor in seen.values())
    megabytes = sum(tensor.untyped_storage().nbytes() for tensor in seen.values()) / 1e6
    print(f"{what}: {megabytes:.1f} MB kept, {squares} square{'s' * (squares != 1)}")
    return squares


whole = torch.ones_like(ids)
padded = whole.clone()
padded[0, 0] = 0
sees = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril() & padded.bool()[:, None, None]
as_float = torch.zeros(2, 1, TOKENS, TOKENS).masked_fill(~sees, torch.finfo(torch.float32).min)
assert kept("nothing padded", whole) == 0
assert kept("one token padded", padded) == LAYERS
assert kept("one token padded, float mask", as_float) == 1
PY
python try.py 2>/dev/null

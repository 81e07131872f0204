#!/bin/sh
# AutoTokenizer reads a folder that holds no tokenizer as a tokenizer that writes nothing, for some kinds of model.
#
# A folder has the config.json of a model and none of its tokenizer's files, as after a copy of the weights alone. For
# opt, a BLIP-2 with OPT, gpt2 and qwen2 there is no error: the tokenizer has one token and makes no tokens of any text.
# For bert every word becomes the unknown token. For llama a ValueError says what is missing.
#
# Versions: transformers 5.23.0. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   opt: GPT2Tokenizer of 1 tokens, "red lamp" is []
#   blip-2: GPT2Tokenizer of 1 tokens, "red lamp" is []
#   gpt2: GPT2Tokenizer of 1 tokens, "red lamp" is []
#   qwen2: Qwen2Tokenizer of 1 tokens, "red lamp" is []
#   bert: BertTokenizer of 5 tokens, "red lamp" is ['[UNK]', '[UNK]']
#   llama: ValueError
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile transformers==5.23.0
export HF_HUB_OFFLINE=1

cat > show.py <<'PY'
import json, os
from transformers import AutoTokenizer

for kind in ("opt", "blip-2", "gpt2", "qwen2", "bert", "llama"):
    os.makedirs(kind)
    with open(f"{kind}/config.json", "w") as file:
        json.dump({"model_type": kind}, file)
    try:
        tokenizer = AutoTokenizer.from_pretrained(kind)
    except ValueError:
        print(f"{kind}: ValueError")
        continue
    tokens = tokenizer.tokenize("red lamp")
    print(f'{kind}: {type(tokenizer).__name__} of {len(tokenizer)} tokens, "red lamp" is {tokens}')
PY
python show.py 2>/dev/null | tee seen.txt
[ "$(grep -c 'of 1 tokens, "red lamp" is \[\]$' seen.txt)" = 4 ]
grep -q "^bert: .* is \['\[UNK\]', '\[UNK\]'\]" seen.txt
grep -q '^llama: ValueError' seen.txt

#!/bin/sh
# Blip2Processor writes a chat template and does not read it again, so a BLIP-2 that ships one refuses messages.
#
# save_pretrained writes chat_template.jinja. from_pretrained reads the file and hands it to the class, whose __init__
# takes it as one of **kwargs and passes on only the image processor and the tokenizer. So AutoProcessor and the
# pipeline "image-text-to-text" say that there is no template. LlavaProcessor, from the same files, keeps it.
#
# Versions: torch 2.13.0, transformers 5.23.0, pillow 13.0.0. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   chat_template.jinja is there: True
#   Blip2Processor reads: None
#   LlavaProcessor reads: {{ messages[0]['content'] }}
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0 pillow==13.0.0

cat > try.py <<'PY'
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoProcessor, Blip2Processor, BlipImageProcessorPil, CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast
)

TEMPLATE = "{{ messages[0]['content'] }}"


def tokenizer():
    words = Tokenizer(models.WordLevel({"<unk>": 0, "red": 1, "blue": 2, "<image>": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", pad_token="<unk>")


def reload(processor, folder):
    processor.chat_template = TEMPLATE
    processor.save_pretrained(folder)
    return AutoProcessor.from_pretrained(folder)


blip2 = reload(Blip2Processor(BlipImageProcessorPil(), tokenizer(), num_query_tokens=4), "blip2")
llava = reload(LlavaProcessor(CLIPImageProcessorPil(), tokenizer(), patch_size=14), "llava")
print("chat_template.jinja is there:", Path("blip2/chat_template.jinja").is_file())
print("Blip2Processor reads:", blip2.chat_template)
print("LlavaProcessor reads:", llava.chat_template)
assert Path("blip2/chat_template.jinja").read_text() == TEMPLATE
assert blip2.chat_template is None and llava.chat_template == TEMPLATE
PY
python try.py

#!/bin/sh
# TRL's vision collator labels the image tokens: of the 588 labels of a LLaVA row with one question 576 are
# <image>.
#
# Rows of messages are labelled wherever the attention mask is one. LLaVA's loss counts all of them, so that the
# logged loss is mostly that of saying <image> after <image>, and the answer's share of the gradient is small.
# Rows with prompt and completion, with completion_only_loss, are labelled at the answer alone.
#
# Versions: torch 2.13.0, transformers 5.23.0, trl 1.16.0, accelerate 1.15.0, pillow 13.0.0. The script ends
# with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   messages: labelled tokens, of them image tokens: (588, 576)
#   prompt and completion, completion_only_loss: labelled tokens, of them image tokens: (4, 0)
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0 trl==1.16.0 accelerate==1.15.0 pillow==13.0.0

cat > try.py <<'PY'
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

words = "<pad> <s> </s> <unk> USER ASSISTANT : What color is the shoe ? red".split()
tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
template = (
    "{% for m in messages %}{{ m['role'] | upper }} : {% for c in m['content'] %}"
    "{{ '<image>' if c['type'] == 'image' else ' ' + c['text'] }}{% endfor %}"
    "{{ '</s>' if m['role'] == 'assistant' else ' ' }}{% endfor %}"
)
processor = LlavaProcessor(
    CLIPImageProcessorPil(size={"height": 336, "width": 336}, do_center_crop=False),
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    ),
    patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1, chat_template=template,
)
image_id = processor.tokenizer.convert_tokens_to_ids("<image>")
photo = Image.new("RGB", (336, 336), "red")
asked, said = {"role": "user", "content": "What color is the shoe ?"}, {"role": "assistant", "content": "red"}


def labels(example, **options):
    batch = DataCollatorForVisionLanguageModeling(processor, **options)([{"images": [photo], **example}])
    taught = batch["labels"][batch["labels"] != -100]
    return len(taught), int((taught == image_id).sum())


whole = labels({"messages": [asked, said]})
answer = labels({"prompt": [asked], "completion": [said]}, completion_only_loss=True)
print("messages: labelled tokens, of them image tokens:", whole)
print("prompt and completion, completion_only_loss: labelled tokens, of them image tokens:", answer)
assert whole[1] == 576 and whole[1] / whole[0] > 0.95 and answer[1] == 0
PY
python try.py

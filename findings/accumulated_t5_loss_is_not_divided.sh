#!/bin/sh
# Trainer's gradient accumulation multiplies the loss and the gradients of a BLIP-2 with T5 by the number of
# parts.
#
# Blip2ForConditionalGeneration.forward takes any keyword, so Trainer trusts it to divide by num_items_in_batch
# and does not divide by the number of parts itself. With OPT the model does so. With an encoder-decoder it
# leaves the loss to T5, whose loss is a plain mean. Eight parts of one row give eight times the loss and the
# gradient of one batch of eight rows, with the same settings and without a warning. Gradient clipping hides it
# in part.
#
# Versions: torch 2.13.0, transformers 5.23.0, accelerate 1.15.0. The script ends with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   BLIP-2 with OPT: 8 rows at once (4.154318809509277, 1.3526287078857422), 8 parts of one row (4.154318809509277, 1.3526287078857422)
#   BLIP-2 with T5: 8 rows at once (4.008784770965576, 2.221946954727173), 8 parts of one row (32.07027816772461, 17.775575637817383)
#   loss and gradient norm, parts over whole: {'OPT': [1.0, 1.0], 'T5': [8.0, 8.0]}
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile torch==2.13.0 transformers==5.23.0 accelerate==1.15.0

cat > try.py <<'PY'
import torch
from transformers import (
    Blip2Config, Blip2ForConditionalGeneration, Blip2QFormerConfig, Blip2VisionConfig, OPTConfig, T5Config,
    Trainer, TrainingArguments,
)

size = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
texts = {
    "OPT": OPTConfig(**size, word_embed_proj_dim=16, ffn_dim=32, vocab_size=64, max_position_embeddings=64, dropout=0),
    "T5": T5Config(d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, vocab_size=64, dropout_rate=0,
                   decoder_start_token_id=0),
}
torch.manual_seed(1)
ids = torch.cat([torch.full((8, 4), 60), torch.randint(3, 50, (8, 8))], 1)
rows = [
    {"pixel_values": torch.randn(3, 28, 28), "input_ids": row, "attention_mask": torch.ones_like(row), "labels": row}
    for row in ids
]


def first_step(text, batch, parts):
    torch.manual_seed(0)
    config = Blip2Config(
        vision_config=Blip2VisionConfig(**size, intermediate_size=32, image_size=28, initializer_range=0.02).to_dict(),
        qformer_config=Blip2QFormerConfig(
            **size, intermediate_size=32, encoder_hidden_size=16, vocab_size=64,
            hidden_dropout_prob=0, attention_probs_dropout_prob=0,
        ).to_dict(),
        text_config=texts[text].to_dict(),
        num_query_tokens=4,
        image_token_id=60,
    )
    model = Blip2ForConditionalGeneration(config)
    torch.nn.init.normal_(model.query_tokens, std=0.5)
    trainer = Trainer(
        model,
        TrainingArguments(
            "run", per_device_train_batch_size=batch, gradient_accumulation_steps=parts, max_steps=1, learning_rate=0.0,
            max_grad_norm=1e9, logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True,
        ),
        train_dataset=rows,
    )
    trainer.train()
    return trainer.state.log_history[0]["loss"], trainer.state.log_history[0]["grad_norm"]


ratio = {}
for text in texts:
    whole, parts = first_step(text, 8, 1), first_step(text, 1, 8)
    ratio[text] = [part / one for part, one in zip(parts, whole)]
    print(f"BLIP-2 with {text}: 8 rows at once {whole}, 8 parts of one row {parts}")
print("loss and gradient norm, parts over whole:", ratio)
assert all(abs(value - 1) < 0.01 for value in ratio["OPT"])
assert all(abs(value - 8) < 0.1 for value in ratio["T5"])
PY
python try.py > said 2> errors || { cat said errors; exit 1; }
grep -v "^{" said  # without Trainer's own lines

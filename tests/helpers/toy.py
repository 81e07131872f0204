"""Real BLIP-2 classes at toy size, with random weights: OPT and T5 language models."""

import random
from typing import Any

import torch
from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, OPTConfig, T5Config
from transformers import Blip2QFormerConfig as QFormerConfig
from transformers import Blip2VisionConfig as VisionConfig

from small_blip2 import captions
from small_blip2.small_model import processor_for

PROMPT = "Question: {question} Answer in one word:"


def toy_processor() -> Blip2Processor:
    rng = random.Random(0)
    corpus = (captions.caption(captions.random_item(rng), rng) for _ in range(200))
    processor = processor_for(corpus)
    processor.num_query_tokens = 4
    processor.image_processor.size = {"height": 32, "width": 32}
    return processor


def toy_model(family: str, processor: Blip2Processor) -> Blip2ForConditionalGeneration:
    """`family`: "opt" or "t5". Two layers of 32 everywhere, seeded."""
    torch.manual_seed(0)
    tokenizer = processor.tokenizer
    end = tokenizer.convert_tokens_to_ids("Ċ")
    small: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    text: OPTConfig | T5Config = OPTConfig(
        **small,
        vocab_size=len(tokenizer),
        word_embed_proj_dim=32,
        ffn_dim=64,
        max_position_embeddings=128,
        dropout=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=end,
        pad_token_id=tokenizer.pad_token_id,
    )
    if family == "t5":
        text = T5Config(
            vocab_size=len(tokenizer),
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            eos_token_id=end,
            pad_token_id=tokenizer.pad_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
        )
    config = Blip2Config(
        vision_config=VisionConfig(
            **small, intermediate_size=64, image_size=32, patch_size=8, initializer_range=0.2
        ),
        qformer_config=QFormerConfig(
            **small,
            vocab_size=2,
            max_position_embeddings=2,
            intermediate_size=64,
            cross_attention_frequency=1,
            encoder_hidden_size=32,
            initializer_range=0.2,
        ),
        text_config=text,
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = Blip2ForConditionalGeneration(config).eval()
    model.generation_config.eos_token_id = end
    torch.nn.init.normal_(model.query_tokens, std=0.5)
    for parameter in model.language_model.parameters():  # distinct logits, so that equality means something
        parameter.data.mul_(3.0)
    return model

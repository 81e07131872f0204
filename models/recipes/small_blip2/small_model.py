"""Build the small BLIP-2 from scratch: the published architecture at a few million parameters."""

from collections.abc import Iterable

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipImageProcessorPil,
    OPTConfig,
    PreTrainedTokenizerFast,
)

IMAGE_SIZE = 96  # pixels
_PATCHES = 8  # a side, whatever the size
HIDDEN_SIZE = 160  # of the ViT and the Q-Former
NUM_QUERY_TOKENS = 12
VOCABULARY_SIZE = 500
# About 1/√width. The published classes' 0.02 (ViT: 1e-10) suits widths of thousands; at 160 it makes
# every branch so faint that shape and count are not learnt in the time we have.
_INITIAL_STD = 0.08


def processor_for(
    texts: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE, image_size: int = IMAGE_SIZE
) -> Blip2Processor:
    """Byte-level BPE learnt from `texts`, with OPT's special tokens, and BLIP's image processor."""
    tokenizer = Tokenizer(BPE(unk_token=None))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<image>"],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    begin = tokenizer.token_to_id("</s>")
    tokenizer.post_processor = TemplateProcessing(single="</s> $A", special_tokens=[("</s>", begin)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="</s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=["<image>"],
        model_max_length=512,
    )
    image_processor = BlipImageProcessorPil(size={"height": image_size, "width": image_size})
    return Blip2Processor(image_processor, fast, num_query_tokens=NUM_QUERY_TOKENS)


def untrained_model(processor: Blip2Processor) -> Blip2ForConditionalGeneration:
    """Random weights (torch's global seed): ViT 4×160, Q-Former 2×160, OPT 4×192."""
    tokenizer = processor.tokenizer
    end_of_answer = tokenizer.convert_tokens_to_ids("Ċ")  # "\n", as in the published BLIP-2 OPT
    config = Blip2Config(
        vision_config=_vision_config(processor.image_processor.size["height"]),
        qformer_config=_qformer_config(),
        text_config=_text_config(processor, end_of_answer),
        num_query_tokens=NUM_QUERY_TOKENS,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = Blip2ForConditionalGeneration(config)
    model.generation_config.eos_token_id = end_of_answer
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    # From zero all queries would stay equal, and from 0.02 places would take long to tell apart.
    torch.nn.init.normal_(model.query_tokens, std=0.5)
    torch.nn.init.normal_(model.vision_model.embeddings.position_embedding, std=0.5)
    return model


def _vision_config(image_size: int) -> Blip2VisionConfig:
    return Blip2VisionConfig(
        hidden_size=HIDDEN_SIZE,
        intermediate_size=640,
        num_hidden_layers=4,
        num_attention_heads=5,
        image_size=image_size,
        patch_size=image_size // _PATCHES,
        initializer_range=_INITIAL_STD,
    )


def _qformer_config() -> Blip2QFormerConfig:
    return Blip2QFormerConfig(
        vocab_size=2,  # no text ever enters the Q-Former here
        max_position_embeddings=2,
        hidden_size=HIDDEN_SIZE,
        intermediate_size=640,
        num_hidden_layers=2,
        num_attention_heads=5,
        cross_attention_frequency=1,
        encoder_hidden_size=HIDDEN_SIZE,
        initializer_range=_INITIAL_STD,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _text_config(processor: Blip2Processor, end_of_answer: int) -> OPTConfig:
    return OPTConfig(
        vocab_size=len(processor.tokenizer),
        hidden_size=192,
        word_embed_proj_dim=192,
        ffn_dim=768,
        num_hidden_layers=4,
        num_attention_heads=6,
        max_position_embeddings=128,
        dropout=0.0,
        init_std=_INITIAL_STD,
        bos_token_id=processor.tokenizer.bos_token_id,
        eos_token_id=end_of_answer,
        pad_token_id=processor.tokenizer.pad_token_id,
    )

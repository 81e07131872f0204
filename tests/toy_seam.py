"""Models with transformers' seam for picture features, at toy size, with random weights."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from toy import toy_processor

FAMILIES = ("llava",)
_TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "bos_token_id": 2,
}
_SIGHT: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "initializer_range": 0.2,
}
_LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper }}: "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
    "{% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def toy_seam(family: str) -> tuple[Any, Any]:
    """The model, and transformers' own processor for it."""
    torch.manual_seed(0)
    model, processor = _MADE[family](toy_processor().tokenizer)
    for name, weight in model.eval().named_parameters():
        if "projector" in name and weight.ndim > 1:  # the picture is to count
            torch.nn.init.normal_(weight, std=0.5)
    model.generation_config.eos_token_id = processor.tokenizer.convert_tokens_to_ids("Ċ")
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.generation_config.repetition_penalty = 1.3  # as hub checkpoints have it; not ours
    return model, processor


def _llava(tokenizer: PreTrainedTokenizerFast) -> tuple[Any, Any]:
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**_SIGHT),
        text_config=LlamaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **_TEXT),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    side = {"height": 32, "width": 32}
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_LLAVA_TEMPLATE,
    )
    return LlavaForConditionalGeneration(config), processor


_MADE = {"llava": _llava}


def seam_folder(family: str, folder: Path) -> Path:
    model, processor = toy_seam(family)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder

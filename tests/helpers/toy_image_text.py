"""Models with transformers' seam for image features, at toy size, with random weights."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Gemma2Config,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE

from toy import PROMPT, toy_processor
from vqa.vlm import image_text_model
from vqa.vlm.families import ImageTextProcessor, find_family
from vqa.vlm.image_features import ImageFeatures

FAMILIES = ("llava", "paligemma", "idefics3", "smolvlm", "qwen2_5_vl")
_TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
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
LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper }}: "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
    "{% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def toy_image_text(family: str) -> tuple[Any, Any]:
    """The model, and transformers' own processor for it."""
    torch.manual_seed(0)
    model, processor = _MADE[family](toy_processor().tokenizer)
    for name, weight in model.eval().named_parameters():
        if weight.ndim > 1 and any(part in name for part in ("projector", "connector", "merger")):
            # The image is to count.
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
        chat_template=LLAVA_TEMPLATE,
    )
    return LlavaForConditionalGeneration(config), processor


def _paligemma(tokenizer: PreTrainedTokenizerFast) -> tuple[Any, Any]:
    side = {"height": 32, "width": 32}
    image_processor = SiglipImageProcessorPil(size=side)
    image_processor.image_seq_length = 16
    processor = PaliGemmaProcessor(image_processor, tokenizer)  # adds tokens
    text = Gemma2Config(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        query_pre_attn_scalar=8,
        sliding_window=24,
        **_TEXT,
    )
    config = PaliGemmaConfig(
        vision_config=SiglipVisionConfig(**_SIGHT),
        text_config=text,
        projection_dim=32,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    return PaliGemmaForConditionalGeneration(config), processor


def _tiled(config_class: Any, model_class: Any, tokenizer: PreTrainedTokenizerFast) -> tuple[Any, Any]:
    """Idefics3, and SmolVLM, whose own processor needs what only videos need."""
    places = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer.add_tokens(["<global-img>", *places], special_tokens=True)
    image_processor = Idefics3ImageProcessorPil(
        size={"longest_edge": 96}, max_image_size={"longest_edge": 32}
    )
    processor = Idefics3Processor(
        image_processor, tokenizer, image_seq_len=4, chat_template=DEFAULT_CHAT_TEMPLATE
    )
    config = config_class(
        vision_config=_SIGHT,
        text_config=LlamaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **_TEXT),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    return model_class(config), processor


class _QwenProcessor:
    """Qwen2.5-VL's own wants torchvision, for videos; of images it says this."""

    def __init__(self, image_processor: Any, tokenizer: PreTrainedTokenizerFast, chat_template: str) -> None:
        self.image_processor, self.tokenizer, self.chat_template = image_processor, tokenizer, chat_template

    def apply_chat_template(self, messages: list[dict[str, Any]], **options: Any) -> str:
        text: str = self.tokenizer.apply_chat_template(messages, chat_template=self.chat_template, **options)
        return text

    def __call__(self, images: Any, text: list[str], return_tensors: str) -> dict[str, torch.Tensor]:
        made = dict(self.image_processor(images, return_tensors=return_tensors))
        rows = int(made["image_grid_thw"][0].prod()) // self.image_processor.merge_size**2
        expanded = text[0].replace("<|image_pad|>", "<|image_pad|>" * rows)
        made |= self.tokenizer([expanded], return_tensors=return_tensors)
        made.pop("token_type_ids", None)
        image_id = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        return made | {"mm_token_type_ids": (made["input_ids"] == image_id).long()}

    def save_pretrained(self, folder: Path) -> None:
        self.tokenizer.chat_template = self.chat_template
        self.tokenizer.save_pretrained(folder)
        self.image_processor.save_pretrained(folder)


def _qwen(tokenizer: PreTrainedTokenizerFast) -> tuple[Any, Any]:
    marks = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"]
    tokenizer.add_tokens(marks, special_tokens=True)
    image_processor = Qwen2VLImageProcessorPil(
        patch_size=4, temporal_patch_size=2, merge_size=2, size={"shortest_edge": 256, "longest_edge": 2048}
    )
    text = {key: value for key, value in _TEXT.items() if key != "head_dim"}
    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 32,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "window_size": 16,
            "fullatt_block_indexes": [1],
            "initializer_range": 0.2,
        },
        text_config={
            **text,
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6},
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        video_token_id=len(tokenizer) - 6,
    )
    return Qwen2_5_VLForConditionalGeneration(config), _QwenProcessor(
        image_processor, tokenizer, QWEN_TEMPLATE
    )


_MADE: dict[str, Callable[[PreTrainedTokenizerFast], tuple[Any, Any]]] = {
    "llava": _llava,
    "paligemma": _paligemma,
    "idefics3": partial(_tiled, Idefics3Config, Idefics3ForConditionalGeneration),
    "smolvlm": partial(_tiled, SmolVLMConfig, SmolVLMForConditionalGeneration),
    "qwen2_5_vl": _qwen,
}


def image_text_folder(family: str, folder: Path) -> Path:
    model, processor = toy_image_text(family)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def model_parts(model: Any, processor: Any) -> tuple[Any, image_text_model.ImageTextAnswerModel]:
    """Both halves of a whole model, whose modules they hold."""
    family = find_family(model.config, "toy")
    ours = ImageTextProcessor(processor.tokenizer, processor.image_processor, processor.chat_template, ())
    live = family.answer_model(model, ours, PROMPT, torch.device("cpu"), "qformer")
    assert isinstance(live, image_text_model.ImageTextAnswerModel)
    return family.image_encoder(model, ours, torch.device("cpu"), "qformer"), live


def features_of(encoder: Any, images: list[Image.Image]) -> list[ImageFeatures]:
    with torch.inference_mode():
        found: list[ImageFeatures] = encoder.features(encoder.pixels(images))
    return [ImageFeatures(look.rows.clone(), look.grid) for look in found]


def of_unequal_size(drawings: list[Image.Image]) -> list[Image.Image]:
    """Eight images, of four sizes."""
    sizes = [(64, 64), (90, 40), (40, 130), (64, 64), (33, 57), (90, 40), (64, 64), (40, 130)]
    return [drawing.resize(size) for drawing, size in zip(drawings, sizes, strict=True)]


def inputs_of(processor: Any, question: str, image: Image.Image) -> dict[str, Tensor]:
    """What transformers' own processor makes of them."""
    asked = PROMPT.format(question=question)
    text = f"<image>{asked}"
    if processor.chat_template:
        content = [{"type": "image"}, {"type": "text", "text": asked}]
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
    made: dict[str, Tensor] = dict(processor(images=[image], text=[text], return_tensors="pt"))
    return {name: made[name] for name in made if name not in ("labels", "rows", "cols")}

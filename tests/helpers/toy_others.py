"""Toy models of other families than BLIP-2: real classes, random weights."""

from pathlib import Path
from typing import Any

from transformers import (
    BertTokenizerFast,
    Blip2Processor,
    BlipConfig,
    BlipForQuestionAnswering,
    BlipImageProcessorPil,
    BlipProcessor,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    ConvNextImageProcessorPil,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    ResNetConfig,
    ResNetModel,
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrImageProcessorPil,
    RTDetrResNetConfig,
    ViltConfig,
    ViltForQuestionAnswering,
    ViltImageProcessorPil,
    ViltProcessor,
    VisualBertConfig,
    VisualBertForQuestionAnswering,
)

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] what color is the lamp ? red blue wood how many".split()
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def bert_tokenizer(folder: Path) -> BertTokenizerFast:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    return BertTokenizerFast(str(folder / "vocab.txt"))


def blip(folder: Path, _: Blip2Processor) -> None:
    tokenizer = bert_tokenizer(folder)
    text = {**SMALL, "vocab_size": len(WORDS), "encoder_hidden_size": 32, "projection_dim": 32}
    text |= {"bos_token_id": 5, "pad_token_id": 0, "sep_token_id": 3, "eos_token_id": 3}
    config = BlipConfig(text_config=text, vision_config={**SMALL, "image_size": 32, "patch_size": 8})
    BlipForQuestionAnswering(config).save_pretrained(folder)
    images = BlipImageProcessorPil(size={"height": 32, "width": 32})
    BlipProcessor(images, tokenizer).save_pretrained(folder)


def vilt(folder: Path, _: Blip2Processor) -> None:
    config = ViltConfig(
        **SMALL,
        vocab_size=len(WORDS),
        image_size=32,
        patch_size=8,
        id2label={0: "red", 1: "blue", 2: "wood"},
    )
    ViltForQuestionAnswering(config).save_pretrained(folder)
    images = ViltImageProcessorPil(size={"shortest_edge": 32}, size_divisor=8)
    ViltProcessor(images, bert_tokenizer(folder)).save_pretrained(folder)


def llava(folder: Path, toy: Blip2Processor) -> None:
    tokenizer = toy.tokenizer
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**SMALL, image_size=32, patch_size=8),
        text_config=LlamaConfig(**SMALL, vocab_size=len(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    processor.save_pretrained(folder)


def visualbert(folder: Path, size: int) -> None:
    """`size`: numbers a region. Its answers have no names, as on the hub."""
    words = bert_tokenizer(folder)
    config = VisualBertConfig(**SMALL, vocab_size=len(WORDS), visual_embedding_dim=size, num_labels=3)
    VisualBertForQuestionAnswering(config).save_pretrained(folder)
    words.save_pretrained(folder)


def resnet(folder: Path, size: int) -> None:
    """ResNet-50's shape: 7 × 7 cells of images of 224 pixels, each of `size` numbers."""
    ResNetModel(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 8, size], depths=[1, 1, 1, 1])
    ).save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": 224}).save_pretrained(folder)


def detector(folder: Path, size: int) -> None:
    """An RT-DETR over a ResNet with cells of `size` numbers."""
    config = RTDetrConfig(
        backbone_config=RTDetrResNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 8, 8, size],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage2", "stage3", "stage4"],
        ),
        encoder_in_channels=[8, 8, size],
        **dict.fromkeys(("d_model", "encoder_hidden_dim", "encoder_ffn_dim", "decoder_ffn_dim"), 16),
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        decoder_layers=1,
        decoder_in_channels=[16, 16, 16],
        num_queries=20,
    )
    RTDetrForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)


MAKERS = {"blip": blip, "vilt": vilt, "llava": llava}

"""The pretrained parts out of their two files → the folder in the hub's layout (folder.py)."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    BlipImageProcessorPil,
    GenerationConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from blip2_smollm2.folder import LANGUAGE, LANGUAGE_PREFIX, VISION, VISION_PREFIX, write_index
from blip2_smollm2.language import read_language_model, write_tokenizer
from blip2_smollm2.onnx_backbone import read_backbone
from blip2_smollm2.vision import IMAGE_SIZE, vision_config, vision_state
from vqa.core.files import read_object, whole, write_json

NUM_QUERY_TOKENS = 32
_OF_THIS_READING = ("is_local", "local_files_only")  # what transformers notes of how a tokenizer was read
_IMAGENET_MEAN, _IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # as DINOv2 was trained


def write_parts(backbone_file: Path, language_file: Path, out: Path) -> None:
    """Write into `out` all that the two files give; a Q-Former that lies there is entered into the index.

    Raises:
        InputError: one of them is not what it should be.
    """
    backbone = read_backbone(backbone_file)
    vision = vision_config(backbone)
    text_config, text_state = read_language_model(language_file)
    out.mkdir(parents=True, exist_ok=True)
    image_token = write_tokenizer(language_file, out, text_config.max_position_embeddings)
    _save(out / VISION, _under(VISION_PREFIX, vision_state(backbone, vision)))
    _save(out / LANGUAGE, _under(LANGUAGE_PREFIX, text_state))
    config = Blip2Config(
        vision_config=vision.to_dict(),
        qformer_config=qformer_config(vision.hidden_size).to_dict(),
        text_config=text_config.to_dict(),
        num_query_tokens=NUM_QUERY_TOKENS,
        image_token_index=image_token,
    )
    _write_configs(config, text_config, out)
    write_index(out)


def qformer_config(width: int) -> Blip2QFormerConfig:
    """The shape of MiniLM-L6, which the Q-Former starts from as BLIP-2's did from BERT."""
    return Blip2QFormerConfig(
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        encoder_hidden_size=width,
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
    )


def _write_configs(config: Blip2Config, text_config: LlamaConfig, out: Path) -> None:
    config.architectures = [Blip2ForConditionalGeneration.__name__]
    config.save_pretrained(out)
    generation = GenerationConfig(
        bos_token_id=text_config.bos_token_id,
        eos_token_id=text_config.eos_token_id,
        pad_token_id=text_config.pad_token_id,
    )
    generation.save_pretrained(out)
    processor = Blip2Processor(
        BlipImageProcessorPil(
            size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
            image_mean=_IMAGENET_MEAN,
            image_std=_IMAGENET_STD,
        ),
        PreTrainedTokenizerFast.from_pretrained(out),
        num_query_tokens=config.num_query_tokens,
    )
    processor.save_pretrained(out)
    tokenizer = read_object(out / "tokenizer_config.json")
    kept = {key: value for key, value in tokenizer.items() if key not in _OF_THIS_READING}
    write_json(out / "tokenizer_config.json", kept)


def _save(path: Path, state: Mapping[str, Tensor]) -> None:
    with whole(path) as temporary:
        save_file(dict(sorted(state.items())), temporary, metadata={"format": "pt"})


def _under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor.contiguous() for name, tensor in state.items()}

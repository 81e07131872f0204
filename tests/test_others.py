"""Other families of models, real classes with random weights, through the same pipeline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    BertTokenizerFast,
    Blip2Processor,
    BlipConfig,
    BlipForQuestionAnswering,
    BlipImageProcessorPil,
    BlipProcessor,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    ViltConfig,
    ViltForQuestionAnswering,
    ViltImageProcessorPil,
    ViltProcessor,
)

import compare
import generate
import validate
from vqa.errors import InputError
from vqa.others import OtherModel, texts_of_other
from vqa.pairs import Pair
from vqa.predictions import write_predictions
from vqa.tables import read_rows
from vqa.unfinished import Unfinished

CPU = torch.device("cpu")
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


MAKERS = {"blip": blip, "vilt": vilt, "llava": llava}


@pytest.fixture(params=sorted(MAKERS))
def other(request: pytest.FixtureRequest, tmp_path: Path, processor: Blip2Processor) -> Path:
    torch.manual_seed(0)
    MAKERS[request.param](tmp_path / request.param, processor)
    return tmp_path / request.param


def test_each_family_answers_each_question(other: Path, drawings: list[Image.Image]) -> None:
    model = OtherModel(str(other), CPU)
    said = [model.text(image, "What color is the lamp?", 3) for image in drawings[:2]]
    assert all(isinstance(text, str) and "USER" not in text for text in said)
    if other.name == "vilt":
        assert set(said) <= {"red", "blue", "wood"}


def test_other_models_answer_the_test_split_in_our_schema(
    project: Callable[..., Path], tmp_path: Path, processor: Blip2Processor
) -> None:
    vilt(tmp_path / "vilt", processor)
    project(evaluate={"compare": [str(tmp_path / "vilt")]})
    generate.run()
    validate.run()
    compare.run()
    assert not Path(".durable/answers").exists()
    (path,) = Path("data/predictions/others").glob("*.csv")
    rows = read_rows(path, ["generated_answer"])
    assert len(rows) == len(read_rows(Path("data/vqa/test.csv"), ["answer"]))
    assert {row["generated_answer"] for row in rows} <= {"red", "blue", "wood"}


def test_a_second_comparison_waits_for_the_first(
    project: Callable[..., Path],
    tmp_path: Path,
    processor: Blip2Processor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vilt(tmp_path / "vilt", processor)
    project(evaluate={"compare": [str(tmp_path / "vilt")]})
    generate.run()
    validate.run()

    def written(*arguments: Any) -> None:
        monkeypatch.setattr(compare, "write_predictions", write_predictions)
        with pytest.raises(InputError, match=r"another run is writing .*/lock; wait for it to end"):
            compare.run()
        write_predictions(*arguments)

    monkeypatch.setattr(compare, "write_predictions", written)
    compare.run()


def test_what_is_no_such_model_is_named(tmp_path: Path, catalogue: Path) -> None:
    pairs = [Pair("a.jpg", "Q?", "a")]
    with pytest.raises(InputError, match=r"evaluate\.compare has .*nowhere.* no model can be read there"):
        texts_of_other(str(tmp_path / "nowhere"), pairs, catalogue, 3, CPU, Unfinished(tmp_path / "work", {}))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match=r"a bert model, which does not answer questions about pictures"):
        texts_of_other(str(tmp_path), pairs, catalogue, 3, CPU, Unfinished(tmp_path / "work", {}))

"""What differs between families of models when they load."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, Blip2Processor, CLIPImageProcessorPil

from toy import PROMPT, toy_model
from toy_image_text import FAMILIES, image_text_folder, toy_image_text
from vqa.core.errors import InputError
from vqa.core.files import write_json
from vqa.vlm import image_text_model
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder
from vqa.vlm.families import Blip2, ImageTextFamily, find_family
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_a_level_that_only_blip2_has_is_refused(family: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"features\.level is 'vit', which only BLIP-2 has"):
        Pretrained(str(image_text_folder(family, tmp_path))).load_encoder(CPU, "vit")


def test_a_model_finds_its_family_and_another_kind_is_told_why(processor: Blip2Processor) -> None:
    model = toy_model("opt", processor)
    found = find_family(model.config, "toy")
    assert isinstance(found, Blip2)
    assert found.model_class is type(model)
    assert isinstance(found.image_encoder(model, processor, CPU, "qformer"), Blip2ImageEncoder)
    assert isinstance(found.answer_model(model, processor, PROMPT, CPU, "qformer"), Blip2AnswerModel)
    for kind, reason in {
        "bert": "it answers no questions about images",
        "instructblip": "its Q-Former reads the question too",
    }.items():
        with pytest.raises(InputError, match=f"model.name is 'mine', which is a {kind} model, and {reason}"):
            find_family(AutoConfig.for_model(kind), "mine")


def test_blip_2_leaves_out_the_half_that_is_not_used_by_level(processor: Blip2Processor) -> None:
    found = find_family(toy_model("opt", processor).config, "toy")
    language = ("language_model", "language_projection")
    assert found.unseen("qformer") == language
    assert found.unseen("vit") == (*language, "qformer", "query_tokens")
    assert found.unspoken("vit") == ("vision_model",)
    assert found.unspoken("qformer") == ("vision_model", "qformer", "query_tokens")


def test_the_named_parts_of_an_image_text_model_are_there_and_no_half_has_all(family: str) -> None:
    model = toy_image_text(family)[0]
    found = find_family(model.config, "toy")
    assert isinstance(found, ImageTextFamily)
    assert found.model_class is type(model)
    modules = {name for name, _ in model.named_modules()}
    for names in (found.unseen("qformer"), found.unspoken("qformer"), tuple(found.unquantized)):
        assert names
        assert set(names) <= modules
    assert not set(found.unseen("qformer")) & set(found.unspoken("qformer"))


def test_a_projector_is_kept_for_the_answers_where_features_are_those_before_it() -> None:
    config = toy_image_text("llava")[0].config  # its tower is narrower than its language model
    assert image_text_model.is_cut_before_projector(config)
    assert find_family(config, "toy").unspoken("qformer") == ("model.vision_tower",)
    config.vision_config.hidden_size = config.text_config.hidden_size
    assert find_family(config, "toy").unspoken("qformer") == (
        "model.vision_tower",
        "model.multi_modal_projector",
    )


def test_what_decides_a_row_is_the_image_encoder_s_configuration_alone(processor: Blip2Processor) -> None:
    for config in (toy_model("opt", processor).config, toy_image_text("llava")[0].config):
        before = dict(find_family(config, "toy").frozen)
        config.text_config.num_hidden_layers += 1
        assert find_family(config, "toy").frozen == before
        config.vision_config.num_hidden_layers += 1
        assert find_family(config, "toy").frozen != before


def test_a_processor_of_another_image_size_or_with_tokens_that_have_no_row_does_not_fit(
    processor: Blip2Processor,
) -> None:
    config = toy_model("opt", processor).config
    assert find_family(config, "toy").misfit(processor) == ""
    config.vision_config.image_size = 48
    assert find_family(config, "toy").misfit(processor).endswith("but its config.json wants 48 pixels a side")
    config.vision_config.image_size = 32
    config.text_config.vocab_size -= 2
    assert "tokens (" in find_family(config, "toy").misfit(processor)


def test_a_chat_template_is_found_where_only_the_processor_reads_it(tmp_path: Path) -> None:
    folder = image_text_folder("llava", tmp_path)
    (folder / "chat_template.jinja").unlink()
    write_json(folder / "chat_template.json", {"chat_template": "{{ 'old' }}"})
    config = AutoConfig.from_pretrained(folder)
    made = find_family(config, "toy").processor(str(folder), None, CLIPImageProcessorPil())
    assert made.chat_template == "{{ 'old' }}"
    (tmp_path / "copy").mkdir()
    made.save_pretrained(tmp_path / "copy")
    assert (tmp_path / "copy/chat_template.json").is_file()
    assert (tmp_path / "copy/tokenizer.json").is_file()

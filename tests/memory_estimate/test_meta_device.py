"""Published models as configurations, against what their repositories say, and cut to a few layers."""

import pytest

from vqa.memory_estimate.meta_device import BLIP2, IMAGE_TEXT, at_most, on_meta, published_config


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("blip2-opt-2.7b", 3.74),
        ("blip2-opt-6.7b", 7.75),
        ("blip2-flan-t5-xl", 3.94),  # T5's head is a matrix of its own
        ("blip2-flan-t5-xxl", 12.23),
    ],
)
def test_parameters_are_as_many_as_published(name: str, billions: float) -> None:
    model = on_meta(published_config(name))
    assert sum(p.numel() for p in model.parameters()) / 1e9 == pytest.approx(billions, abs=0.01)
    assert all(p.is_meta for p in model.parameters())
    assert published_config(name).num_query_tokens == 32


@pytest.mark.parametrize("name", BLIP2)
def test_few_layers_are_few_in_every_part_and_the_widths_stay(name: str) -> None:
    whole = published_config(name)
    cut, more = at_most(whole, 2), at_most(whole, 99)
    assert (cut.vision_config.num_hidden_layers, cut.qformer_config.num_hidden_layers) == (2, 2)
    assert (whole.vision_config.num_hidden_layers, whole.qformer_config.num_hidden_layers) == (39, 12)
    assert cut.text_config.num_hidden_layers == 2
    assert cut.text_config.hidden_size == whole.text_config.hidden_size
    assert more.text_config.num_hidden_layers == whole.text_config.num_hidden_layers


def test_flan_t5_has_a_head_of_its_own_and_opt_shares_its_embeddings() -> None:
    t5 = on_meta(at_most(published_config("blip2-flan-t5-xl"), 1)).language_model
    assert t5.lm_head.weight is not t5.shared.weight
    opt = on_meta(at_most(published_config("blip2-opt-2.7b"), 1)).language_model
    assert opt.lm_head.weight is opt.model.decoder.embed_tokens.weight


@pytest.mark.parametrize(("name", "is_tied"), [("qwen2.5-vl-3b", True), ("llava-1.5-7b", False)])
def test_on_the_meta_device_a_head_is_tied_as_it_was_published(name: str, is_tied: bool) -> None:
    model = on_meta(at_most(published_config(name), 1))
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    embeddings = model.get_input_embeddings().weight
    assert (model.get_output_embeddings().weight is embeddings) is is_tied


@pytest.mark.parametrize("name", IMAGE_TEXT)
def test_a_vision_tower_is_cut_like_the_language_model(name: str) -> None:
    whole = published_config(name)
    config = at_most(whole, 3)
    vision = config.vision_config
    assert config.get_text_config().num_hidden_layers == 3
    assert (vision.depth if hasattr(vision, "depth") else vision.num_hidden_layers) == 3
    assert at_most(whole, 99).to_dict() == at_most(whole, None).to_dict() == whole.to_dict()

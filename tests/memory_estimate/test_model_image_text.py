"""What is counted of models with the seam, against what was published and against torch at toy size."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from paths import ROOT
from toy_image_text import FAMILIES, image_text_folder, toy_image_text
from vqa.memory_estimate.meta_device import IMAGE_TEXT, published_config
from vqa.memory_estimate.model import TEXT_TOKENS, ModelMemory
from vqa.settings import load_settings
from vqa.vlm import lora
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")
# Parameters of the repositories on the hub, in millions; of an image rows × numbers a row.
PUBLISHED = {
    "smolvlm-256m": (256.5, 1088, 576),
    "smolvlm-500m": (507.5, 1088, 960),
    "paligemma2-3b": (3032.2, 256, 1152),
    "qwen2.5-vl-3b": (3754.6, 81, 2048),
    "llava-1.5-7b": (7063.4, 576, 1024),
}


@pytest.mark.parametrize("name", IMAGE_TEXT)
def test_parameters_and_rows_are_as_published(name: str) -> None:
    sizes = ModelMemory(published_config(name), load_settings(ROOT / "params.yaml"), torch.bfloat16)
    millions, rows, width = PUBLISHED[name]
    assert sizes.parameters / 1e6 == pytest.approx(millions, abs=0.05)
    assert (sizes.rows, sizes.width) == (rows, width)
    assert sizes.row_kb == 4 * rows * width / 1000  # features.dtype: float32


def counted(config: Any, **decoding: Any) -> ModelMemory:
    settings = load_settings(ROOT / "params.yaml")
    settings = replace(settings, decoding=replace(settings.decoding, **decoding))
    return ModelMemory(config, settings, torch.float32, is_gpu=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_half_takes_what_is_loaded_of_it(family: str, tmp_path: Path) -> None:
    pretrained = Pretrained(str(image_text_folder(family, tmp_path)))
    sizes = counted(toy_image_text(family)[0].config)
    frozen: Any = pretrained.load_encoder(CPU, "qformer")
    live = pretrained.load_answer_model("{question}", CPU, "qformer")
    assert sizes.by_stage()["cache_features"].weights == sum(p.nbytes for p in frozen._model.parameters())
    assert sizes.generation(1).weights == sum(p.nbytes for p in live.parameters())
    lora.add_adapter(live, load_settings(ROOT / "params.yaml").lora, "counted")
    assert sizes.trainable == lora.trainable_share(live)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_kept_for_the_backward_pass_is_what_autograd_keeps(family: str) -> None:
    model = toy_image_text(family)[0]
    sizes = counted(model.config)
    tokens, text = sizes.rows + TEXT_TOKENS, model.config.get_text_config()
    inner = model.get_decoder().requires_grad_(False)
    adapted = lora.adapted(inner, load_settings(ROOT / "params.yaml").lora, "counted").train()
    weights = {p.untyped_storage().data_ptr() for p in adapted.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = tensor
        return tensor

    mask = torch.zeros(1, 1, tokens, tokens)  # in the form that layers get it: kept once, as it is counted
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        embeds = torch.randn(1, tokens, text.hidden_size)
        adapted(inputs_embeds=embeds, attention_mask=mask, use_cache=False)
    assert sizes.kept == pytest.approx(sum(t.untyped_storage().nbytes() for t in kept.values()), rel=0.25)


def test_the_cache_takes_what_generation_leaves_in_it() -> None:
    model = toy_image_text("llava")[0]
    sizes = counted(model.config, max_new_tokens=5)
    ids = torch.full((3, sizes.rows + TEXT_TOKENS), 7)
    done = model.generate(input_ids=ids, max_new_tokens=5, min_new_tokens=5, return_dict_in_generate=True)
    by_stage = sum(layer.keys.nbytes + layer.values.nbytes for layer in done.past_key_values.layers)
    assert sizes.generation(3).cache == pytest.approx(by_stage, rel=0.03)  # the last token's are never made

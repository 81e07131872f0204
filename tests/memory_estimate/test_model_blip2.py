"""The four published BLIP-2s, built without weights, and what is counted against what torch really holds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from random_blip2 import write_to_hub_cache
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from transformers import AutoModel, Blip2Config, Blip2ForConditionalGeneration

from narrow import narrowed
from paths import ROOT
from vqa.memory_estimate.meta_device import BLIP2, on_meta, published_config
from vqa.memory_estimate.model import TARGET_TOKENS, TEXT_TOKENS, ModelMemory
from vqa.scoring.bertscore import encoder_named
from vqa.settings import Settings, load_settings
from vqa.vlm import lora
from vqa.vlm.loading import Pretrained
from vqa.vlm.lora_targets import ROLES, module_names


@pytest.mark.parametrize("name", BLIP2)
def test_every_role_resolves_inside_the_language_model_alone(name: str) -> None:
    model = on_meta(published_config(name))
    family = model.language_model.config.model_type
    roles = [
        role for role, parts in ROLES[family].items() for role in (role, *(f"{role}.{p}" for p in parts))
    ]
    for role in roles:
        assert module_names(model.language_model, [role])
    for role in ("attention", "mlp"):
        assert module_names(model.qformer, [role])
    with torch.device("meta"):
        settings = load_settings(ROOT / "params.yaml").lora
        wrapped = lora.adapted(model.language_model, settings, name)
    trainable, total = lora.trainable_share(wrapped)
    assert 0.004 < trainable / total < 0.02
    layers = 32 if "opt" in name else 24
    rows = {n for n, p in wrapped.named_parameters() if p.requires_grad and ".lora_A." in n}
    each = 6 if "opt" in name else (4 + 3) + (4 + 4 + 3)  # a decoder layer of T5 also attends to the encoder
    assert len(rows) == layers * each


# Against torch itself, at toy size.


@pytest.fixture(scope="module", params=["blip2-opt-2.7b", "blip2-flan-t5-xl"])
def narrow(request: pytest.FixtureRequest) -> Blip2Config:
    """A published configuration of two layers, true in all but width."""
    return narrowed(request.param)


def counted(
    config: Blip2Config, dtype: torch.dtype = torch.float32, scorer: Any = "minilm", **decoding: Any
) -> ModelMemory:
    settings = load_settings(ROOT / "params.yaml")
    evaluate = replace(settings.evaluate, scorer=scorer)
    settings = replace(settings, decoding=replace(settings.decoding, **decoding), evaluate=evaluate)
    return ModelMemory(config, settings, dtype, is_gpu=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_take_what_transformers_holds_of_them(
    narrow: Blip2Config, dtype: torch.dtype, tmp_path: Path
) -> None:
    folder = write_to_hub_cache(tmp_path, "narrow", narrow)
    model = Blip2ForConditionalGeneration.from_pretrained(folder, dtype=dtype)
    by_stage = counted(narrow, dtype).by_stage()
    assert by_stage["measure_speed"].weights == sum(p.nbytes for p in model.parameters())
    live = [*model.language_model.parameters(), *model.language_projection.parameters()]
    assert by_stage["answer_base"].weights == by_stage["train"].weights == sum(p.nbytes for p in live)


def test_what_is_kept_for_the_backward_pass_is_what_autograd_keeps(narrow: Blip2Config) -> None:
    sizes_of_it, tokens, pairs = counted(narrow), 32 + TEXT_TOKENS, 4
    with torch.device("cpu"):
        base = Blip2ForConditionalGeneration(narrow).language_model.requires_grad_(False)
    settings = load_settings(ROOT / "params.yaml").lora
    model = lora.adapted(base, settings, "counted").train()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)  # else its address is given to the next one
        return tensor

    alive: list[Tensor] = []
    is_t5 = narrow.text_config.model_type == "t5"
    labels = {"labels": torch.full((pairs, 3), 5)} if is_t5 else {}
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        model(
            inputs_embeds=torch.randn(pairs, tokens, narrow.text_config.hidden_size),
            attention_mask=torch.ones(pairs, tokens, dtype=torch.long),
            **labels,
        )
    logits = 16 * pairs * 3 * narrow.text_config.vocab_size
    found = sizes_of_it.training(pairs).activations - logits
    assert found == pytest.approx(sum(kept.values()), rel=0.1)


def test_a_trained_qformer_and_projection_are_counted_with_the_language_model(
    narrow: Blip2Config, tmp_path: Path
) -> None:
    settings = load_settings(ROOT / "params.yaml")
    both = replace(settings.lora, qformer_targets=["attention", "mlp"], train_projection=True)
    settings = replace(settings, lora=both, features=replace(settings.features, level="vit"))
    sizes = ModelMemory(narrow, settings, torch.float32, is_gpu=False)
    folder = str(write_to_hub_cache(tmp_path, "narrow", narrow))
    model: Any = Pretrained(folder).load_answer_model(settings.model.prompt, torch.device("cpu"), "vit")
    assert sizes.answer_parameters == lora.trainable_share(model)[1]
    assert sizes.generation(1).weights == sum(p.nbytes for p in model.parameters())
    lora.add_adapter(model, both, "counted")
    assert sizes.trainable == lora.trainable_share(model)[0]

    pixels = torch.zeros(1, 3, *[narrow.vision_config.image_size] * 2)
    states = Pretrained(folder).load_encoder(torch.device("cpu"), "vit").features(pixels)
    assert sizes.row_kb == states[0].nbytes / 1000

    prompt_tokens = sizes.rows + TEXT_TOKENS - (0 if model.is_encoder_decoder else TARGET_TOKENS)
    question, answer = "one", "one"
    while len(model.tokens.prompt_ids(question)) < prompt_tokens:
        question += " one"
    while len(model.tokens.answer_ids(answer)) + 1 < TARGET_TOKENS:
        answer += " one"
    batch = model.training_batch([question], [answer], states)
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        model.train()(**batch, features=states)
    for weight in model.parameters():
        kept.pop(weight.untyped_storage().data_ptr(), None)
    found = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    assert sizes.training(1).activations == pytest.approx(found, rel=0.15)


def test_a_batch_of_left_over_pairs_has_a_look_each(narrow: Blip2Config) -> None:
    settings = load_settings(ROOT / "params.yaml")
    alone, together = (
        ModelMemory(
            narrow, replace(settings, train=replace(settings.train, questions_per_prefix=n)), torch.float32
        )
        for n in (1, 4)
    )
    assert alone.training(8).activations == together.training(8).activations


def test_the_cache_takes_what_generation_leaves_in_it(narrow: Blip2Config) -> None:
    pairs, new = 3, 5
    model = Blip2ForConditionalGeneration(narrow).language_model.eval()
    embeds = torch.randn(pairs, 32 + TEXT_TOKENS, narrow.text_config.hidden_size)
    done = model.generate(
        inputs_embeds=embeds, max_new_tokens=new, min_new_tokens=new, return_dict_in_generate=True
    )
    cache = done.past_key_values
    is_t5 = narrow.text_config.model_type == "t5"
    parts = (cache.self_attention_cache, cache.cross_attention_cache) if is_t5 else (cache,)
    by_stage = sum(layer.keys.nbytes + layer.values.nbytes for part in parts for layer in part.layers)
    found = counted(narrow, batch_size=pairs, max_new_tokens=new).by_stage()["answer_base"].cache
    assert found == pytest.approx(by_stage, rel=0.02)  # the last token's are never made


def test_the_scorer_s_encoder_is_counted_where_it_is_held() -> None:
    encoder = AutoModel.from_pretrained(encoder_named("minilm").path, dtype=torch.float32)
    opt = narrowed("blip2-opt-2.7b")
    small, large = counted(opt, scorer="minilm").by_stage(), counted(opt, scorer="roberta-large").by_stage()
    assert small["train"].scorer == small["evaluate"].total == sum(p.nbytes for p in encoder.parameters())
    assert large["train"].scorer == 4 * 355_359_744  # as published
    assert large["answer_base"] == small["answer_base"]


def test_each_batch_size_moves_the_stage_that_it_is_for_and_no_other(narrow: Blip2Config) -> None:
    settings = load_settings(ROOT / "params.yaml", ROOT / "configs/presets/blip2-opt-2.7b.yaml")
    # Enough answers at once that they, and not learning or merging, fill the memory.
    train = replace(settings.train, micro_batch_size=1, eval_batch_size=256)
    settings = replace(settings, train=train, decoding=replace(settings.decoding, batch_size=256))
    before = _totals(narrow, settings)
    for block, key, stages in [
        ("features", "batch_size", {"cache_features"}),
        ("train", "eval_batch_size", {"train"}),
        ("decoding", "batch_size", {"answer_base", "answer_adapted", "measure_speed"}),
        ("decoding", "num_beams", {"answer_base", "answer_adapted", "measure_speed"}),
        ("decoding", "max_new_tokens", {"train", "answer_base", "answer_adapted", "measure_speed"}),
    ]:
        values = getattr(settings, block)
        larger = replace(settings, **{block: replace(values, **{key: 4 * getattr(values, key)})})
        after = _totals(narrow, larger)
        assert {stage for stage in after if after[stage] > before[stage]} == stages, key
        assert {stage for stage in after if after[stage] != before[stage]} == stages, key


def test_four_bits_shrink_the_layers_of_the_language_model_alone(narrow: Blip2Config) -> None:
    settings = load_settings(ROOT / "params.yaml", ROOT / "configs/presets/blip2-opt-2.7b.yaml")
    small = replace(settings, model=replace(settings.model, quantization="4bit"))
    before, after = _totals(narrow, settings), _totals(narrow, small)
    assert after["cache_features"] == before["cache_features"]
    language = Blip2ForConditionalGeneration(narrow).language_model
    layers = [m for n, m in language.named_modules() if isinstance(m, nn.Linear) and n != "lm_head"]
    saved = (2 - 0.5625) * sum(layer.weight.numel() for layer in layers)  # half a byte, and 4 for 64 weights
    assert before["answer_base"] - after["answer_base"] == pytest.approx(saved, rel=0.001)


def _totals(config: Blip2Config, settings: Settings) -> dict[str, float]:
    by_stage = ModelMemory(config, settings, torch.bfloat16).by_stage()
    return {stage: of_stage.total for stage, of_stage in by_stage.items()}

"""An adapter loaded by habit, on the whole model and without our code, is the adapter that was trained."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModel, IA3Config, LoraConfig, PeftModel, get_peft_model
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForImageTextToText

from adapters import ANSWERS, QUESTIONS, settings, shake
from toy import PROMPT, toy_model, toy_processor
from toy_image_text import FAMILIES, toy_image_text
from vqa.core.errors import InputError
from vqa.core.files import read_json, write_json
from vqa.vlm import attached_adapter, lora
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder
from vqa.vlm.families import ImageTextProcessor, find_family
from vqa.vlm.interfaces import AnswerModel

CPU = torch.device("cpu")
BLIP2 = ("opt", "t5")


def make_whole(family: str) -> tuple[Any, Any]:
    """A toy of the family and transformers' own processor for it, in fp64, so that rounding hides nothing."""
    if family not in BLIP2:
        model, processor = toy_image_text(family)
        return model.double(), processor
    processor = toy_processor()
    return toy_model(family, processor).double(), processor


def split_parts(model: Any, processor: Any, level: Any = "qformer") -> tuple[Any, AnswerModel]:
    if model.config.model_type == "blip-2":
        encoder = Blip2ImageEncoder(model, processor, CPU, level)
        return encoder, Blip2AnswerModel(model, processor, PROMPT, CPU, level)
    ours = ImageTextProcessor(processor.tokenizer, processor.image_processor, processor.chat_template, ())
    found = find_family(model.config, "toy")
    return found.image_encoder(model, ours, CPU, "qformer"), found.answer_model(
        model, ours, PROMPT, CPU, "qformer"
    )


def make_inputs(processor: Any, question: str, image: Image.Image) -> dict[str, Tensor]:
    """What transformers' own processor makes of them."""
    text = PROMPT.format(question=question)
    if getattr(processor, "chat_template", None):
        content = [{"type": "image"}, {"type": "text", "text": text}]
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
    elif not hasattr(processor, "num_query_tokens"):
        text = f"<image>{text}"
    made = dict(processor(images=[image], text=[text], return_tensors="pt"))
    kept = {name: value for name, value in made.items() if name not in ("labels", "rows", "cols")}
    return {n: v.double() if v.is_floating_point() else v for n, v in kept.items()}


def answer(model: Any, processor: Any, images: list[Image.Image]) -> list[str]:
    """Greedy answers of the whole model to QUESTIONS, from pixels."""
    said = []
    for question, image in zip(QUESTIONS, images, strict=False):
        inputs = make_inputs(processor, question, image)
        with torch.inference_mode():
            ids = model.generate(**inputs, max_new_tokens=5, do_sample=False, repetition_penalty=1.0)
        start = inputs["input_ids"].shape[1] if not model.config.is_encoder_decoder else 0
        said.append(processor.tokenizer.decode(ids[0, start:], skip_special_tokens=True).strip())
    return said


def train_adapter(
    family: str, folder: Path, images: list[Image.Image], **changes: Any
) -> tuple[list[str], list[str]]:
    """Save a toy as folder/base and an adapter with weights that count as folder/adapter.

    Returns what the live half answers with the adapter, and without it.
    """
    model, processor = make_whole(family)
    model.save_pretrained(folder / "base")
    level = "vit" if changes.get("qformer_targets") else "qformer"
    encoder, live = split_parts(model, processor, level)
    with torch.inference_mode():
        features = encoder.features(encoder.pixels(images[: len(QUESTIONS)]))
    plain = live.texts(QUESTIONS, features, 5)
    lora.add_adapter(live.eval(), settings(**changes), str(folder / "base"))
    shake(live)
    if changes.get("train_projection"):
        for parameter in live.projection.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    lora.save_adapter(live, folder / "adapter")
    return live.texts(QUESTIONS, features, 5), plain


def load_by_peft(folder: Path) -> Any:
    base = AutoModelForImageTextToText.from_pretrained(folder / "base", dtype=torch.float64).eval()
    return PeftModel.from_pretrained(base, str(folder / "adapter"))


def load_by_transformers(folder: Path) -> Any:
    base = AutoModelForImageTextToText.from_pretrained(folder / "base", dtype=torch.float64).eval()
    base.load_adapter(str(folder / "adapter"))
    return base


def load_by_auto_peft(folder: Path) -> Any:
    return AutoPeftModel.from_pretrained(str(folder / "adapter"), dtype=torch.float64).eval()


HABITS = {"peft": load_by_peft, "transformers": load_by_transformers, "auto_peft": load_by_auto_peft}


@pytest.mark.parametrize("habit", HABITS.values(), ids=HABITS.keys())
@pytest.mark.parametrize("family", [*BLIP2, *FAMILIES])
def test_an_adapter_loaded_by_habit_answers_as_the_pipeline(
    family: str, habit: Callable[[Path], Any], drawings: list[Image.Image], tmp_path: Path
) -> None:
    expected, plain = train_adapter(family, tmp_path, drawings)
    assert expected != plain
    loaded = habit(tmp_path)
    products = {name: p for name, p in loaded.named_parameters() if "lora_B" in name}
    assert products
    assert all(parameter.abs().max() > 0 for parameter in products.values())
    assert all("language_model" in name or "text_model" in name for name in products)
    assert not any("vision" in name or "visual" in name or "qformer" in name for name in products)
    assert answer(loaded, make_whole(family)[1], drawings) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"train_projection": True},
        {"qformer_targets": ["attention", "mlp"]},
        {"qformer_targets": ["attention"], "train_projection": True, "dora": True},
        {"bias": "all", "rslora": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("habit", HABITS.values(), ids=HABITS.keys())
def test_projection_q_former_and_biases_come_with_it(
    changes: dict[str, Any], habit: Callable[[Path], Any], drawings: list[Image.Image], tmp_path: Path
) -> None:
    expected, plain = train_adapter("opt", tmp_path, drawings, **changes)
    assert expected != plain
    loaded = habit(tmp_path)
    assert answer(loaded, make_whole("opt")[1], drawings) == expected


# vLLM's modules that LoRA goes into, of BLIP-2 with OPT (vllm/model_executor/models/{blip2,opt}.py, read on
# 2026-11-29). It packs the three projections of attention into one.
VLLM_MODULES = {
    f"language_model.model.decoder.layers.{layer}.{module}"
    for layer in range(2)
    for module in ("self_attn.qkv_proj", "self_attn.out_proj", "fc1", "fc2")
}
VLLM_PACKED = {"q_proj": "qkv_proj", "k_proj": "qkv_proj", "v_proj": "qkv_proj"}


def test_the_names_are_those_of_vllm_s_modules(drawings: list[Image.Image], tmp_path: Path) -> None:
    train_adapter("opt", tmp_path, drawings)
    found = set()
    for name in load_file(tmp_path / "adapter/adapter_model.safetensors"):
        module, _, _ = name.removeprefix("base_model.model.").rpartition(".lora_")
        before, _, last = module.rpartition(".")
        found.add(f"{before}.{VLLM_PACKED.get(last, last)}")
    assert found == VLLM_MODULES
    config = read_json(tmp_path / "adapter/adapter_config.json")
    assert config["modules_to_save"] is None  # vLLM refuses others
    assert config["use_dora"] is False


def test_equal_adapters_are_equal_bytes(drawings: list[Image.Image], tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_adapter("opt", tmp_path / name, drawings)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        one, two = ((tmp_path / name / "adapter" / file).read_bytes() for name in ("one", "two"))
        assert one.replace(b"/one/", b"/two/") == two


def save_old_form(live: AnswerModel, folder: Path) -> None:
    """As this project saved adapters until November 2026: by the names of the bare language model."""
    live.language_model.save_pretrained(folder, save_embedding_layers=False)
    if any(parameter.requires_grad for parameter in live.projection.parameters()):
        save_file(dict(live.projection.state_dict()), folder / "language_projection.safetensors")
    if live.queries is not None:
        live.queries.qformer.save_pretrained(folder / "qformer", save_embedding_layers=False)


@pytest.mark.parametrize(
    "changes", [{}, {"qformer_targets": ["mlp"], "train_projection": True, "dora": True}]
)
@pytest.mark.parametrize("family", BLIP2)
def test_adapters_of_the_old_form_are_read(
    family: str, changes: dict[str, Any], drawings: list[Image.Image], tmp_path: Path
) -> None:
    level = "vit" if changes else "qformer"
    encoder, live = split_parts(*make_whole(family), level)
    lora.add_adapter(live.eval(), settings(**changes), "toy")
    shake(live)
    save_old_form(live, tmp_path)
    with torch.inference_mode():
        features = encoder.features(encoder.pixels(drawings[: len(QUESTIONS)]))
    fresh = split_parts(*make_whole(family), level)[1]
    attached_adapter.merge(fresh.eval(), tmp_path)
    batch = live.training_batch(QUESTIONS, ANSWERS)
    with torch.no_grad():
        losses = [model(**batch, features=features)["loss"] for model in (live, fresh)]
    torch.testing.assert_close(*losses, atol=1e-5, rtol=0)


def write_foreign(folder: Path, **config: Any) -> None:
    """An adapter that somebody made with PEFT on the whole model."""
    wrapped = get_peft_model(make_whole("opt")[0], LoraConfig(r=4, **config))
    shake(wrapped)
    for name, parameter in wrapped.named_parameters():
        if "trainable_tokens" in name or "modules_to_save" in name:
            torch.nn.init.normal_(parameter)
    wrapped.save_pretrained(folder)


def make_live() -> AnswerModel:
    return split_parts(*make_whole("opt"))[1].eval()


FC1 = "language_model.model.decoder.layers.1.fc1"


@pytest.mark.parametrize(
    "config",
    [
        {"alpha_pattern": {FC1: 32}},
        {"alpha_pattern": {rf"^{FC1}": 32}},
        {"alpha_pattern": {r"language_model.*fc1": 32}, "rank_pattern": {r"language_model.*q_proj": 8}},
        {"trainable_token_indices": {"embed_tokens": [1, 2]}},
        {"modules_to_save": ["lm_head"]},
    ],
    ids=str,
)
def test_an_adapter_that_others_trained_on_the_whole_model_is_read(
    config: dict[str, Any], tmp_path: Path
) -> None:
    write_foreign(tmp_path, target_modules=r"language_model\..*\.(q_proj|fc1)", **config)
    merged = make_live()
    attached_adapter.merge(merged, tmp_path)
    whole = PeftModel.from_pretrained(make_whole("opt")[0], str(tmp_path)).merge_and_unload()
    theirs = whole.language_model.state_dict()
    for name, weight in merged.language_model.state_dict().items():
        torch.testing.assert_close(weight, theirs[name])


def test_a_module_that_others_trained_whole_is_switched_off_too(tmp_path: Path) -> None:
    targets = r"language_model\..*\.q_proj"
    write_foreign(tmp_path, target_modules=targets, modules_to_save=["language_model.lm_head"])
    tokens, live = torch.tensor([[1, 2, 3]]), make_live()
    plain = live.language_model(tokens).logits
    attached = attached_adapter.AttachedAdapter(live, tmp_path)
    assert (live.language_model(tokens).logits - plain).abs().max() > 1e-3
    with attached.disabled():
        torch.testing.assert_close(live.language_model(tokens).logits, plain)


def test_an_adapter_that_is_no_lora_is_refused(tmp_path: Path) -> None:
    config = IA3Config(target_modules=r"language_model\..*\.fc1", feedforward_modules=[])
    get_peft_model(make_whole("opt")[0], config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="peft_type: 'IA3', which is not read here; give a LoRA adapter"):
        attached_adapter.merge(make_live(), tmp_path)


def test_an_adapter_without_its_weights_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    write_foreign(tmp_path, target_modules=r"language_model\..*\.fc1")
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"adapter_model\.safetensors is missing; restore it"):
        attached_adapter.merge(make_live(), tmp_path)


def test_training_does_not_go_on_from_layers_with_an_alpha_of_their_own(tmp_path: Path) -> None:
    targets = r"language_model\..*\.q_proj"
    write_foreign(tmp_path, target_modules=targets, alpha_pattern={"q_proj": 32})
    live, same = make_live(), settings(targets=["attention.query"], alpha=8)
    lora.add_adapter(live, same, "toy")
    with pytest.raises(InputError, match=r"a rank or alpha of their own .*; training can go on only from"):
        lora.start_from(live, tmp_path, same)


def test_an_adapter_of_what_is_cached_is_refused(tmp_path: Path) -> None:
    write_foreign(tmp_path, target_modules=["q_proj", "fc1"])  # the ViT has an fc1 too
    with pytest.raises(InputError, match=r"tensors for what is not adapted here \(.*vision_model"):
        attached_adapter.merge(make_live(), tmp_path)


@pytest.mark.parametrize("kind", ["pissa_niter_2", "lora_ga", "corda", "loftq"])
def test_an_adapter_that_its_file_does_not_determine_is_refused(kind: str, tmp_path: Path) -> None:
    write_foreign(tmp_path, target_modules=r"language_model\..*\.q_proj")
    config = tmp_path / "adapter_config.json"
    write_json(config, read_json(config) | {"init_lora_weights": kind})
    with pytest.raises(InputError, match=f"init_lora_weights: '{kind}'.*another model each time"):
        attached_adapter.merge(make_live(), tmp_path)


@pytest.mark.parametrize("kind", ["pissa", "olora"])
def test_deterministic_initialisations_give_the_model_that_was_trained(kind: str, tmp_path: Path) -> None:
    base = make_whole("opt")[0].float()  # PiSSA wants it
    targets = r"language_model\..*\.(q_proj|fc1)"
    wrapped = get_peft_model(
        copy.deepcopy(base), LoraConfig(r=4, target_modules=targets, init_lora_weights=kind)
    )
    shake(wrapped)
    wrapped.save_pretrained(tmp_path)
    theirs = wrapped.merge_and_unload().language_model.state_dict()
    merged = Blip2AnswerModel(base, toy_processor(), PROMPT, CPU).eval()
    attached_adapter.merge(merged, tmp_path)
    for name, weight in merged.language_model.state_dict().items():
        torch.testing.assert_close(weight, theirs[name], atol=1e-5, rtol=1e-4)


def test_an_adapter_of_the_q_former_is_refused_where_its_output_is_cached(
    drawings: list[Image.Image], tmp_path: Path
) -> None:
    train_adapter("opt", tmp_path, drawings, qformer_targets=["attention"])
    with pytest.raises(
        InputError, match=r"adapts the Q-Former, whose output is cached; set .*features\.level"
    ):
        attached_adapter.merge(make_live(), tmp_path / "adapter")


def test_an_adapter_with_a_missing_tensor_is_refused(drawings: list[Image.Image], tmp_path: Path) -> None:
    train_adapter("opt", tmp_path, drawings)
    weights = tmp_path / "adapter/adapter_model.safetensors"
    tensors = load_file(weights)
    tensors.popitem()
    save_file(tensors, weights)
    with pytest.raises(InputError, match="1 tensors missing"):
        attached_adapter.merge(make_live(), tmp_path / "adapter")

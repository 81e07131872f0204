"""A saved adapter in a model: beside its weights, switched off, and merged."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from adapters import settings, shake
from toy import PROMPT, toy_model
from vqa.core.errors import InputError
from vqa.core.files import read_json, write_json
from vqa.vlm import attached_adapter, lora
from vqa.vlm.attached_adapter import AttachedAdapter
from vqa.vlm.blip2 import Blip2AnswerModel

CPU = torch.device("cpu")
FEATURES = torch.randn(2, 4, 32, generator=torch.Generator().manual_seed(0))


def logits(answers: Blip2AnswerModel) -> Tensor:
    with torch.no_grad():
        batch = answers.training_batch(["What color?", "How many?"], ["red", "2"])
        found: Tensor = answers(**batch, features=FEATURES)["logits"]
        return found


@pytest.fixture
def answers(processor: Blip2Processor) -> Blip2AnswerModel:
    return Blip2AnswerModel(toy_model("opt", processor), processor, PROMPT, CPU).eval()


@pytest.fixture
def adapter(processor: Blip2Processor, tmp_path: Path) -> Path:
    """A folder with an adapter that counts, whose projection and biases were trained too."""
    trained = Blip2AnswerModel(toy_model("opt", processor), processor, PROMPT, CPU)
    lora.add_adapter(trained, settings(train_projection=True, bias="lora_only"), "toy")
    shake(trained)
    with torch.no_grad():
        trained.projection.weight.add_(0.1)
        for name, parameter in trained.language_model.named_parameters():
            if parameter.requires_grad and name.endswith("bias"):
                parameter.add_(0.1)
    lora.save_adapter(trained, tmp_path / "adapter")
    return tmp_path / "adapter"


def test_switched_off_the_model_is_the_plain_one_and_on_again_the_adapted_one(
    answers: Blip2AnswerModel, adapter: Path
) -> None:
    plain = logits(answers)
    attached = AttachedAdapter(answers, adapter)
    adapted = logits(answers)
    assert (adapted - plain).abs().max() > 1e-2
    with attached.disabled():
        assert torch.equal(logits(answers), plain)
    assert torch.equal(logits(answers), adapted)


def test_an_error_in_the_block_leaves_the_adapter_on(answers: Blip2AnswerModel, adapter: Path) -> None:
    attached = AttachedAdapter(answers, adapter)
    adapted = logits(answers)
    for state in (attached.disabled, attached.merged):
        with pytest.raises(KeyboardInterrupt), state():
            raise KeyboardInterrupt
        torch.testing.assert_close(logits(answers), adapted, atol=1e-4, rtol=1e-4)


def test_merged_for_a_while_and_for_good_say_the_same_as_beside_the_weights(
    answers: Blip2AnswerModel, adapter: Path, processor: Blip2Processor
) -> None:
    attached = AttachedAdapter(answers, adapter)
    beside = logits(answers)
    weights = {name: weight.clone() for name, weight in answers.language_model.state_dict().items()}
    with attached.merged():
        torch.testing.assert_close(logits(answers), beside, atol=1e-4, rtol=1e-4)
        changed = [
            n for n, w in answers.language_model.state_dict().items() if not torch.equal(w, weights[n])
        ]
        assert changed
        assert all(name.endswith("base_layer.weight") for name in changed)
    merged = Blip2AnswerModel(toy_model("opt", processor), processor, PROMPT, CPU).eval()
    attached_adapter.merge(merged, adapter)
    assert not isinstance(merged.language_model, PeftModel)
    torch.testing.assert_close(logits(merged), beside, atol=1e-4, rtol=1e-4)
    kept = Blip2AnswerModel(toy_model("opt", processor), processor, PROMPT, CPU).eval()
    attached_adapter.merge(kept, adapter, is_merged=False)
    assert isinstance(kept.language_model, PeftModel)
    assert torch.equal(logits(kept), beside)


def test_merging_into_bf16_rounds_the_sum_once(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, tmp_path: Path
) -> None:
    answers = Blip2AnswerModel(model.to(torch.bfloat16), processor, PROMPT, CPU)
    lora.add_adapter(answers, settings(), "toy")
    shake(answers)
    lora.save_adapter(answers, tmp_path)
    layer = next(m for m in answers.language_model.modules() if hasattr(m, "lora_A") and hasattr(m, "merge"))
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    expected = (layer.base_layer.weight.float() + 2.0 * b @ a).to(torch.bfloat16)  # alpha / r is 2
    name = next(n for n, m in answers.language_model.named_modules() if m is layer)
    plain = Blip2AnswerModel(model, processor, PROMPT, CPU)
    plain.language_model = answers.language_model.unload()
    attached_adapter.merge(plain, tmp_path)
    merged = plain.language_model.get_submodule(name.removeprefix("base_model.model."))
    assert torch.equal(merged.weight, expected)


def test_a_missing_adapter_is_named(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="holds no adapter; run the train stage"):
        attached_adapter.merge(Blip2AnswerModel(model, processor, PROMPT, torch.device("cpu")), tmp_path)


def test_an_adapter_of_layers_that_the_model_lacks_is_refused(
    answers: Blip2AnswerModel, adapter: Path
) -> None:
    config = adapter / "adapter_config.json"
    names = read_json(config)
    write_json(config, names | {"target_modules": ["no_such_layer"]})
    with pytest.raises(
        InputError, match=r"adapter_config\.json does not fit the model .* give the model that"
    ):
        AttachedAdapter(answers, adapter)

"""The adapter around a model: fresh, saved, loaded, merged, or beside the weights to be switched on and off.

It wraps the language model alone (and, when asked for, the Q-Former alone). LoRA: Hu et al. 2021,
https://arxiv.org/abs/2106.09685
"""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import (
    LoraConfig,
    PeftConfig,
    PeftModel,
    TaskType,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import load_peft_weights
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vqa.foundation.errors import InputError, first_line
from vqa.foundation.files import read_json, read_object, undamaged, write_json
from vqa.settings import Lora
from vqa.vlm.base_model import TRAIN_AGAIN
from vqa.vlm.halves import LiveHalf
from vqa.vlm.lora_targets import module_names

WEIGHTS = "adapter_model.safetensors"
_QFORMER = "qformer"  # subfolder of an adapter
_PROJECTION = "language_projection.safetensors"
_HALF = (torch.float16, torch.bfloat16)


def add_adapter(model: LiveHalf, settings: Lora, base_name: str) -> None:
    """Freeze `model` and put a fresh adapter into it; only what is adapted requires a gradient, held in fp32.

    `base_name` is recorded in the adapter as the model it belongs to.

    Raises:
        InputError: a target matches nothing, or what is to be adapted is cached away.
    """
    if settings.qformer_targets and model.queries is None:
        raise InputError(model.NO_QUERIES)
    if settings.train_projection and not list(model.projection.parameters()):
        raise InputError(
            "params.yaml: lora.train_projection trains what this model's features are cached behind; set it "
            "to false"
        )
    model.requires_grad_(False)
    model.put_language_model(adapted(model.language_model, settings, base_name))
    if settings.train_projection:
        model.projection.float().requires_grad_(True)
    if settings.qformer_targets and model.queries is not None:
        names = module_names(model.queries.qformer, settings.qformer_targets, "lora.qformer_targets")
        model.queries.qformer = _with_adapter(model.queries.qformer, names, None, settings, base_name)
    _lift_what_trains(model)


def _lift_what_trains(model: LiveHalf) -> None:
    """PEFT lifts its own weights to fp32, not the biases that it trains: in fp16 their gradients cannot be
    unscaled, in bf16 their updates round away.
    """
    for module in model.modules():
        halves = [p for p in module.parameters(recurse=False) if p.requires_grad and p.dtype in _HALF]
        if not halves:
            continue
        model.is_mixed = True
        if isinstance(module, nn.LayerNorm):  # whose weight and bias must be of one dtype
            module.float()
        for parameter in halves:
            parameter.data = parameter.data.float()


def adapted(language_model: Any, settings: Lora, base_name: str) -> PeftModel:
    """The language model with a fresh adapter."""
    task = None  # of a decoder without its head, as the seam's is
    if language_model.can_generate():
        is_encoder_decoder = language_model.config.is_encoder_decoder
        task = TaskType.SEQ_2_SEQ_LM if is_encoder_decoder else TaskType.CAUSAL_LM
    names = module_names(language_model, settings.targets)
    return _with_adapter(language_model, names, task, settings, base_name)


def _with_adapter(
    module: Any, names: list[str], task: TaskType | None, settings: Lora, base_name: str
) -> PeftModel:
    config = LoraConfig(
        task_type=task,
        r=settings.r,
        lora_alpha=settings.alpha,  # divided by r, or by its root; a float is fine
        lora_dropout=settings.dropout,
        target_modules=names,
        bias=settings.bias,
        use_rslora=settings.rslora,
        use_dora=settings.dora,
    )
    wrapped = get_peft_model(module, config)
    wrapped.peft_config["default"].base_model_name_or_path = base_name
    return wrapped


def save_adapter(model: LiveHalf, folder: Path) -> None:
    """In PEFT format; an adapted Q-Former goes into a subfolder, a trained projection beside it."""
    _save(model.language_model, folder)
    if any(parameter.requires_grad for parameter in model.projection.parameters()):
        save_file(dict(model.projection.state_dict()), folder / _PROJECTION)
    if model.queries is not None and isinstance(model.queries.qformer, PeftModel):
        _save(model.queries.qformer, folder / _QFORMER)


def _save(adapted: PeftModel, folder: Path) -> None:
    """Equal adapters become equal bytes; PEFT's model card is a form with nothing filled in."""
    adapted.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    config = read_json(folder / "adapter_config.json")
    write_json(folder / "adapter_config.json", config | {"target_modules": sorted(config["target_modules"])})


def load_adapter(model: LiveHalf, folder: Path) -> None:
    """Put saved weights into a model that `add_adapter` made ready.

    Raises:
        InputError: they are not those of this adapter: names or shapes differ.
    """
    _load_all(model.language_model, folder)
    if (folder / _PROJECTION).is_file():
        model.projection.load_state_dict(load_file(folder / _PROJECTION))
    if (folder / _QFORMER).is_dir() and model.queries is not None:
        _load_all(model.queries.qformer, folder / _QFORMER)


def _load_all(wrapped: PeftModel, folder: Path) -> None:
    """Every tensor of the folder into its place, and none left without: PEFT is silent about both."""
    weights = load_peft_weights(str(folder), device=str(next(wrapped.parameters()).device))
    wanted = {name: tuple(tensor.shape) for name, tensor in _state_of(wrapped).items()}
    there = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    problems = {
        "missing": sorted(wanted.keys() - there.keys()),
        "of no layer of this model": sorted(there.keys() - wanted.keys()),
        "of another shape": sorted(n for n in wanted.keys() & there.keys() if wanted[n] != there[n]),
    }
    said = [f"{len(names)} tensors {problem} ({names[0]})" for problem, names in problems.items() if names]
    if said:
        raise InputError(
            f"{folder / WEIGHTS} does not fit its adapter_config.json and the model: {'; '.join(said)}; "
            f"give the model that it was made for, or run {TRAIN_AGAIN}"
        )
    set_peft_model_state_dict(wrapped, weights)


def _state_of(wrapped: PeftModel) -> dict[str, Tensor]:
    # "auto" would ask the hub about the base model's vocabulary.
    state: dict[str, Tensor] = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    return state


def merge(model: LiveHalf, folder: Path, is_merged: bool = True) -> None:
    """Add a saved adapter into the weights of a plain `model`: no cost when answering.

    The sum is made in fp32 and the merged layers stay in it when they were fp32; `is_merged` False keeps
    the adapter beside the weights, which quantised ones need.

    Raises:
        InputError: no adapter there, a damaged one, or one that does not fit.
    """
    plain, beside = model.projection, Beside(model, folder)
    if not is_merged:
        return
    if model.projection is not plain:  # the whole model that holds the plain one is to have it too
        plain.load_state_dict(model.projection.state_dict())
    model.put_language_model(_merged(model.language_model))
    if beside.has_qformer and model.queries is not None:
        model.queries.qformer = _merged(model.queries.qformer)


class Beside:
    """A saved adapter beside a model's weights, which can be switched off: base and adapted in one model."""

    def __init__(self, model: LiveHalf, folder: Path) -> None:
        """Put the adapter in `folder` into a plain `model`; it is on.

        Raises:
            InputError: as `merge`.
        """
        if not (folder / "adapter_config.json").is_file():
            raise InputError(f"{folder} holds no adapter; run the train stage (dvc repro train)")
        self._model = model
        self._plain_projection, self._biases = model.projection, _biases(model, folder)
        self.has_qformer = (folder / _QFORMER).is_dir() and model.queries is not None
        with undamaged(folder, f"run dvc checkout --force models/adapter, or {TRAIN_AGAIN}"):
            model.put_language_model(_wrapped(model.language_model, folder))
            if (folder / _PROJECTION).is_file():
                model.projection = copy.deepcopy(model.projection).float()
                model.projection.load_state_dict(load_file(folder / _PROJECTION))
            if self.has_qformer and model.queries is not None:
                model.queries.qformer = _wrapped(model.queries.qformer, folder / _QFORMER)
        self._adapted_projection = model.projection
        model.eval()

    @contextmanager
    def off(self) -> Iterator[None]:
        """In the block the model is what it was without the adapter."""
        self._switch(self._plain_projection, is_on=False)
        try:
            yield
        finally:
            self._switch(self._adapted_projection, is_on=True)

    @contextmanager
    def added(self) -> Iterator[None]:
        """In the block the adapter is in the weights, as `merge` would leave it, up to rounding."""
        for wrapped in self._adapters():
            wrapped.merge_adapter()
        try:
            yield
        finally:
            for wrapped in self._adapters():
                wrapped.unmerge_adapter()

    def _adapters(self) -> list[PeftModel]:
        in_qformer = [self._model.queries.qformer] if self.has_qformer and self._model.queries else []
        return [self._model.language_model, *in_qformer]

    def _switch(self, projection: nn.Module, is_on: bool) -> None:
        self._model.projection = projection
        for parameter, other in self._biases:  # which PEFT leaves in
            parameter.data, other.data = other.data, parameter.data
        for wrapped in self._adapters():
            for layer in wrapped.modules():
                if isinstance(layer, BaseTunerLayer):
                    layer.enable_adapters(is_on)


def _wrapped(module: Any, folder: Path) -> PeftModel:
    """`module` with the adapter in `folder`."""
    try:
        config = PeftConfig.from_pretrained(str(folder))
        config.inference_mode = True
        with warnings.catch_warnings():  # that we load the model under another path than it was trained from
            warnings.simplefilter("ignore", UserWarning)
            wrapped = get_peft_model(module, config)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{folder}/adapter_config.json does not fit the model ({first_line(error)}); give the model that "
            f"it was made for, or run {TRAIN_AGAIN}"
        ) from error
    _load_all(wrapped, folder)
    return wrapped


def _biases(model: LiveHalf, folder: Path) -> list[tuple[nn.Parameter, Tensor]]:
    """The biases of a model that an adapter in `folder` replaces, with copies of what they are."""
    if read_object(folder / "adapter_config.json").get("bias", "none") == "none":
        return []
    named = [*model.language_model.named_parameters(), *(model.queries or nn.Module()).named_parameters()]
    return [(p, p.data.clone()) for name, p in named if name.endswith("bias")]


def _merged(wrapped: PeftModel) -> Any:
    """Merge layer by layer in fp32, so that a bf16 model is rounded once and not at every product.

    Source: peft#1388.
    """
    for module in wrapped.modules():
        if hasattr(module, "lora_A") and hasattr(module, "get_base_layer"):
            base = module.get_base_layer()
            dtype = base.weight.dtype
            base.weight.data = base.weight.data.to(torch.promote_types(dtype, torch.float32))
            module.merge()
            base.weight.data = base.weight.data.to(dtype)
    return wrapped.unload()


def trainable_share(model: nn.Module) -> tuple[int, int]:
    """(trainable, all) parameter counts."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, trains in counts if trains), sum(n for n, _ in counts)

"""A saved adapter in use: merged into the weights, or attached beside them and switched on and off."""

import copy
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, TaskType, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import Tensor, nn

from vqa.core.errors import InputError, first_line
from vqa.vlm.adapter_files import CONFIG, SavedPart, replaces_biases
from vqa.vlm.base_model import TRAIN_AGAIN
from vqa.vlm.interfaces import AnswerModel
from vqa.vlm.lora import load_all, read_saved, task_type


def merge(model: AnswerModel, folder: Path, is_merged: bool = True) -> None:
    """Add a saved adapter into the weights of a plain `model`: no cost when answering.

    The sum is made in fp32 and the merged layers stay in it when they were fp32; `is_merged` False keeps
    the adapter beside the weights, which quantised ones need.

    Raises:
        InputError: no adapter there, a damaged one, or one that does not fit.
    """
    plain, attached = model.projection, AttachedAdapter(model, folder)
    if not is_merged:
        return
    if model.projection is not plain:  # the whole model that holds the plain one is to have it too
        plain.load_state_dict(model.projection.state_dict())
    model.put_language_model(_merged(model.language_model))
    if attached.has_qformer and model.queries is not None:
        model.queries.qformer = _merged(model.queries.qformer)


class AttachedAdapter:
    """A saved adapter beside a model's weights, which can be switched off: baseline and LoRA in one model."""

    def __init__(self, model: AnswerModel, folder: Path) -> None:
        """Put the adapter in `folder` into a plain `model`; it is on.

        Raises:
            InputError: as `merge`.
        """
        saved = read_saved(model, folder)
        self._model = model
        self._plain_projection, self._biases = model.projection, _biases(model, folder)
        self.has_qformer = saved.qformer is not None
        model.put_language_model(
            _wrapped(model.language_model, saved.language_model, task_type(model.language_model), folder)
        )
        if saved.projection:
            model.projection = copy.deepcopy(model.projection).float()
            model.projection.load_state_dict(saved.projection)
        if saved.qformer is not None:
            model.queries.qformer = _wrapped(model.queries.qformer, saved.qformer, None, folder)
        self._adapted_projection = model.projection
        model.eval()

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """In the block the model is what it was without the adapter."""
        self._switch(self._plain_projection, is_on=False)
        try:
            yield
        finally:
            self._switch(self._adapted_projection, is_on=True)

    @contextmanager
    def merged(self) -> Iterator[None]:
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
                if isinstance(layer, BaseTunerLayer | AuxiliaryTrainingWrapper):
                    layer.enable_adapters(is_on)


def _wrapped(module: Any, saved: SavedPart, task: TaskType | None, folder: Path) -> PeftModel:
    """`module` with the adapter that was saved of it."""
    try:
        config = saved.config_within([name for name, _ in module.named_modules()])
        config.task_type = task
        with warnings.catch_warnings():  # that we load the model under another path than it was trained from
            warnings.simplefilter("ignore", UserWarning)
            wrapped = get_peft_model(module, config)
    except (ValueError, TypeError, KeyError, re.error) as error:
        raise InputError(
            f"{folder / CONFIG} does not fit the model ({first_line(error)}); give the model that "
            f"it was made for, or run {TRAIN_AGAIN}"
        ) from error
    load_all(wrapped, saved.tensors, folder)
    return wrapped


def _biases(model: AnswerModel, folder: Path) -> list[tuple[nn.Parameter, Tensor]]:
    """The biases that the adapter in `folder` replaces, each with a copy of its present values."""
    if not replaces_biases(folder):
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
    with warnings.catch_warnings():  # that those are merged; trained rows of an embedding are not yet
        warnings.simplefilter("ignore", UserWarning)
        return wrapped.merge_and_unload()

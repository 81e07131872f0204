"""The adapter that is trained: made afresh, saved, loaded, or started from an earlier one.

It wraps the language model alone (and, when asked for, the Q-Former alone). LoRA: Hu et al. 2021,
https://arxiv.org/abs/2106.09685
"""

from pathlib import Path
from typing import Any

import torch
from peft import (
    LoraConfig,
    PeftModel,
    TaskType,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from torch import Tensor, nn

from vqa.core.errors import InputError
from vqa.core.files import undamaged
from vqa.settings import Lora
from vqa.vlm.adapter_files import (
    CONFIG,
    WEIGHTS,
    SavedAdapter,
    changes_base,
    read_adapter,
    write_adapter,
)
from vqa.vlm.base_model import TRAIN_AGAIN
from vqa.vlm.interfaces import AnswerModel
from vqa.vlm.lora_targets import module_names

_HALF = (torch.float16, torch.bfloat16)


def add_adapter(model: AnswerModel, settings: Lora, base_name: str, start: Path | None = None) -> None:
    """Freeze `model` and put an adapter into it; only what is adapted requires a gradient, held in fp32.

    The adapter is a fresh one, or goes on from that in `start`. `base_name` is recorded in it as the model
    that it belongs to.

    Raises:
        InputError: a target matches nothing, or what is to be adapted is cached away; or as `start_from`.
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
        model.queries.qformer = adapted_qformer(model.queries.qformer, settings, base_name)
    _lift_what_trains(model)
    if start is not None:
        start_from(model, start, settings)


def _lift_what_trains(model: AnswerModel) -> None:
    """PEFT lifts its own weights to fp32, not the biases that it trains: in fp16 their gradients cannot be
    unscaled, in bf16 their updates round away.
    """
    for module in model.modules():
        model_parts = [p for p in module.parameters(recurse=False) if p.requires_grad and p.dtype in _HALF]
        if not model_parts:
            continue
        model.is_mixed = True
        if isinstance(module, nn.LayerNorm):  # whose weight and bias must be of one dtype
            module.float()
        for parameter in model_parts:
            parameter.data = parameter.data.float()


def adapted(language_model: Any, settings: Lora, base_name: str) -> PeftModel:
    """The language model with a fresh adapter."""
    names = module_names(language_model, settings.targets)
    return _with_adapter(language_model, names, task_type(language_model), settings, base_name)


def adapted_qformer(qformer: Any, settings: Lora, base_name: str) -> PeftModel:
    """The Q-Former with a fresh adapter."""
    names = module_names(qformer, settings.qformer_targets, "lora.qformer_targets")
    return _with_adapter(qformer, names, None, settings, base_name)


def task_type(language_model: Any) -> TaskType | None:
    """What PEFT calls such a model; None of a decoder without its head, as image-text models have it."""
    if not language_model.can_generate():
        return None
    is_encoder_decoder = language_model.config.is_encoder_decoder
    return TaskType.SEQ_2_SEQ_LM if is_encoder_decoder else TaskType.CAUSAL_LM


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


def save_adapter(model: AnswerModel, folder: Path) -> None:
    """In PEFT's format with the names of the whole model: see `adapter_files`."""
    wrapped = {"language_model": model.language_model}
    if model.queries is not None and isinstance(model.queries.qformer, PeftModel):
        wrapped["qformer"] = model.queries.qformer
    trains = any(parameter.requires_grad for parameter in model.projection.parameters())
    write_adapter(
        folder,
        model.language_model.peft_config["default"],
        model.places,
        {part: _state(adapted) for part, adapted in wrapped.items()},
        {part: adapted.peft_config["default"].target_modules for part, adapted in wrapped.items()},
        model.projection.state_dict() if trains else {},
    )


def load_adapter(model: AnswerModel, folder: Path) -> None:
    """Put saved weights into a model that `add_adapter` made ready.

    Raises:
        InputError: they are not those of this adapter: names or shapes differ.
    """
    saved = read_saved(model, folder)
    load_all(model.language_model, saved.language_model.tensors, folder)
    if saved.projection:
        model.projection.load_state_dict(saved.projection)
    if saved.qformer is not None:
        load_all(model.queries.qformer, saved.qformer.tensors, folder)


def start_from(model: AnswerModel, folder: Path, settings: Lora) -> None:
    """Let a model that `add_adapter` made ready go on from an adapter that was trained before.

    Raises:
        InputError: that one is of another kind than `settings` say, or other parts of it train.
    """
    saved = read_saved(model, folder)
    config, remedy = saved.language_model.config, "set it so, or train.start_from to models/new_adapter.txt"
    theirs = {
        "r": config.r,
        "alpha": config.lora_alpha,
        "bias": config.bias,
        "rslora": config.use_rslora,
        "dora": config.use_dora,
        "train_projection": bool(saved.projection),
    }
    for name, value in theirs.items():
        if getattr(settings, name) != value:
            raise InputError(
                f"params.yaml: lora.{name} is {getattr(settings, name)}, but the adapter in {folder}, from "
                f"which train.start_from goes on, has {value}; {remedy}"
            )
    if config.rank_pattern or config.alpha_pattern:
        raise InputError(
            f"{folder / CONFIG} gives single layers a rank or alpha of their own (rank_pattern, "
            "alpha_pattern); training can go on only from an adapter with one of each"
        )
    if changes_base(config):
        raise InputError(
            f"{folder / CONFIG} says init_lora_weights: {config.init_lora_weights!r}, which changes the base "
            "weights; training can go on from a plain LoRA only"
        )
    if saved.language_model.tensors.keys() != _state(model.language_model).keys():
        raise InputError(
            f"params.yaml: lora.targets are not those of the adapter in {folder}, which adapts other layers; "
            f"{remedy}"
        )
    if bool(settings.qformer_targets) != (saved.qformer is not None):
        raise InputError(
            f"params.yaml: lora.qformer_targets are not those of the adapter in {folder}; {remedy}"
        )
    load_adapter(model, folder)


def read_saved(model: AnswerModel, folder: Path) -> SavedAdapter:
    """What is in the folder, all of which has a place in `model`.

    Raises:
        InputError: it is no adapter, damaged, or of parts that this model's features are cached behind.
    """
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} holds no adapter; run the train stage (dvc repro train)")
    device = str(next(model.language_model.parameters()).device)
    with undamaged(folder, f"run dvc checkout --force models/adapter, or {TRAIN_AGAIN}"):
        saved = read_adapter(folder, model.places, device)
    if saved.qformer is not None and model.queries is None:
        raise InputError(
            f"{folder} adapts the Q-Former, whose output is cached; set params.yaml's features.level to vit, "
            "as it was when the adapter was trained"
        )
    wanted = {name: tensor.shape for name, tensor in model.projection.state_dict().items()}
    if saved.projection and wanted != {name: tensor.shape for name, tensor in saved.projection.items()}:
        raise InputError(
            f"{folder / WEIGHTS} holds a projection ({', '.join(saved.projection)}) that does not fit the "
            f"model's; give the model that it was made for, or run {TRAIN_AGAIN}"
        )
    return saved


def load_all(wrapped: PeftModel, weights: dict[str, Tensor], folder: Path) -> None:
    """Every tensor of the folder into its place, and none left without: PEFT is silent about both."""
    wanted = {name: tuple(tensor.shape) for name, tensor in _state(wrapped).items()}
    there = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    problems = {
        "missing": sorted(wanted.keys() - there.keys()),
        "of no layer of this model": sorted(there.keys() - wanted.keys()),
        "of another shape": sorted(n for n in wanted.keys() & there.keys() if wanted[n] != there[n]),
    }
    sentences = [
        f"{len(names)} tensors {problem} ({names[0]})" for problem, names in problems.items() if names
    ]
    if sentences:
        raise InputError(
            f"{folder / WEIGHTS} does not fit its adapter_config.json and the model: {'; '.join(sentences)}; "
            f"give the model that it was made for, or run {TRAIN_AGAIN}"
        )
    set_peft_model_state_dict(wrapped, weights)


def _state(wrapped: PeftModel) -> dict[str, Tensor]:
    # "auto" would ask the hub about the base model's vocabulary.
    state: dict[str, Tensor] = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    return state


def trainable_share(model: nn.Module) -> tuple[int, int]:
    """(trainable, all) parameter counts."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, trains in counts if trains), sum(n for n, _ in counts)

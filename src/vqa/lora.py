"""Roles → module names of this model, checked; the adapter around it, saved, loaded and merged.

PEFT stays silent as long as one target name matches somewhere, and names such as fc1 also exist in
BLIP-2's ViT. So an adapter wraps the language model alone (and, when asked for, the Q-Former alone), and
every target must match inside it. LoRA: Hu et al. 2021, https://arxiv.org/abs/2106.09685
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model, set_peft_model_state_dict
from peft.utils import load_peft_weights
from safetensors.torch import load_file, save_file
from torch import nn

from vqa.blip2 import AnswerModel
from vqa.errors import InputError
from vqa.files import read_json, undamaged, write_json
from vqa.settings import Lora

ROLES: dict[str, dict[str, dict[str, list[str]]]] = {
    "opt": {
        "attention": {"query": ["q_proj"], "key": ["k_proj"], "value": ["v_proj"], "output": ["out_proj"]},
        "mlp": {"up": ["fc1"], "down": ["fc2"]},
    },
    "t5": {
        "attention": {"query": ["q"], "key": ["k"], "value": ["v"], "output": ["o"]},
        "mlp": {"gate": ["wi_0"], "up": ["wi_1", "wi"], "down": ["wo"]},  # wi: ungated T5
    },
    "blip_2_qformer": {
        "attention": {"query": ["query"], "key": ["key"], "value": ["value"]},
        "mlp": {"up": ["intermediate_query.dense"], "down": ["output_query.dense"]},
    },
}
WEIGHTS = "adapter_model.safetensors"
_QFORMER = "qformer"  # subfolder of an adapter
_PROJECTION = "language_projection.safetensors"


def module_names(model: Any, targets: Sequence[str], key: str = "lora.targets") -> list[str]:
    """The linear-layer names that `targets` (roles such as attention.query, or literal names) stand for.

    `key` is where the targets stand in params.yaml.

    Raises:
        InputError: a target matches no linear layer of the model; the message lists what exists.
    """
    layers = [n for n, module in model.named_modules() if isinstance(module, nn.Linear) and n != "lm_head"]
    endings = {ending for layer in layers for ending in _endings(layer)}
    family = str(model.config.model_type)
    names: list[str] = []
    for target in targets:
        matching = [name for name in _names_of(family, target) if name in endings]
        if not matching:
            roles = [f"{role}.{part}" for role, parts in ROLES.get(family, {}).items() for part in parts]
            existing = sorted({layer.rsplit(".", 1)[-1] for layer in layers})
            raise InputError(
                f"params.yaml: {key} has {target!r}, which matches nothing in the {family} model; use "
                f"{', '.join([*ROLES.get(family, {}), *roles])} or a module name among {', '.join(existing)}"
            )
        names += [name for name in matching if name not in names]
    return names


def _endings(layer: str) -> list[str]:
    """ "a.b.c" → "a.b.c", "b.c", "c": the names by which PEFT knows a layer."""
    parts = layer.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _names_of(family: str, target: str) -> list[str]:
    """A role's module names; anything that is no role is taken as a literal module name."""
    role, _, part = target.partition(".")
    parts = ROLES.get(family, {}).get(role)
    if parts is None:
        return [target]
    if part:
        return parts.get(part, [])
    return [name for names in parts.values() for name in names]


def add_adapter(model: AnswerModel, settings: Lora, base_name: str) -> None:
    """Freeze `model` and put a fresh adapter into it; only what is adapted requires a gradient.

    `base_name` is recorded in the adapter as the model it belongs to.

    Raises:
        InputError: a target matches nothing, or the Q-Former is to be adapted but is cached away.
    """
    if settings.qformer_targets and model.queries is None:
        raise InputError(
            "params.yaml: lora.qformer_targets adapts the Q-Former, whose output is cached; set "
            "features.level to vit (15 times the size on disk), or lora.qformer_targets to []"
        )
    model.requires_grad_(False)
    model.language_model = adapted(model.language_model, settings, base_name)
    if settings.train_projection:
        model.projection.float().requires_grad_(True)
    if settings.qformer_targets and model.queries is not None:
        names = module_names(model.queries.qformer, settings.qformer_targets, "lora.qformer_targets")
        model.queries.qformer = _with_adapter(model.queries.qformer, names, None, settings, base_name)


def adapted(language_model: Any, settings: Lora, base_name: str) -> PeftModel:
    """The language model with a fresh adapter."""
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


def save_adapter(model: AnswerModel, folder: Path) -> None:
    """In PEFT format; an adapted Q-Former goes into a subfolder, a trained projection beside it."""
    _save(model.language_model, folder)
    if next(model.projection.parameters()).requires_grad:
        save_file(dict(model.projection.state_dict()), folder / _PROJECTION)
    if model.queries is not None and isinstance(model.queries.qformer, PeftModel):
        _save(model.queries.qformer, folder / _QFORMER)


def _save(adapted: PeftModel, folder: Path) -> None:
    """Equal adapters become equal bytes; PEFT's model card is a form with nothing filled in."""
    adapted.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    config = read_json(folder / "adapter_config.json")
    write_json(folder / "adapter_config.json", config | {"target_modules": sorted(config["target_modules"])})


def load_adapter(model: AnswerModel, folder: Path) -> None:
    """Put saved weights into a model that `add_adapter` made ready."""
    set_peft_model_state_dict(model.language_model, load_peft_weights(str(folder), device=str(model.device)))
    if (folder / _PROJECTION).is_file():
        model.projection.load_state_dict(load_file(folder / _PROJECTION))
    if (folder / _QFORMER).is_dir() and model.queries is not None:
        weights = load_peft_weights(str(folder / _QFORMER), device=str(model.device))
        set_peft_model_state_dict(model.queries.qformer, weights)


def merge(model: AnswerModel, folder: Path, is_merged: bool = True) -> None:
    """Add a saved adapter into the weights of a plain `model`: no cost when answering.

    The sum is made in fp32 and the merged layers stay in it when they were fp32; `is_merged` False keeps
    the adapter beside the weights, which quantised ones need.

    Raises:
        InputError: no adapter there, or a damaged one.
    """
    if not (folder / "adapter_config.json").is_file():
        raise InputError(f"{folder} holds no adapter; run the train stage (dvc repro train)")
    read_json(folder / "adapter_config.json")
    with undamaged(folder, "run dvc checkout --force models/adapter, or dvc repro train"):
        _put_in(model, folder, is_merged)
    model.eval()


def _put_in(model: AnswerModel, folder: Path, is_merged: bool) -> None:
    beside = PeftModel.from_pretrained(model.language_model, str(folder))
    model.language_model = _merged(beside) if is_merged else beside
    if (folder / _PROJECTION).is_file():
        model.projection.float().load_state_dict(load_file(folder / _PROJECTION))
    if (folder / _QFORMER).is_dir() and model.queries is not None:
        model.queries.qformer = _merged(
            PeftModel.from_pretrained(model.queries.qformer, str(folder / _QFORMER))
        )


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

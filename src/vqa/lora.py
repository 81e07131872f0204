"""Roles → module names of this language model, checked; the adapter around it.

PEFT stays silent as long as one target name matches somewhere, and names such as fc1 also exist in
BLIP-2's ViT. So the adapter wraps the language model alone, and every target must match inside it.
LoRA: Hu et al. 2021, https://arxiv.org/abs/2106.09685
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from torch import nn

from vqa.errors import InputError
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
}


def module_names(language_model: Any, targets: Sequence[str]) -> list[str]:
    """The linear-layer names that `targets` (roles such as attention.query, or literal names) stand for.

    Raises:
        InputError: a target matches no linear layer of the language model; the message lists what exists.
    """
    existing = {
        name.rsplit(".", 1)[-1]
        for name, module in language_model.named_modules()
        if isinstance(module, nn.Linear) and name != "lm_head"
    }
    family = str(language_model.config.model_type)
    names: list[str] = []
    for target in targets:
        matching = [name for name in _names_of(family, target) if name in existing]
        if not matching:
            roles = [f"{role}.{part}" for role, parts in ROLES.get(family, {}).items() for part in parts]
            raise InputError(
                f"params.yaml: lora.targets has {target!r}, which matches nothing in the {family} "
                f"language model; use {', '.join([*ROLES.get(family, {}), *roles])} or a module "
                f"name among {', '.join(sorted(existing))}"
            )
        names += [name for name in matching if name not in names]
    return names


def _names_of(family: str, target: str) -> list[str]:
    """A role's module names; anything that is no role is taken as a literal module name."""
    role, _, part = target.partition(".")
    parts = ROLES.get(family, {}).get(role)
    if parts is None:
        return [target]
    if part:
        return parts.get(part, [])
    return [name for names in parts.values() for name in names]


def with_adapter(language_model: Any, settings: Lora, base_name: str) -> PeftModel:
    """The language model with a fresh adapter; only the adapter's weights require a gradient.

    `base_name` is recorded in the adapter as the model it belongs to.
    """
    is_encoder_decoder = language_model.config.is_encoder_decoder
    config = LoraConfig(
        task_type=TaskType.SEQ_2_SEQ_LM if is_encoder_decoder else TaskType.CAUSAL_LM,
        r=settings.r,
        lora_alpha=settings.alpha,  # divided by r; a float is fine
        lora_dropout=settings.dropout,
        target_modules=module_names(language_model, settings.targets),
        bias=settings.bias,
    )
    adapted = get_peft_model(language_model, config)
    adapted.peft_config["default"].base_model_name_or_path = base_name
    return adapted


def merged(language_model: Any, adapter: Path) -> Any:
    """The language model with the saved adapter added into its weights: no cost when answering.

    Raises:
        InputError: no adapter there.
    """
    if not (adapter / "adapter_config.json").is_file():
        raise InputError(f"{adapter} holds no adapter; run the train stage (dvc repro train)")
    model = PeftModel.from_pretrained(language_model, str(adapter))
    return model.merge_and_unload().eval()


def trainable_share(model: nn.Module) -> tuple[int, int]:
    """(trainable, all) parameter counts."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, trains in counts if trains), sum(n for n, _ in counts)

"""Roles → the module names of this model that an adapter goes into, checked.

PEFT stays silent as long as one target name matches somewhere, and names such as fc1 also exist in
BLIP-2's ViT. So every target must match inside the module that is adapted.
"""

from collections.abc import Sequence
from typing import Any

from torch import nn

from vqa.core.errors import InputError

_Roles = dict[str, dict[str, list[str]]]
# The seven names of Llama and of all that were built after it.
_LLAMA: _Roles = {
    "attention": {"query": ["q_proj"], "key": ["k_proj"], "value": ["v_proj"], "output": ["o_proj"]},
    "mlp": {"gate": ["gate_proj"], "up": ["up_proj"], "down": ["down_proj"]},
}
ROLES: dict[str, _Roles] = {
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
    **dict.fromkeys(
        ("llama", "mistral", "gemma", "gemma2", "gemma3_text", "qwen2", "qwen2_5_vl_text"), _LLAMA
    ),
}


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
    """ "a.b.c" → "a.b.c", "b.c", "c": the names by which PEFT matches a layer."""
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

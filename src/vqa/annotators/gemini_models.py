"""Facts on Gemini's models, read from Google's public pages on 25 November 2026.

https://ai.google.dev/gemini-api/docs/models, …/media-resolution, …/thinking, …/deprecations. Nothing here was
tested with the service: the bill of a preview corrects it.
"""

import re

from vqa.core.errors import InputError
from vqa.settings import Generate

TEMPERATURE = 0.0
MOST_OUTPUT_TOKENS = 2048  # of one answer; models that think need room for it

_IMAGE_TOKENS = {"low": 280, "medium": 560, "high": 1120}  # Gemini 3 and later; high where nothing is asked
_EARLIER_IMAGE_TOKENS = 258  # up to 384 pixels a side, whatever the resolution; above, a tile's
# A tile's side is two thirds of the shorter side, at least 256 pixels: 3 by 2 in what is sent (768 by 385).
_MOST_TILES = 6
# Output tokens with thoughts, as a multiple of the answer's: assumed, since no key was at hand.
_THOUGHTS = {"minimal": 1.0, "low": 2.0, "medium": 4.0, "high": 8.0}
_VERSION = re.compile(r"-(\d+|preview|exp|experimental)(-[\d-]+)?")  # of one model: …-001, …-preview-09-2026


def generation(model: str) -> tuple[int, int]:
    """(3, 1) for gemini-3.1-flash-lite; a name without a number, such as an alias, counts as the newest."""
    match = re.search(r"gemini-(\d+)(?:\.(\d+))?", model)
    return (int(match[1]), int(match[2] or 0)) if match else (99, 0)


def image_tokens(model: str, resolution: str | None) -> int:
    """The number of tokens of an image of at most 384 pixels a side."""
    if generation(model) < (3, 0):
        return _EARLIER_IMAGE_TOKENS
    return _IMAGE_TOKENS[resolution or "high"]


def most_image_tokens(model: str, resolution: str | None) -> int:
    """The largest number of tokens of an image of at most 768 pixels a side."""
    tokens = image_tokens(model, resolution)
    return tokens * _MOST_TILES if generation(model) < (3, 0) else tokens


def output_tokens(model: str, thinking: str | int | None, answer_tokens: float) -> float:
    """The output tokens that are likely billed for an answer of so many tokens, thoughts included."""
    if isinstance(thinking, int):
        return answer_tokens + thinking
    if thinking is None:  # the Lite models think only when asked to
        thinking = "minimal" if "lite" in model else "medium"
    return answer_tokens * _THOUGHTS[thinking]


def ignores_temperature(model: str) -> bool:
    """Whether temperature has no effect: from 3.5 on; it is deprecated since 2026-07-21."""
    return generation(model) >= (3, 5)


def is_same_model(asked: str, answered: str) -> bool:
    """Whether `answered` is the model that was asked, or a version of it: so that its price holds."""
    name, answered = asked.removeprefix("models/"), answered.removeprefix("models/")
    if answered == name:
        return True
    return answered.startswith(name) and bool(_VERSION.fullmatch(answered[len(name) :]))


def check(settings: Generate) -> None:
    """Refuse before the first image what the service would refuse for every image.

    Raises:
        InputError: the package cannot send a setting, or the model does not take it.
    """
    model, thinking = settings.model, settings.thinking
    if settings.sdk == "google-generativeai":
        _check_unsendable(settings)
    if settings.mode == "batch" and settings.service_tier == "flex":
        raise InputError(
            "params.yaml: generate.service_tier is flex, which batch mode has not (it costs half as it is); "
            "set it to standard"
        )
    if isinstance(thinking, str) and generation(model) < (3, 0):
        raise InputError(
            f"params.yaml: generate.thinking is {thinking}, but {model} takes no level; set it to a number "
            "of tokens (0: off) or null"
        )
    if thinking == "minimal" and is_same_model("gemini-3.8-flash", model):
        raise InputError(
            f"params.yaml: generate.thinking is minimal, which {model} refuses; its least is low"
        )


def _check_unsendable(settings: Generate) -> None:
    asked = {
        "thinking": settings.thinking is not None,
        "media_resolution": settings.media_resolution is not None,
        "service_tier": settings.service_tier != "standard",
        "mode": settings.mode == "batch",
    }
    given = [name for name, is_given in asked.items() if is_given]
    unsendable = [f"generate.{name} (is {getattr(settings, name)})" for name in given]
    if unsendable:
        raise InputError(
            f"params.yaml: generate.sdk is google-generativeai, which cannot send {', '.join(unsendable)}; "
            "set generate.sdk to google-genai, or thinking and media_resolution to null, service_tier to "
            "standard and mode to online"
        )

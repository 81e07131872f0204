"""Whether published weights still answer as they did when this project first ran them here.

The right answers of a model are not known before it runs, so the first run writes them down: those to
three questions about three images that lie beside this file. Under other versions of the libraries the
questions are asked again, and a difference is reported in one sentence.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from vqa.core.files import read_object, write_json
from vqa.core.state_dir import state_folder
from vqa.vlm.blip2 import Level
from vqa.vlm.loading import Pretrained

_IMAGES = Path(__file__).with_name("known_images")
QUESTIONS = {
    "basket.png": "What color is it?",
    "clocks.png": "How many clocks are there?",
    "lamp.png": "What is shown here?",
}
_LIBRARIES = ("torch", "transformers", "tokenizers", "pillow")


def check_known_answers(
    pretrained: Pretrained, prompt: str, device: torch.device, level: Level, max_new_tokens: int
) -> None:
    """Ask published weights what they were asked before, unless the libraries are the same as then.

    A model in a folder is not a published one, and is not asked.
    """
    if Path(pretrained.name).is_dir():
        return
    identity = pretrained.identity(device)
    weights = [identity["fingerprint"], identity["dtype"], pretrained.quantization, device.type]
    asked = [*weights, prompt, level, max_new_tokens]
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    path = state_folder("known_answers") / f"{key}.json"
    versions = {name: version(name) for name in _LIBRARIES}
    before = read_object(path) if path.is_file() else None
    if before and before["versions"] == versions:
        return
    encoder, model = pretrained.load_model_parts(prompt, device, level)
    with torch.inference_mode():
        images = [Image.open(_IMAGES / name).convert("RGB") for name in QUESTIONS]
        features = encoder.features(encoder.pixels(images))
    texts = model.texts(list(QUESTIONS.values()), features, max_new_tokens)
    answers = dict(zip(QUESTIONS, texts, strict=True))
    if before:
        _say_differences(pretrained.name, before, answers, versions)
    write_json(path, {"model": pretrained.name, "versions": versions, "answers": answers})


def _say_differences(
    name: str, before: Mapping[str, Any], answers: Mapping[str, str], versions: Mapping[str, str]
) -> None:
    changed = [image for image in QUESTIONS if before["answers"].get(image) != answers[image]]
    newer = ", ".join(
        f"{library} {before['versions'].get(library)} → {versions[library]}"
        for library in versions
        if before["versions"].get(library) != versions[library]
    )
    for image in changed:
        print(
            f"{name} now answers {answers[image]!r} to {QUESTIONS[image]!r} about {image}, and before "
            f"{before['answers'].get(image)!r}; since then: {newer}. Scores from before do not compare: "
            "answer again with dvc repro --force, or go back to those versions",
            file=sys.stderr,
        )

"""Answer questions with an exported model by transformers and PEFT alone, as its card says.

    python ask_exported.py ASKED.json

In: a JSON object: `kind` ("merged" or "adapter"), `folder`, `base` and `revision` (of an adapter), `dtype`,
`max_new_tokens`, `num_beams`, and `asked`: a list of `image` (a path), `prompt` (what an adapter's model is
given) and `said` (what a merged model's user says). Out: a JSON list of texts on the last line. Imports
nothing of this project: what works here works for any user of the folder.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor


def load(asked: dict[str, Any]) -> tuple[Any, Any]:
    """The model in evaluation mode and its processor."""
    dtype = getattr(torch, asked["dtype"])
    if asked["kind"] == "merged":
        model = AutoModelForImageTextToText.from_pretrained(asked["folder"], dtype="auto")
        processor = AutoProcessor.from_pretrained(asked["folder"])
        template = Path(asked["folder"], "chat_template.jinja")
        if processor.chat_template is None and template.is_file():  # Blip2Processor (5.23) does not read it
            processor.chat_template = template.read_text(encoding="utf-8")
        return model.eval(), processor
    base, revision = asked["base"], asked["revision"]
    model = AutoModelForImageTextToText.from_pretrained(base, revision=revision, dtype=dtype)
    model = PeftModel.from_pretrained(model, asked["folder"]).merge_and_unload()
    return model.eval(), AutoProcessor.from_pretrained(base, revision=revision)


def make_inputs(processor: Any, image: Image.Image, text: str) -> Any:
    """In the model's chat template where it has one."""
    if processor.chat_template is None:
        return processor(images=image, text=text, return_tensors="pt")
    content = [{"type": "image", "image": image}, {"type": "text", "text": text}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


@torch.inference_mode()
def answer(model: Any, processor: Any, asked: dict[str, Any], entry: dict[str, str]) -> str:
    """The text that is generated, without the prompt."""
    text = entry["said"] if asked["kind"] == "merged" else entry["prompt"]
    inputs = make_inputs(processor, Image.open(entry["image"]).convert("RGB"), text).to(model.dtype)
    options = {"max_new_tokens": asked["max_new_tokens"], "num_beams": asked["num_beams"]}
    ids = model.generate(**inputs, **options, do_sample=False, repetition_penalty=1.0)
    start = 0 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    generated: str = processor.batch_decode(ids[:, start:], skip_special_tokens=True)[0]
    return generated.strip()


def run(path: Path) -> None:
    asked = json.loads(path.read_text(encoding="utf-8"))
    model, processor = load(asked)
    print(json.dumps([answer(model, processor, asked, entry) for entry in asked["asked"]]))


if __name__ == "__main__":
    run(Path(sys.argv[1]))

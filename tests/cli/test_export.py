"""Exporting an adapter: both formats answer as the pipeline does, and their cards say what they are."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from vqa.catalogue.abo import image_path
from vqa.catalogue.pictures import load_image
from vqa.catalogue.split_memory import read_splits
from vqa.cli import export
from vqa.foundation.csv_tables import read_rows
from vqa.foundation.errors import InputError
from vqa.foundation.files import read_json, write_json
from vqa.pairs.normal_form import first_word
from vqa.settings import load_settings
from vqa.validation.splits import PICTURES_SEEN, pictures_seen


def test_the_export_answers_as_the_pipeline_does_and_lists_the_pictures_it_was_made_with(
    adapted: Path,
) -> None:
    settings = load_settings()
    listed = Path(settings.model.name) / PICTURES_SEEN
    listed.write_text(f"{1:012x}\n{2:012x}\n")
    try:
        export.run(adapted / "export")
    finally:
        listed.unlink()  # other tests share the toy
    split_of = read_splits(Path("data/vqa/splits.json"))[1]
    trained_on = frozenset(picture for picture, split in split_of.items() if split == "train")
    assert pictures_seen(adapted / "export/merged") == trained_on | {f"{1:012x}", f"{2:012x}"}
    merged = Blip2ForConditionalGeneration.from_pretrained(adapted / "export/merged").eval()
    processor = Blip2Processor.from_pretrained(adapted / "export/merged")
    beside = Blip2ForConditionalGeneration.from_pretrained(settings.model.name, dtype=torch.float32).eval()
    PeftModel.from_pretrained(beside.language_model, adapted / "export/adapter").merge_and_unload()
    for row in read_rows(Path("data/predictions/lora.csv"), ("generated_answer",))[:12]:
        image = load_image(image_path(settings.data.root, row["image_name"]))
        text = settings.model.prompt.format(question=row["question"])
        inputs = processor(images=image, text=text, return_tensors="pt")
        for model in (merged, beside):
            ids = model.generate(**inputs, max_new_tokens=settings.decoding.max_new_tokens, do_sample=False)
            prompt = inputs["input_ids"].shape[1]
            said = processor.tokenizer.decode(ids[0, prompt:], skip_special_tokens=True)
            assert first_word(said) == row["generated_answer"]


@pytest.mark.parametrize("kind", ["merged", "adapter"])
def test_the_code_of_a_card_asks_and_says_what_the_pipeline_says(adapted: Path, kind: str) -> None:
    export.run(adapted / "export")
    settings = load_settings()
    row = read_rows(Path("data/predictions/lora.csv"), ("generated_answer",))[0]
    shutil.copy(image_path(settings.data.root, row["image_name"]), adapted / "export/lamp.jpg")
    card = (adapted / f"export/{kind}/README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    code = code.replace("What color is the lamp?", row["question"])
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=adapted / "export", capture_output=True, text=True, check=True
    ).stdout
    assert first_word(said) == row["generated_answer"]
    assert len(code.splitlines()) <= 12


def test_the_export_has_the_dtype_that_the_adapter_was_trained_beside(adapted: Path) -> None:
    made_for = adapted / "models/adapter/best/base_model.json"
    write_json(made_for, read_json(made_for) | {"dtype": "bfloat16"})  # as a GPU's `auto`
    export.run(adapted / "export")
    merged = load_file(adapted / "export/merged/model.safetensors")
    assert {weight.dtype for name, weight in merged.items() if "language_model" in name} == {torch.bfloat16}


def test_the_cards_name_scores_data_and_licence(adapted: Path) -> None:
    export.run(adapted / "export")
    metrics = json.loads(Path("metrics/evaluate.json").read_text())
    for kind in ("adapter", "merged"):
        card = (adapted / f"export/{kind}/README.md").read_text()
        assert card.startswith("---\nbase_model: ")
        assert f"{metrics['lora']['exact_match']:.1%}" in card
        assert "Amazon Berkeley Objects pictures and listings: CC BY 4.0" in card
        assert re.search(r"`data/vqa/train.csv`: SHA-256 `[0-9a-f]{64}`", card)
        assert "{" not in card.replace("{question}", "")


def test_scores_of_another_adapter_are_not_put_into_a_card(adapted: Path) -> None:
    weights = adapted / "models/adapter/best/adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(InputError, match=r"judges another models/adapter/best/adapter_model.safetensors"):
        export.run(adapted / "export")
    assert not (adapted / "export").exists()

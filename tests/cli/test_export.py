"""Exporting an adapter: both formats answer as the pipeline does, and their cards say what they are."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from clone import printed_by
from stages import TO_JUDGED
from toy import toy_model, toy_processor
from toy_image_text import FAMILIES, image_text_folder
from vqa.catalogue.abo import image_path
from vqa.cli import export
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.files import content_hash, read_json, write_json
from vqa.pairs.answer_normalization import first_word
from vqa.settings import load_settings
from vqa.validation.declared_splits import read_splits
from vqa.validation.splits import IMAGES_SEEN, images_seen
from vqa.vlm import attached_adapter
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")


def test_the_export_lists_the_images_it_was_made_with(adapted: Path) -> None:
    listed = Path(load_settings().model.name) / IMAGES_SEEN
    listed.write_text(f"{1:012x}\n{2:012x}\n")
    try:
        export.run(adapted / "export", pairs=0)
    finally:
        listed.unlink()  # other tests share the toy
    split_of = read_splits(Path("data/vqa/splits.json"))[1]
    trained_on = frozenset(image for image, split in split_of.items() if split == "train")
    assert images_seen(adapted / "export/merged") == trained_on | {f"{1:012x}", f"{2:012x}"}


QFORMER = {"qformer_targets": ["attention"], "train_projection": True, "dora": True}
COMBINATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "opt, biases": ("opt", {"lora": {"bias": "all", "rslora": True}}),
    "opt, Q-Former and projection": ("opt", {"lora": QFORMER, "features": {"level": "vit"}}),
    "t5, beams": ("t5", {"decoding": {"num_beams": 3}}),
    "llava, projection": ("llava", {"lora": {"train_projection": True}}),
    "paligemma": ("paligemma", {}),
    "idefics3": ("idefics3", {}),
}


def make_base(family: str, folder: Path) -> Path:
    if family in FAMILIES:
        return image_text_folder(family, folder)
    processor = toy_processor()
    toy_model(family, processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize(("family", "changes"), COMBINATIONS.values(), ids=COMBINATIONS.keys())
def test_the_code_of_both_cards_says_what_the_pipeline_says(
    family: str, changes: dict[str, Any], project: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base(family, tmp_path / "base")
    generate = {"images": 16}
    top = project(**({"model": {"name": str(base)}, "generate": generate} | changes))
    for stage in TO_JUDGED:
        stage.run()
    export.run(top / "export", pairs=4)
    settings = load_settings()
    row = read_rows(Path("data/predictions/lora.csv"), ("generated_answer",))[0]
    shutil.copy(image_path(settings.data.root, row["image_name"]), top / "export/lamp.jpg")
    cards = [(top / f"export/{kind}/README.md").read_text() for kind in ("merged", "adapter")]
    codes = [re.findall(r"```python\n(.*?)```", card, re.DOTALL)[0] for card in cards]
    for card, code in zip(cards, codes, strict=True):
        assert "4 of 4 test questions answered as by the pipeline, by transformers " in card
        assert len(code.splitlines()) <= 17
    for code in codes:
        (top / "export/card.py").write_text(code.replace("What color is the lamp?", row["question"]))
        (said,) = printed_by(top / "export/card.py", forks=family != "t5").splitlines()
        assert first_word(said) == row["generated_answer"]


@pytest.mark.usefixtures("forks")
def test_a_check_says_where_an_export_answers_otherwise_and_exits_non_zero(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export.run(adapted / "export", pairs=4)
    export.run(adapted / "export", check=True, pairs=4)
    assert capsys.readouterr().out.count("4 of 4 test questions answered as by the pipeline") == 4
    weights = adapted / "export/adapter/adapter_model.safetensors"
    noise = {name: torch.randn_like(tensor) for name, tensor in load_file(weights).items()}
    save_file(noise, weights)
    with pytest.raises(InputError, match=r"adapter: [0-3] of 4 .* here, .* in the pipeline"):
        export.run(adapted / "export", check=True, pairs=4)
    with pytest.raises(InputError, match="is not there; run python src export --out"):
        export.run(adapted / "elsewhere", check=True)


def test_the_export_has_the_dtype_that_the_adapter_was_trained_beside(adapted: Path) -> None:
    made_for = adapted / "models/adapter/best/base_model.json"
    write_json(made_for, read_json(made_for) | {"dtype": "bfloat16"})  # as a GPU's `auto`
    export.run(adapted / "export", pairs=0)
    merged = load_file(adapted / "export/merged/model.safetensors")
    assert {weight.dtype for name, weight in merged.items() if "language_model" in name} == {torch.bfloat16}


def test_the_cards_name_scores_data_and_licence(adapted: Path) -> None:
    export.run(adapted / "export", pairs=0)
    metrics = json.loads(Path("metrics/evaluate.json").read_text())
    for kind in ("adapter", "merged"):
        card = (adapted / f"export/{kind}/README.md").read_text()
        assert card.startswith("---\nbase_model: ")
        assert f"{metrics['lora']['exact_match']:.1%}" in card
        assert "Amazon Berkeley Objects images and listings: CC BY 4.0" in card
        assert re.search(r"`data/vqa/train.csv`: SHA-256 `[0-9a-f]{64}`", card)
        assert "{{" not in card
        assert "{%" not in card


def test_scores_of_another_adapter_are_not_put_into_a_card(adapted: Path) -> None:
    weights = adapted / "models/adapter/best/adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(InputError, match=r"evaluates another models/adapter/best/adapter_model.safetensors"):
        export.run(adapted / "export", pairs=0)
    assert not (adapted / "export").exists()


def test_a_folder_that_holds_something_else_is_not_replaced(project: Callable[..., Path]) -> None:
    top = project()
    mine = top / "models/adapter-mine/adapter_config.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("{}")
    with pytest.raises(InputError, match=r"models holds .*, which would be lost; .* --out FOLDER"):
        export.run(Path("models"))
    assert mine.is_file()


def test_an_adapter_of_the_old_form_leaves_with_the_names_of_the_whole_model(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = adapted / "models/adapter/best"
    settings = load_settings()
    live = Pretrained.of(settings.model).load_answer_model(settings.model.prompt, CPU, "qformer")
    attached = attached_adapter.AttachedAdapter(live, best)
    assert attached.has_qformer is False
    live.language_model.save_pretrained(best, save_embedding_layers=False)  # as it was until November 2026
    details = adapted / "metrics/details.json"
    evaluated = {name: content_hash(Path(name)) for name in read_json(details)["evaluated"]}
    write_json(details, read_json(details) | {"evaluated": evaluated})
    export.run(adapted / "export", pairs=4)
    assert capsys.readouterr().out.count("4 of 4 test questions answered as by the pipeline") == 2
    names = load_file(adapted / "export/adapter/adapter_model.safetensors").keys()
    assert all(name.startswith("base_model.model.language_model.") for name in names)
    assert (adapted / "export/adapter/adapter_model.safetensors").stat().st_mode & 0o044


def test_an_image_that_is_not_there_stops_an_export_before_it_begins(adapted: Path) -> None:
    predictions = Path("data/predictions/lora.csv")
    first = read_rows(predictions, ("image_name",))[0]["image_name"]
    predictions.write_text(predictions.read_text().replace(first, "away.png"))
    with pytest.raises(InputError, match=r"is not there; restore it with dvc checkout, or export unchecked"):
        export.run(adapted / "export")
    assert not (adapted / "export").exists()

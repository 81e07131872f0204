"""The stages one after another on thirty drawn images and the toy model, in one process."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import answer_adapted
import answer_base
import answer_others
import cache_features
import demo
import evaluate
import generate
import measure_speed
import train
import validate
import verify
from failing import fails
from vqa.pairs.pair import read_pairs

Project = Callable[..., Path]
STAGES = [
    generate,
    validate,
    verify,
    cache_features,
    train,
    answer_base,
    answer_adapted,
    measure_speed,
    evaluate,
]


def test_a_catalogue_becomes_a_judged_adapter_without_opening_an_image_after_caching(
    project: Project, monkeypatch: pytest.MonkeyPatch, catalogue: Path
) -> None:
    folder = project()
    for stage in STAGES[: STAGES.index(train)]:
        stage.run()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an image was opened")

    monkeypatch.setattr(Image, "open", refuse)
    train.run()
    answer_base.run()
    answer_adapted.run()
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    measure_speed.run()
    evaluate.run()

    metrics = json.loads(Path("metrics/evaluate.json").read_text())
    test_pairs = read_pairs(Path("data/vqa/test.csv"))
    for system in (
        "baseline",
        "lora",
        "zero_image",
        "shuffled_image",
        "image_only",
        "question_only",
        "majority",
    ):
        assert metrics[system]["n"] == len(test_pairs)
        assert 0 <= metrics[system]["exact_match"] <= metrics[system]["contains"] <= 1
    speed = json.loads(Path("metrics/speed.json").read_text())
    assert 0 < speed["ratio_low"] <= speed["ratio"] <= speed["ratio_high"]
    assert speed["lora"]["cached_pairs_per_second"] > 0
    for which in ("best", "final"):
        assert (folder / "models/adapter" / which / "adapter_model.safetensors").is_file()
    assert not (folder / ".state/training").exists()
    plot = (folder / "metrics/plots/train/plots/metrics/loss.tsv").read_text().splitlines()
    assert plot[0] == "step\tloss"


def test_no_image_is_in_two_splits(project: Project) -> None:
    project()
    generate.run()
    validate.run()
    images = [
        {pair.image_name for pair in read_pairs(Path(f"data/vqa/{split}.csv"))}
        for split in ("train", "val", "test")
    ]
    assert sum(map(len, images)) == len(set().union(*images)) == 30


def test_a_csv_of_three_columns_is_enough_and_unusable_images_are_rejects(
    project: Project, catalogue: Path, tmp_path: Path
) -> None:
    root = tmp_path / "catalogue"
    shutil.copytree(catalogue, root)
    names = sorted(path.name for path in (root / "images/small").glob("*/*"))
    torn = root / "images/small" / names[0][:2] / names[0]
    torn.write_bytes(torn.read_bytes()[:-100])
    rows = [f"{name},What color is it?,c{name[:8]}" for name in names]
    (tmp_path / "mine.csv").write_text(
        "image_name,question,answer\n" + "\n".join(rows) + "\nff00.jpg,What?,red\n"
    )
    csv = {"annotator": "csv", "csv": str(tmp_path / "mine.csv")}
    project(data={"root": str(root)}, generate=csv)
    generate.run()
    validate.run()
    metrics = json.loads(Path("metrics/data.json").read_text())
    assert metrics["kept"] == 29
    assert metrics["rejected"] == {"image_missing": 1, "image_truncated": 1}
    missing, unreadable = Path("data/vqa/rejected.csv").read_text().splitlines()[1:]
    assert unreadable.startswith(f"{names[0]},What color is it?,c")
    assert missing.startswith("ff00.jpg,What?,red,")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def stage() -> None:
        Path("/dev/full").write_text("a")

    sentence = fails(stage, capsys)
    assert "No space left on device; mend that and run this again" in sentence


def test_a_missing_data_root_is_named(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project(data={"root": "nowhere"})
    assert "data.root is 'nowhere', but there is no such folder" in fails(generate.run, capsys)
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("image_name,question\na,b\n", "column answer is missing"), ("", "is empty")],
)
def test_a_bad_csv_is_named(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, sentence: str
) -> None:
    (tmp_path / "mine.csv").write_text(content)
    folder = project(generate={"annotator": "csv", "csv": "mine.csv"})
    assert f"mine.csv: {sentence}" in fails(generate.run, capsys).replace("mine.csv is", "mine.csv: is")
    assert not (folder / "data").exists()


def test_bad_params_stop_every_stage(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project(lora={"r": 0})
    for stage in STAGES:
        assert "params.yaml: lora.r is 0" in fails(stage.run, capsys)


def test_a_model_folder_that_is_not_blip2_and_foreign_features_are_named(
    project: Project, tmp_path: Path, toy_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project(lora={"targets": ["gate_proj"]})
    for stage in STAGES[: STAGES.index(train)]:
        stage.run()
    sentence = fails(train.run, capsys)
    assert "lora.targets has 'gate_proj', which matches nothing" in sentence
    assert not Path("models").exists()

    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "bert"}')
    project(model={"name": str(other)})
    assert "a bert model, and it answers no questions about images" in fails(cache_features.run, capsys)

    for path in toy_folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert "data/features was made by" in fails(train.run, capsys)
    assert not Path("models").exists()


def test_too_few_images_to_split_are_named(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project(generate={"images": 1})
    generate.run()
    assert "no pair is left for the" in fails(validate.run, capsys)
    assert not Path("data/vqa/train.csv").exists()


def test_nothing_is_drawn_for_a_catalogue_of_somebody_else(project: Project) -> None:
    folder = project(demo={"images": 3})
    demo.run()
    (note,) = (folder / "data/demo").iterdir()
    assert "data.root is " in note.read_text()

    project(demo={"images": 3}, data={"root": "./data/../data/demo"})
    demo.run()
    assert len(list((folder / "data/demo").glob("images/small/*/*.jpg"))) == 3


def test_an_out_is_never_empty_since_dvc_warns_of_that(project: Project) -> None:
    folder = project()
    generate.run()
    validate.run()
    answer_others.run()
    (names,) = (folder / "data/predictions/others").iterdir()
    assert json.loads(names.read_text()) == []

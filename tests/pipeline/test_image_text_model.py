"""Every stage and tool with each family that has the seam, from a folder, at toy size."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoConfig

import measure_speed
from commands import served
from stages import TO_JUDGED
from toy_image_text import FAMILIES, image_text_folder
from vqa.catalogue.abo import image_path
from vqa.catalogue.images import load_image
from vqa.cli import ask, export
from vqa.core.csv_tables import read_rows
from vqa.core.files import read_json
from vqa.features.store import FeatureStore
from vqa.inference.answerer import Answerer
from vqa.settings import load_settings
from vqa.vlm.families import find_family
from vqa.vlm.generation import ZeroImages
from vqa.vlm.loading import Pretrained

Project = Callable[..., Path]
CPU = torch.device("cpu")
ADAPTER = Path("models/adapter/best")
PREDICTIONS = Path("data/predictions")


@pytest.fixture(scope="module", params=FAMILIES)
def toy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a toy of the family."""
    return image_text_folder(request.param, tmp_path_factory.mktemp("family") / "toy")


@pytest.fixture
def evaluated(toy: Path, project_after: Project) -> Path:
    """A project whose pipeline has run with the toy."""
    changes = {"micro_batch_size": 2, "learning_rate": 3e-4}
    return project_after(TO_JUDGED, model={"name": str(toy)}, lora={"r": 4}, train=changes)


def test_stages_and_tools_run_and_agree(evaluated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_settings()
    lora = read_rows(PREDICTIONS / "lora.csv", ("generated_answer",))
    views = {name: _answers(name) for name in ("baseline", "lora", "zero_image", "shuffled_image")}
    assert len({tuple(answers) for answers in views.values()}) == len(views)  # none is another's
    assert 0 < read_json(Path("metrics/train.json"))["trainable_share"] < 1
    assert 0 <= read_json(Path("metrics/evaluate.json"))["lora"]["exact_match"] <= 1

    measure_speed.run()
    assert read_json(Path("metrics/speed.json"))["lora"]["images_per_second"] > 0

    store = FeatureStore(Path("data/features"), Pretrained(settings.model.name).identity(CPU), "qformer")
    names = sorted({row["image_name"] for row in lora})[:5]
    images = [load_image(image_path(settings.data.root, name)) for name in names]
    for look, kept in zip(Answerer(settings, CPU, None).features(images), store.rows(names), strict=True):
        assert torch.equal(look.rows, kept.rows)
        assert look.grid == kept.grid
    assert all(not look.rows.any() for look in ZeroImages(store).rows(names))

    # What looks at images itself says what was said from cached features.
    paths = [image_path(settings.data.root, row["image_name"]) for row in lora]
    asked = [(path, row["question"]) for path, row in zip(paths, lora, strict=True)]
    capsys.readouterr()
    ask.ask(asked[:6], [], None, 1, ADAPTER)
    for line, row in zip(capsys.readouterr().out.splitlines(), lora, strict=False):
        assert f"  {row['generated_answer'].lower()} " in line.lower()

    shown = Answerer(settings, CPU, ADAPTER, is_switched=True)
    features = shown.features([load_image(paths[0])])
    content = base64.b64encode(paths[0].read_bytes()).decode()
    with served() as post:
        said = post({"image": content, "question": asked[0][1], "adapter": ADAPTER.as_posix()})
    for name, answers in said.items():
        (ours,) = shown.answers(features, [asked[0][1]], 3, is_adapted=name == "adapted")
        assert [answer["word"] for answer in answers] == [answer.word for answer in ours]
    assert list(said) == ["base", "adapted"]
    assert said["base"] != said["adapted"]


def _answers(name: str) -> list[str]:
    return [row["generated_answer"] for row in read_rows(PREDICTIONS / f"{name}.csv", ("generated_answer",))]


@pytest.mark.usefixtures("forks")
def test_the_export_is_a_plain_folder_of_the_family_and_answers_alike(evaluated: Path) -> None:
    export.run(evaluated / "export")
    settings = load_settings()
    folder = evaluated / "export/merged"
    merged = Pretrained(str(folder))
    merged.check()
    answers = merged.load_answer_model(settings.model.prompt, CPU, "qformer")
    store = FeatureStore(Path("data/features"), Pretrained(settings.model.name).identity(CPU), "qformer")
    rows = read_rows(PREDICTIONS / "lora.csv", ("generated_answer",))[:8]
    features = store.rows([row["image_name"] for row in rows])
    new = settings.decoding.max_new_tokens
    adapted = Answerer(settings, CPU, ADAPTER)._model
    questions = [row["question"] for row in rows]
    assert answers.texts(questions, features, new) == adapted.texts(questions, features, new)

    config = AutoConfig.from_pretrained(folder)
    card = (folder / "README.md").read_text()
    assert f"# {config.model_type} for one-word answers" in card
    assert f"- {config.model_type}\n" in card.split("---")[1]
    assert 'pipeline("image-text-to-text", model="merged")' in card
    assert "BLIP-2" not in card
    family = find_family(config, "toy")
    attached: Any = family.model_class.from_pretrained(settings.model.name).eval()
    attached = PeftModel.from_pretrained(attached, str(evaluated / "export/adapter")).merge_and_unload()
    plain = family.model_class.from_pretrained(folder).state_dict()
    for name, weight in attached.state_dict().items():
        torch.testing.assert_close(weight, plain[name], atol=1e-5, rtol=1e-5)

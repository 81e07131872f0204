"""Models by hub id from the hub's own cache, offline: today's layout and that from before November 2024."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file

import answer_base
import cache_features
import generate
import train
import validate
import verify
from commands import contents
from failing import fails
from vqa.core.errors import InputError
from vqa.core.files import read_json, write_json
from vqa.features.store import FeatureStore
from vqa.settings import load_settings
from vqa.vlm.loading import Pretrained

Project = Callable[..., Path]
Publish = Callable[..., None]
CPU = torch.device("cpu")
HUB_ID = "somebody/blip2-toy"
COMMITS = [letter * 40 for letter in "abc"]


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Put a folder's files into the hub's cache as a commit of HUB_ID, which becomes its newest."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / f"models--{HUB_ID.replace('/', '--')}"

    def commit(folder: Path, name: str = COMMITS[0]) -> None:
        shutil.copytree(folder, repository / "snapshots" / name)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs/main").write_text(name)

    return commit


def as_before_november_2024(folder: Path, to: Path) -> Path:
    """The same model as the hub held it then: nothing said of the image token, pixels in a file of their
    own."""
    shutil.copytree(folder, to)
    config = read_json(to / "config.json")
    del config["image_token_index"]
    write_json(
        to / "config.json", config | {"torch_dtype": config.pop("dtype"), "transformers_version": "4.27"}
    )
    processor = read_json(to / "processor_config.json")
    write_json(
        to / "preprocessor_config.json", processor["image_processor"] | {"processor_class": "Blip2Processor"}
    )
    (to / "processor_config.json").unlink()
    tokenizer = read_json(to / "tokenizer.json")
    tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["content"] != "<image>"]
    (to / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = read_json(to / "tokenizer_config.json")
    write_json(to / "tokenizer_config.json", {k: v for k, v in settings.items() if "special_tokens" not in k})
    return to


def answered() -> dict[str, bytes]:
    for stage in (cache_features, train, answer_base):
        stage.run()
    predictions = Path("data/predictions/baseline.csv").read_bytes()
    return {"predictions": predictions, **contents(Path("models/adapter/best"))}


@pytest.mark.parametrize("layout", ["today's", "before November 2024"])
def test_a_hub_id_answers_as_its_own_download_does_whose_features_it_takes_over(
    project: Project, toy_folder: Path, tmp_path: Path, publish: Publish, layout: str
) -> None:
    old = layout == "before November 2024"
    folder = as_before_november_2024(toy_folder, tmp_path / "old") if old else toy_folder
    publish(folder)
    project()
    generate.run()
    validate.run()
    verify.run()
    from_folder = answered()
    project(model={"name": HUB_ID})
    from_hub = answered()
    assert read_json(Path("metrics/features.json"))["computed"] == 0
    assert read_json(Path("metrics/features.json"))["model"]["commit"] == COMMITS[0]
    assert from_hub["predictions"] == from_folder["predictions"]
    assert from_hub["adapter_model.safetensors"] == from_folder["adapter_model.safetensors"]


def test_a_killed_run_goes_on_though_the_model_has_another_name_or_commit_now(
    project: Project, toy_folder: Path, tmp_path: Path, publish: Publish
) -> None:
    publish(toy_folder)
    project(train={"images": 4})
    for stage in (generate, validate, verify, cache_features):
        stage.run()
    begun = set()
    for name, revision in (
        (str(toy_folder), None),
        (f"{toy_folder}/", None),
        (HUB_ID, None),
        (HUB_ID, COMMITS[0]),
    ):
        project(train={"images": 4}, model={"name": name, "revision": revision})
        settings = load_settings()
        identity = Pretrained.of(settings.model).identity(CPU)
        store = FeatureStore(Path("data/features"), identity, "qformer")
        begun.add(json.dumps(train._run(settings, identity, store.key, None), sort_keys=True))
    assert len(begun) == 1


def test_a_new_readme_stops_nothing_and_new_weights_are_named_with_the_way_back(
    project: Project, toy_folder: Path, tmp_path: Path, publish: Publish, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(toy_folder)
    project(model={"name": HUB_ID})
    for stage in (generate, validate, verify, cache_features):
        stage.run()
    changed = tmp_path / "changed"
    shutil.copytree(toy_folder, changed)
    (changed / "README.md").write_text("# Another card")
    publish(changed, COMMITS[1])
    answer_base.run()
    weights = load_file(changed / "model.safetensors")
    save_file(
        {n: w + 1 if n == "query_tokens" else w for n, w in weights.items()}, changed / "model.safetensors"
    )
    publish(changed, COMMITS[2])
    sentence = fails(answer_base.run, capsys)
    assert f"set model.revision to {COMMITS[0]}, or run dvc repro --force --single-item" in sentence
    project(model={"name": HUB_ID, "revision": COMMITS[0]})
    answer_base.run()


def test_a_hub_id_that_is_not_there_is_named(publish: Publish) -> None:
    with pytest.raises(InputError, match=r"model\.name is 'no/where', but no model can be read there"):
        Pretrained("no/where").identity(CPU)


def test_the_same_model_under_another_spelling_is_the_same(toy_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(toy_folder)
    names = [str(toy_folder), f"{toy_folder}/", str(tmp_path / "link"), f"{toy_folder}/../{toy_folder.name}"]
    found = [Pretrained(name).identity(CPU) for name in names]
    assert len({(identity["fingerprint"], identity["processor"]) for identity in found}) == 1


def test_the_dtype_in_use_is_part_of_what_made_a_row() -> None:
    tiny = "models/blip2-tiny"
    root = Path(__file__).parents[2]
    automatic = Pretrained(str(root / tiny)).identity(CPU)
    assert automatic["dtype"] == "float32"
    assert Pretrained(str(root / tiny), dtype="bfloat16").identity(CPU)["dtype"] == "bfloat16"

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from paths import ROOT
from vqa.core.errors import InputError
from vqa.overlays import merged, read_layer, read_yaml
from vqa.pairs.question_types import TOPICS
from vqa.settings import build_settings, load_settings


def merge_params(tmp_path: Path, block: str, **values: object) -> Path:
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["model"] |= dict.fromkeys(("name", "dvc_dep"), str(ROOT / "models/blip2-tiny"))
    params.setdefault(block, {}).update(values)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    return path


def test_the_committed_params_are_valid_and_hold_the_report_s_adapter() -> None:
    lora = load_settings(ROOT / "params.yaml").lora
    assert (lora.r, lora.alpha, lora.dropout, lora.targets) == (16, 32, 0.05, ["attention", "mlp"])


def test_no_topic_that_images_do_not_show_is_forgotten_in_the_committed_params() -> None:
    assert set(load_settings(ROOT / "params.yaml").validate.not_visible) == set(TOPICS)


def test_yaml_is_read_as_dvc_reads_it(tmp_path: Path) -> None:
    """A number with an exponent is one, and `no`, of which DVC drops the quotes, stays a language."""
    path = merge_params(tmp_path, "train")
    text = path.read_text().replace("languages:\n  - en_US", "languages:\n  - no")
    path.write_text(re.sub(r"learning_rate: .*", "learning_rate: 1e-4", text))
    settings = load_settings(path)
    assert settings.train.learning_rate == 1e-4
    assert settings.generate.languages[0] == "no"


@pytest.mark.parametrize(
    ("block", "values", "sentence"),
    [
        ("lora", {"r": 0}, "lora.r is 0: input should be greater than or equal to 1"),
        ("lora", {"r": "many"}, "lora.r is 'many': input should be a valid integer"),
        ("lora", {"rank": 8}, "unknown key lora.rank; remove it"),
        ("train", {"learning_rat": 8}, "unknown key train.learning_rat; did you mean train.learning_rate?"),
        ("lora", {"targets": []}, "lora.targets is"),
        (
            "generate",
            {"languages": ["en", False]},
            "generate.languages.1 is False: input should be a valid string; a program that reads YAML",
        ),
        ("model", {"prompt": "Answer:"}, "model.prompt is 'Answer:': it must contain {question}"),
        ("generate", {"annotator": "oracle"}, "generate.annotator is 'oracle': input should be 'metadata'"),
        (
            "model",
            {"prompt": '{"q": "{question}"}'},
            'model.prompt is \'{"q": "{question}"}\': only {question} may',
        ),
        (
            "generate",
            {"thinking": False},
            "generate.thinking is False: it must be minimal, low, medium, high, a number of tokens or null",
        ),
        *(
            ("generate", {"api_endpoint": url}, f"generate.api_endpoint is {url!r}: it must be a URL such as")
            for url in (
                "localhost:8080",
                "http://[::1",
                "",
                "https://",
                "ftp://host",
                "http://a b",
                "http://h:x",
            )
        ),
        ("generate", {"thinking": "max"}, "generate.thinking is 'max': it must be minimal, low"),
        ("generate", {"service_tier": "priority"}, "generate.service_tier is 'priority': input should be"),
        (
            "validate",
            {"not_visible": ["brand", "colour"]},
            "validate.not_visible.1 is 'colour': it must be one of brand, price, dimensions",
        ),
        ("validate", {"test_share": 0.6, "val_share": 0.5}, "validate is"),
        ("validate", {"test_share": 1.5}, "validate.test_share is 1.5: input should be less than 1"),
        (
            "zero_shot",
            {"models": [{"name": "a"}]},
            "zero_shot.models.0 is {'name': 'a'}: it must be a model's name, or name, regions and answers of",
        ),
        ("data", {"root": 3}, "data.root is 3: it must be a path"),
        (
            "model",
            {"revision": date(2024, 1, 31)},
            "model.revision is datetime.date(2024, 1, 31): input should be a valid string; YAML takes it for",
        ),
        ("trian", {"epochs": 3}, "unknown key trian; did you mean train?"),
    ],
)
def test_bad_params_give_one_sentence_with_file_and_key(
    tmp_path: Path, block: str, values: dict[str, object], sentence: str
) -> None:
    path = merge_params(tmp_path, block, **values)
    with pytest.raises(InputError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")
    assert "\n" not in str(caught.value)


def test_no_number_and_no_boolean_may_be_given_as_text() -> None:
    path = ROOT / "params.yaml"
    settings = read_yaml(path.read_text())
    given = [(b, k, v) for b, keys in settings.items() for k, v in keys.items() if isinstance(v, int | float)]
    assert len(given) > 40
    wrong = [(block, key, str(value)) for block, key, value in given] + [("lora", "dora", 1)]
    for block, key, value in wrong:
        layer = path, settings | {block: settings[block] | {key: value}}
        with pytest.raises(InputError, match=rf"{block}\.{key} is {value!r}: i(nput should be|t must be)"):
            build_settings([layer])


def test_a_missing_key_a_missing_file_and_broken_yaml_are_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    with pytest.raises(InputError, match="is missing; run from the top folder"):
        load_settings(path)
    path.write_text("lora: [")
    with pytest.raises(InputError, match="is not YAML"):
        load_settings(path)
    path.write_text("lora: {}")
    with pytest.raises(InputError, match=r"params\.yaml: run is missing; add it"):
        load_settings(path)


PRESETS = sorted((ROOT / "configs/presets").glob("*.yaml"))


@pytest.mark.parametrize("file", PRESETS, ids=lambda file: file.stem)
def test_ready_made_settings_are_valid_and_hold_only_what_they_change(file: Path) -> None:
    below = [ROOT / "params.yaml", *([file.with_stem("photos")] if file.stem == "blip2-smollm2" else [])]
    load_settings(*below, file)
    default, changes = merged([read_layer(path) for path in below]), read_yaml(file.read_text())
    same = [f"{b}.{k}" for b, keys in changes.items() for k, value in keys.items() if value == default[b][k]]
    assert same == []


def test_the_published_models_are_run_with_the_same_settings() -> None:
    names = {"blip2-opt-2.7b", "blip2-opt-6.7b", "blip2-flan-t5-xl", "blip2-flan-t5-xxl"}
    files = [[ROOT / f"configs/presets/{file}.yaml" for file in ("abo", name)] for name in sorted(names)]
    published = [load_settings(ROOT / "params.yaml", *of_model) for of_model in files]
    assert {settings.model.name for settings in published} == {f"Salesforce/{name}" for name in names}
    assert len({str(replace(settings, model=published[0].model)) for settings in published}) == 1
    assert published[0].train.learning_rate == 1e-4  # the report's


def test_no_two_files_of_models_say_the_same_of_the_data() -> None:
    """One file says which data, each of the others which model: so no two of them can drift."""
    for file in PRESETS:
        blocks = set(read_yaml(file.read_text()))
        if file.stem not in {"abo", "ci", "photos"}:
            assert blocks <= {"model", "features", "lora", "train", "decoding"}, file.name
    abo = load_settings(ROOT / "params.yaml", ROOT / "configs/presets/abo.yaml")
    assert (abo.data.root, abo.generate.annotator) == (Path("data/abo.yaml"), "gemini")


def test_of_two_files_that_change_a_key_the_later_holds_and_the_rest_stays(tmp_path: Path) -> None:
    path, default = merge_params(tmp_path, "run"), load_settings(ROOT / "params.yaml")
    (tmp_path / "a.yaml").write_text("lora: {r: 8, alpha: 8}\ntrain: {epochs: 9}")
    (tmp_path / "b.yaml").write_text("lora: {r: 4}")
    found = load_settings(path, tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert found.lora == replace(default.lora, r=4, alpha=8)
    assert (found.train, found.data) == (replace(default.train, epochs=9), default.data)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ("lora: {alph: 8}", "unknown key lora.alph; did you mean lora.alpha?"),
        ("lra: {r: 8}", "unknown key lra; did you mean lora?"),
        ("lora: {r: 0}", "lora.r is 0: input should be greater than or equal to 1"),
        ("lora: 8", "lora is 8: it must be a block of keys and values"),
        ("[lora]", "holds no settings; give blocks of keys and values"),
        ("# nothing", "holds no settings; give blocks of keys and values"),
    ],
)
def test_what_is_wrong_in_a_file_of_changes_is_named_with_that_file(
    tmp_path: Path, changes: str, sentence: str
) -> None:
    path, wrong, right = merge_params(tmp_path, "run"), tmp_path / "wrong.yaml", tmp_path / "right.yaml"
    wrong.write_text(changes)
    right.write_text("train: {epochs: 1}")
    with pytest.raises(InputError) as caught:
        load_settings(path, wrong, right)
    assert re.match(rf"{wrong}:? {re.escape(sentence)}", str(caught.value))


@pytest.mark.parametrize(
    ("name", "dvc_dep", "sentence"),
    [
        (
            "models/here",
            "models/hub.txt",
            "model.dvc_dep is 'models/hub.txt', but model.name is the folder 'models/here'; set it to that",
        ),
        ("models/here", "models/other", "model.dvc_dep is 'models/other', but model.name is the folder"),
        (
            "Salesforce/blip2-opt-2.7b",
            "models/here",
            "model.name is 'Salesforce/blip2-opt-2.7b', which is no folder here; mend it, or if it is a hub "
            "id set model.dvc_dep to models/hub.txt",
        ),
        ("models/gone", "models/gone", "model.name is 'models/gone', which is no folder here; mend it"),
    ],
)
def test_dvc_watches_the_model_that_is_used(tmp_path: Path, name: str, dvc_dep: str, sentence: str) -> None:
    (tmp_path / "models/here").mkdir(parents=True)
    (tmp_path / "models/other").mkdir()
    path = merge_params(tmp_path, "model", name=name, dvc_dep=dvc_dep)
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}: {sentence}')}"):
        load_settings(path)
    load_settings(merge_params(tmp_path, "model", name="models/here", dvc_dep="models/here"))
    load_settings(merge_params(tmp_path, "model", name="Salesforce/blip2-opt-2.7b", dvc_dep="models/hub.txt"))


def test_every_key_has_a_comment_or_a_name_that_needs_none() -> None:
    bare = re.findall(r"^  (\w+): [^#\n]*$", (ROOT / "params.yaml").read_text(), re.MULTILINE)
    assert set(bare) <= {
        *(
            "seed",
            "prompt",
            "english_only",
            "dropout",
            "epochs",
            "bootstrap_draws",
        ),
        "tokens_per_minute",
    }

import re
import shutil
from pathlib import Path

import pytest
import yaml

import switch
from clone import git
from conftest import ROOT
from vqa.foundation.errors import InputError
from vqa.settings import load_settings


def params_with(tmp_path: Path, block: str, **values: object) -> Path:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params.setdefault(block, {}).update(values)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    return path


def test_the_committed_params_are_valid_and_hold_the_report_s_adapter() -> None:
    lora = load_settings(ROOT / "params.yaml").lora
    assert (lora.r, lora.alpha, lora.dropout, lora.targets) == (16, 32, 0.05, ["attention", "mlp"])


def test_scientific_notation_is_a_number_although_yaml_reads_text(tmp_path: Path) -> None:
    path = params_with(tmp_path, "train", learning_rate="1e-4")
    assert load_settings(path).train.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("block", "values", "sentence"),
    [
        ("lora", {"r": 0}, "lora.r is 0: input should be greater than or equal to 1"),
        ("lora", {"r": "many"}, "lora.r is 'many': input should be a valid integer"),
        ("lora", {"rank": 8}, "unknown key lora.rank; remove it"),
        ("train", {"learning_rat": 8}, "unknown key train.learning_rat; did you mean train.learning_rate?"),
        ("lora", {"targets": []}, "lora.targets is"),
        ("model", {"prompt": "Answer:"}, "model.prompt is 'Answer:': it must contain {question}"),
        ("generate", {"annotator": "oracle"}, "generate.annotator is 'oracle': input should be 'metadata'"),
        (
            "model",
            {"prompt": '{"q": "{question}"}'},
            'model.prompt is \'{"q": "{question}"}\': only {question} may',
        ),
        (
            "generate",
            {"thinking": False},  # as YAML reads "off"
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
        ("validate", {"test_share": 0.6, "val_share": 0.5}, "validate is"),
        ("train", {"group_by_length": True, "pairs_together": 2}, "train is"),
        ("validate", {"test_share": 1.5}, "validate.test_share is 1.5: input should be less than 1"),
        ("trian", {"epochs": 3}, "unknown key trian; did you mean train?"),
    ],
)
def test_bad_params_give_one_sentence_with_file_and_key(
    tmp_path: Path, block: str, values: dict[str, object], sentence: str
) -> None:
    path = params_with(tmp_path, block, **values)
    with pytest.raises(InputError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")
    assert "\n" not in str(caught.value)


def test_a_missing_key_a_missing_file_and_broken_yaml_are_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    with pytest.raises(InputError, match="is missing; run from the top folder"):
        load_settings(path)
    path.write_text("lora: [")
    with pytest.raises(InputError, match="is not YAML"):
        load_settings(path)
    path.write_text("lora: {}")
    with pytest.raises(InputError, match="run is missing; add it"):
        load_settings(path)


PUBLISHED = {
    "data.root": "data/abo",
    "generate.annotator": "gemini",
    "generate.images": 1000,
    "features.batch_size": 64,
    "features.workers": 4,
    "features.dtype": "bfloat16",
    "train.learning_rate": "1e-4",
    "evaluate.max_new_tokens": 4,
    "evaluate.scorer": "roberta-large",
}
DIFFERENT = {
    **{
        name: {**PUBLISHED, "model.name": f"Salesforce/{name}"}
        for name in ("blip2-opt-2.7b", "blip2-opt-6.7b", "blip2-flan-t5-xl", "blip2-flan-t5-xxl")
    },
    "ci": {
        "demo.images": 200,
        "train.epochs": 1,
        "evaluate.bootstrap_draws": 1000,
        "evaluate.speed_images": 16,
    },
    "photos": {
        "data.root": "data/photos",
        "generate.annotator": "csv",
        "generate.csv": "data/pairs/photos.csv",
        "validate.val_share": 0.05,
        "validate.test_share": 0.2,
        "model.name": "models/blip2-small",
        "lora.r": 64,
        "lora.alpha": 64,
        "lora.dropout": 0.1,
        "train.epochs": 10,
        "train.batch_size": 16,
        "train.micro_batch_size": 16,
        "train.learning_rate": "7e-4",
    },
}


def keys_of(path: Path) -> dict[str, object]:
    blocks = yaml.safe_load(path.read_text())
    return {f"{block}.{key}": value for block, values in blocks.items() for key, value in values.items()}


@pytest.mark.parametrize("file", sorted((ROOT / "params").glob("*.yaml")), ids=lambda file: file.stem)
def test_ready_made_settings_are_valid_and_differ_only_where_they_mean_to(file: Path) -> None:
    load_settings(file)
    default, ready_made = keys_of(ROOT / "params.yaml"), keys_of(file)
    assert list(ready_made) == list(default)
    assert {k: v for k, v in ready_made.items() if v != default[k]} == DIFFERENT[file.stem]


def test_every_key_has_a_comment_or_a_name_that_needs_none() -> None:
    bare = re.findall(r"^  (\w+): [^#\n]*$", (ROOT / "params.yaml").read_text(), re.MULTILINE)
    assert set(bare) <= {
        *(
            "seed",
            "prompt",
            "english_only",
            "dropout",
            "temperature",
            "epochs",
            "max_grad_norm",
            "bootstrap_draws",
        ),
        *("usd_per_million_output_tokens", "tokens_per_minute"),
    }


def test_switching_is_seen_in_git_and_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "params", tmp_path / "params")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "start")
    switch.run("blip2-opt-2.7b")
    assert load_settings().model.name == "Salesforce/blip2-opt-2.7b"
    assert "params.yaml" in git(tmp_path, "diff", "--name-only")
    switch.run("ci")  # from one ready-made file to another
    with Path("params.yaml").open("a") as file:
        file.write("# mine\n")
    with pytest.raises(InputError, match=r"params\.yaml has changes that are not committed"):
        switch.run("photos")
    assert Path("params.yaml").read_text().endswith("# mine\n")
    with pytest.raises(
        InputError, match=r"params/nothing\.yaml is missing; there are blip2-flan-t5-xl, .*photos"
    ):
        switch.run("nothing")
    Path("params/photos.yaml").write_text("lora: {}")
    git(tmp_path, "checkout", "-q", "params.yaml")
    with pytest.raises(InputError, match="run is missing"):
        switch.run("photos")

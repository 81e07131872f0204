from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from vqa.errors import InputError
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
        ("validate", {"test_share": 0.6, "val_share": 0.5}, "validate is"),
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

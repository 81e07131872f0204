"""dvc.yaml says exactly what the code does: modules imported, params read, files written."""

import importlib
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import TypeAdapter

from contract import SRC, local_modules, params_read
from paths import ROOT
from vqa.overlays import read_yaml
from vqa.settings import Generate, Settings, load_settings

DVC = read_yaml((ROOT / "dvc.yaml").read_text())
PRESETS = sorted((ROOT / "configs/presets").glob("*.yaml"))
STAGES: dict[str, dict[str, Any]] = DVC["stages"]
SETTINGS = "src/vqa/settings.py"  # listed by no stage: its values are
SHARED_OUT = ("cache_features", "train", "answer_base", "answer_adapted", "answer_others")  # among processes


def outs(stage: dict[str, Any]) -> set[str]:
    listed = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
    return {next(iter(out)) if isinstance(out, dict) else out for out in listed}


def paths_in(stage: str) -> set[str]:
    """The Path constants of the stage's module, also those in tables."""
    constants = vars(importlib.import_module(stage))
    tables = [value for name, value in constants.items() if name.isupper() and isinstance(value, dict)]
    found = [*constants.values(), *(value for table in tables for value in table.values())]
    return {value.as_posix() for value in found if isinstance(value, Path)}


def neutral(stage: str) -> tuple[str, ...]:
    """Settings that the stage's code reads, although they decide nothing of its outs."""
    keys: tuple[str, ...] = getattr(importlib.import_module(stage), "NEUTRAL", ())
    return keys


def test_the_stages_are_the_pipeline_in_order() -> None:
    assert list(STAGES) == [
        "demo",
        "generate",
        "validate",
        "verify",
        "cache_features",
        "train",
        "answer_base",
        "answer_adapted",
        "answer_others",
        "measure_speed",
        "evaluate",
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_the_modules_the_stage_imports_and_no_others(stage: str) -> None:
    listed = {dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")}
    used = local_modules(SRC / f"{stage}.py") - {SETTINGS}
    covers = {dep: {file for file in used if dep in (file, Path(file).parent.as_posix())} for dep in listed}
    assert used - set().union(*covers.values()) == set()
    assert [dep for dep, files in covers.items() if not files] == []
    assert all((ROOT / dep / "__init__.py").is_file() for dep in listed if not Path(dep).suffix)
    launcher = "${run.launcher}" if stage in SHARED_OUT else "python"
    assert STAGES[stage]["cmd"] == f"{launcher} src/{stage}.py"


@pytest.mark.parametrize("overlays", [[], *([path] for path in PRESETS)])
def test_settings_hold_what_params_say_and_nothing_else(overlays: list[Path]) -> None:
    """Why no stage lists settings.py: dvc.yaml's params track every value that comes out of it."""
    content = read_yaml((ROOT / "params.yaml").read_text())
    for path in overlays:
        for block, values in read_yaml(path.read_text()).items():
            content[block] |= values
    settings = load_settings(ROOT / "params.yaml", *overlays)
    assert TypeAdapter(Settings).dump_python(settings, mode="json") == content


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_those_the_stage_reads(stage: str) -> None:
    assert set(STAGES[stage]["params"]) == params_read(SRC / f"{stage}.py", neutral(stage))


def test_every_param_is_read_by_some_stage() -> None:
    params = read_yaml((ROOT / "params.yaml").read_text())
    listed = {key for stage in STAGES.values() for key in stage["params"]}
    listed |= {key for stage in STAGES for key in neutral(stage)}
    unread = [
        f"{block}.{key}"
        for block, keys in params.items()
        for key in keys
        if block not in {*listed, "run"} and f"{block}.{key}" not in listed  # run: how dvc.yaml starts them
    ]
    assert unread == []


@pytest.mark.parametrize("stage", STAGES)
def test_outs_and_data_deps_are_the_paths_of_the_code(stage: str) -> None:
    written = outs(STAGES[stage])
    read = {dep for dep in STAGES[stage]["deps"] if not dep.startswith("src/") and "${" not in dep}
    known = paths_in(stage)
    for path in written | read:
        parents = {path, *(parent.as_posix() for parent in Path(path).parents)}
        inside = {constant for constant in known if constant.startswith(path + "/")}
        assert parents & known or inside, f"{path} is in dvc.yaml but not in src/{stage}.py"
    # A file that a setting chooses, in a folder of which the code knows which it is.
    read |= {dep.partition("/$")[0] for dep in STAGES[stage]["deps"] if "/${" in dep}
    for constant in known - {"data/vqa"}:
        covered = {constant, *(parent.as_posix() for parent in Path(constant).parents)}
        inside = {path for path in written if path.startswith(constant + "/")}
        assert covered & (written | read) or inside, f"{constant} is in src/{stage}.py but not in dvc.yaml"


def test_metrics_are_kept_by_git_and_artifacts_are_outs() -> None:
    for stage in STAGES.values():
        for metric in stage.get("metrics", []):
            assert next(iter(metric.values()))["cache"] is False
    all_outs = set().union(*(outs(stage) for stage in STAGES.values()))
    for artifact in DVC["artifacts"].values():
        assert Path(artifact["path"]).parent.as_posix() in all_outs


def test_dvc_leaves_to_a_stage_what_it_keeps_hand_edits_of() -> None:
    guarded = {
        "generate": {"data/vqa/generated.csv"},
        "validate": {f"data/vqa/{name}.csv" for name in ("train", "val", "test", "rejected")},
        "verify": {"data/vqa/support.csv", "data/vqa/not_trained_on.csv"},
    }
    for stage, paths in guarded.items():
        decorated = re.search(
            r"@hand_edits_kept\(\n?\s*\[(.*?)\]", (SRC / f"{stage}.py").read_text(), re.DOTALL
        )
        assert decorated, stage
        listed = [out for out in STAGES[stage]["outs"] if isinstance(out, dict)]
        persisted = {path for out in listed for path, options in out.items() if options.get("persist")}
        assert paths <= persisted


def test_what_cannot_be_read_from_imports_is_listed_too() -> None:
    for stage in (
        "validate",  # its tokenizer, and the images that it was made with
        "cache_features",
        "train",
        "answer_base",
        "answer_adapted",
        "measure_speed",
    ):
        assert "${model.dvc_dep}" in STAGES[stage]["deps"]


def test_every_annotator_has_the_file_that_generate_depends_on_and_only_csv_watches_a_csv() -> None:
    folder = ROOT / "data/annotator"
    assert "data/annotator/${generate.annotator}" in STAGES["generate"]["deps"]
    watching = read_yaml((folder / "dvc.yaml").read_text())["stages"]
    assert {name: stage["deps"] for name, stage in watching.items()} == {"csv": ["${generate.csv}"]}
    assert outs(watching["csv"]) == {"data/annotator/csv"}
    annotators = get_args(get_type_hints(Generate)["annotator"])
    assert {name for name in annotators if not (folder / name).is_file()} == set()

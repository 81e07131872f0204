"""Training as it is started, killed, divided among processes, and out of memory."""

import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import generate
import train
import validate
from commands import PYTHON, TWO_PROCESSES, contents, finished, killed_at, node, run, shared_out, started
from paths import ROOT
from stages import TO_TRAINED
from vqa.core.errors import InputError
from vqa.core.partial_results import lock_run, run_folder
from vqa.settings import Train, load_settings
from vqa.training.trainer import last_checkpoint, remove_torn_checkpoints, trainer_arguments
from vqa.vlm import lora
from vqa.vlm.interfaces import AnswerModel

Project = Callable[..., Path]
WORK = Path(".state/training")
BEST = Path("models/adapter/best/adapter_model.safetensors")


@pytest.fixture
def cached(project_after: Project, project: Project) -> Project:
    """Make a project with cached features, ready to train; checkpoints every 7 steps of about 100."""

    def make(**changes: Any) -> Path:
        project_after(TO_TRAINED[:-1])
        return project(**{"train": {"epochs": 4, "checkpoint_steps": 7}, "lora": {"r": 4}} | changes)

    return make


def plotted() -> dict[str, list[list[str]]]:
    folder = Path("metrics/plots/train/plots/metrics")
    return {
        path.name: [line.split("\t") for line in path.read_text().splitlines()] for path in folder.iterdir()
    }


def trained_metrics() -> dict[str, float]:
    """All but the speed, which no two runs share."""
    metrics: dict[str, float] = json.loads(Path("metrics/train.json").read_text())
    assert metrics.pop("pairs_per_second") > 0
    return metrics


def weights(path: Path = BEST) -> dict[str, torch.Tensor]:
    return load_file(path)


def test_a_run_killed_three_times_ends_with_the_weights_metrics_and_plots_of_one_that_was_not(
    cached: Project,
) -> None:
    cached(train={"epochs": 3, "checkpoint_steps": 7, "questions_per_prefix": 3})
    run("train")
    undisturbed = contents(Path("models/adapter/best")), contents(Path("models/adapter/final"))
    metrics, plots = trained_metrics(), plotted()
    Path("models/adapter").rename("models/undisturbed")

    killed_at("train", r"training: .* [4-9]\d/\d+ ")  # in the first epoch
    killed_at("train", r"training: .* 2\d\d/\d+ ")  # in the third
    killed_at("train", r"training: 100%(?s:.*)validation: +[1-9]")  # in the last validation
    printed = run("train", PYTHON)  # with other hashes of strings than the forks of one process
    assert re.search(r"continuing from \S*\.state/training/\w+/checkpoint-\d+", printed)
    assert (contents(Path("models/adapter/best")), contents(Path("models/adapter/final"))) == undisturbed
    assert trained_metrics() == metrics
    assert plotted() == plots
    assert len({row[0] for row in plots["loss.tsv"]}) == len(plots["loss.tsv"])
    assert not WORK.exists()


def test_a_run_killed_while_it_validates_goes_on_with_fewer_pairs_at_once_to_the_same_weights(
    cached: Project,
    project: Project,
) -> None:
    """As the sentence about memory advises; checkpoints may come at other steps, too."""
    changes: dict[str, Any] = {"epochs": 2, "checkpoint_steps": 7, "eval_steps": 20}
    cached(train=changes)
    run("train")
    undisturbed = contents(Path("models/adapter/best")), contents(Path("models/adapter/final"))
    metrics = trained_metrics() | {"final_loss": None}
    Path("models/adapter").rename("models/undisturbed")

    killed_at("train", r"validation: +[1-9](?s:.*)validation: +0(?s:.*)validation: +[1-9]")
    (work,) = WORK.iterdir()
    project(train=changes | {"eval_batch_size": 3, "checkpoint_steps": 11}, lora={"r": 4})
    assert re.search(rf"continuing from \S*{work}/checkpoint-", run("train"))
    assert (contents(Path("models/adapter/best")), contents(Path("models/adapter/final"))) == undisturbed
    # The last loss is a mean since the log before it, and every checkpoint logs.
    assert trained_metrics() | {"final_loss": None} == metrics


OTHER_VALUES: dict[str, Any] = {
    "start_from": "models/adapter-photos",
    "images": 7,
    "zero_image": True,
    "schedule": "cosine",
    "warmup_share": 0.1,
    "eval_steps": 5,
    "patience": 2,
}


@pytest.mark.parametrize("key", [field.name for field in fields(Train)])
def test_every_key_of_train_makes_another_run_but_those_that_decide_no_weight(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "sha256_file", lambda _: "")
    settings, identity = load_settings(ROOT / "params.yaml"), {"fingerprint": "", "dtype": "float32"}
    value: Any = OTHER_VALUES.get(key) or getattr(settings.train, key) * 2 + 1
    changed = replace(settings, train=replace(settings.train, **{key: value}))
    runs = [run_folder(tmp_path, train._run(of, identity, "", None)) for of in (settings, changed)]
    assert (runs[0] == runs[1]) == (f"train.{key}" in train.NEUTRAL)


def test_a_checkpoint_of_other_settings_or_cut_short_is_not_continued(tmp_path: Path) -> None:
    work = run_folder(tmp_path, {"r": 4})
    assert last_checkpoint(work) is None
    for step, is_whole in ((5, True), (10, True), (15, False)):
        (work / f"checkpoint-{step}").mkdir(parents=True)
        if is_whole:
            (work / f"checkpoint-{step}/whole").touch()
    assert last_checkpoint(work) == str(work / "checkpoint-10")
    remove_torn_checkpoints(work)
    assert {folder.name for folder in work.iterdir()} == {"checkpoint-5", "checkpoint-10"}
    assert last_checkpoint(run_folder(tmp_path, {"r": 8})) is None


def test_settings_changed_and_changed_back_continue_where_they_were(
    cached: Project,
    project: Project,
) -> None:
    cached()
    killed_at("train", r"training: .* [4-9]\d/\d+ ")
    begun = set(WORK.iterdir())
    project(train={"epochs": 1, "checkpoint_steps": 7}, lora={"r": 8})
    assert f"{WORK} keeps 1 unfinished run(s) of other settings" in run("train")
    assert set(WORK.iterdir()) == begun
    project(train={"epochs": 4, "checkpoint_steps": 7}, lora={"r": 4})
    assert re.search(r"continuing from \S*\.state/training/\w+/checkpoint-\d+", run("train"))
    assert not WORK.exists()


def test_a_second_run_of_the_same_ends_at_once_and_leaves_the_first_one_s_checkpoints(
    cached: Project,
) -> None:
    cached()
    killed_at("train", r"training: .* [4-9]\d/\d+ ")
    (folder,) = WORK.iterdir()
    (folder / "checkpoint-99").mkdir()  # the first run is writing it
    with lock_run([folder], is_first=True):
        process = started("train")
        printed, _ = process.communicate()
        assert process.returncode == 1
        assert re.search(r"another run is writing \S+/lock; wait for it to end", printed)
        assert (folder / "checkpoint-99").is_dir()
    assert "continuing from" in run("train")


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Two divided sums of fp32 differ in their last bits, and Adam moves a weight whose gradient is nothing
    else by up to a whole step, in either direction: the learning rate.
    """
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)


@pytest.mark.parametrize("questions_per_prefix", [1, 3])
def test_two_processes_and_two_hosts_train_as_one_does(cached: Project, questions_per_prefix: int) -> None:
    model_parts = {
        "train": {
            "epochs": 1,
            "batch_size": 4,
            "micro_batch_size": 2,
            "questions_per_prefix": questions_per_prefix,
        },
        "lora": {"r": 4, "dropout": 0.0},
    }
    cached(**model_parts)
    run("train")
    alone, losses = weights(), plotted()["loss.tsv"]
    shared_out("train")
    together, shared_losses = weights(), plotted()["loss.tsv"]
    if questions_per_prefix == 1:  # once by torchrun itself, which takes a minute
        for process in [started("train", node(rank)) for rank in (0, 1)]:
            finished(process)
    else:
        shared_out("train", hosts=2)
    for other, of_other in ((together, shared_losses), (weights(), plotted()["loss.tsv"])):
        assert len(of_other) == len(losses) > 2
        for (step, loss), (same_step, same_loss) in zip(losses[1:], of_other[1:], strict=True):
            assert step == same_step
            assert float(loss) == pytest.approx(float(same_loss), abs=2e-4)
        for name, weight in alone.items():
            close(other[name], weight)


def test_two_processes_cache_the_same_bytes_and_a_killed_run_continues(project: Project) -> None:
    project(features={"images_per_shard": 4, "batch_size": 3})
    generate.run()
    validate.run()
    run("cache_features")
    alone = contents(Path("data/features"))
    for path in Path("data/features").iterdir():
        path.unlink()
    run("cache_features", TWO_PROCESSES)
    assert contents(Path("data/features")) == alone
    for path in Path("data/features").iterdir():
        path.unlink()
    killed_at("cache_features", r"features: +\d+%.* 1\d/30")
    run("cache_features")
    assert contents(Path("data/features")) == alone
    assert json.loads(Path("metrics/features.json").read_text())["reused"] >= 8


def test_batch_sizes_that_do_not_divide_are_named(cached: Project) -> None:
    cached(train={"batch_size": 4, "micro_batch_size": 3})
    with pytest.raises(InputError, match=r"batch_size is 4, but 1 process\(es\) take .* multiple of 3"):
        train.run()


@pytest.mark.parametrize("questions_per_prefix", [1, 3])
def test_accumulated_parts_train_as_the_whole_batch_does(
    cached: Project, project: Project, questions_per_prefix: int
) -> None:
    """One pair at once is a row a pair, whatever share a step."""
    plain = {"lora": {"r": 4, "dropout": 0.0}}
    whole_batch: dict[str, Any] = {"epochs": 1, "batch_size": 4, "micro_batch_size": 4}
    whole_batch |= {"questions_per_prefix": questions_per_prefix}
    cached(train=whole_batch, **plain)
    train.run()
    whole = weights()
    project(train=whole_batch | {"micro_batch_size": 1}, **plain)
    train.run()
    for name, weight in whole.items():
        close(weights()[name], weight)


def test_the_last_step_is_validated_whatever_the_interval(cached: Project) -> None:
    cached(train={"epochs": 1, "eval_steps": 1000})
    train.run()
    assert len(plotted()["bert_score_f1.tsv"]) == 2
    assert trained_metrics()["best_epoch"] == 1


def test_so_many_images_are_trained_on_with_all_their_pairs(cached: Project) -> None:
    cached(train={"images": 5, "epochs": 1})
    train.run()
    assert trained_metrics()["pairs"] == 25


@pytest.mark.parametrize("zero_image", [True, False])
def test_trained_blind_nothing_of_the_images_is_learnt(cached: Project, zero_image: bool) -> None:
    cached(train={"epochs": 1, "zero_image": zero_image})
    train.run()
    first = contents(BEST.parent)
    for shard in Path("data/features").glob("*.safetensors"):
        with safe_open(shard, "pt") as file:
            others, metadata = file.get_tensor("features").flip(0), file.metadata()
        save_file({"features": others.contiguous()}, shard, metadata)
    train.run()
    assert (contents(BEST.parent) == first) is zero_image


def test_early_stopping_and_validation_every_n_steps(cached: Project) -> None:
    # At this rate nothing is learnt, so that no validation is better than the first.
    cached(train={"epochs": 20, "eval_steps": 3, "patience": 2, "learning_rate": 1e-12})
    train.run()
    metrics = json.loads(Path("metrics/train.json").read_text())
    assert metrics["steps"] == 9
    assert [int(row[0]) for row in plotted()["bert_score_f1.tsv"][1:]] == [3, 6, 9]


def test_a_loss_that_is_not_finite_names_the_step_and_the_pairs(cached: Project) -> None:
    cached(train={"learning_rate": 1e30, "warmup_share": 0.0})
    with pytest.raises(InputError, match=r"the loss is \w+ at step \d+ on \w+\.jpg: .*\?.*learning_rate"):
        train.run()


def saved_adapters() -> list[Path]:
    return [path for folder in (WORK, Path("models/adapter")) for path in folder.rglob("*.safetensors")]


@pytest.mark.parametrize(("checkpoint_steps", "eval_steps", "saved"), [(1, 3, 1), (1000, 3, 0)])
def test_no_checkpoint_and_no_adapter_is_written_after_a_loss_that_is_not_finite(
    cached: Project, checkpoint_steps: int, eval_steps: int, saved: int
) -> None:
    # The first step leaves weights of 1e30, which may be saved; the losses after it are not finite.
    steps = {"checkpoint_steps": checkpoint_steps, "checkpoint_minutes": 0.0, "eval_steps": eval_steps}
    cached(train={"learning_rate": 1e30, "warmup_share": 0.0} | steps)
    with pytest.raises(InputError, match="the loss is"):
        train.run()
    assert len(saved_adapters()) == saved
    assert all(weight.isfinite().all() for path in saved_adapters() for weight in weights(path).values())


def test_no_checkpoint_and_no_adapter_is_written_of_weights_that_are_not_finite(
    cached: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_adapter = lora.add_adapter

    def add_with_overflow(model: AnswerModel, *arguments: Any) -> None:
        add_adapter(model, *arguments)
        for weight in model.parameters():
            if weight.requires_grad:
                weight.register_hook(lambda gradient: gradient * float("inf"))

    monkeypatch.setattr(lora, "add_adapter", add_with_overflow)
    cached(train={"checkpoint_steps": 1, "checkpoint_minutes": 0.0, "eval_steps": 1})
    with pytest.raises(InputError, match=r"a weight of the adapter is no finite number after step 1; lower"):
        train.run()
    assert saved_adapters() == []


@pytest.mark.parametrize(
    ("pairs", "logged", "may_save"), [(2605, 20, 200), (160_000, 60, 200), (1_000_000, 375, 375)]
)
def test_plots_of_long_runs_are_thinned(tmp_path: Path, pairs: int, logged: int, may_save: int) -> None:
    settings = load_settings(ROOT / "params.yaml").train
    arguments = trainer_arguments(tmp_path, settings, pairs, torch.device("cpu"), torch.float32)
    assert (arguments.logging_steps, arguments.save_steps) == (logged, may_save)

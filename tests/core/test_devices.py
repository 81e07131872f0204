"""Which processes there are, which GPU each takes, in which dtype, on how many threads."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import cache_features
import generate
import train
import validate
import verify
from commands import run
from vqa.core import devices
from vqa.core.errors import InputError
from vqa.training import trainer
from vqa.vlm.loading import Pretrained

Project = Callable[..., Path]
CPU = torch.device("cpu")
TINY = str(Path(__file__).parents[2] / "models/blip2-tiny")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Set what an environment holds; every test begins as a process that has not looked at it yet."""
    for remembered in (devices._is_started_by_torchrun, devices._say):
        remembered.cache_clear()
    yield monkeypatch
    for remembered in (devices._is_started_by_torchrun, devices._say):
        remembered.cache_clear()


def with_gpus(patch: pytest.MonkeyPatch, count: int) -> list[int]:
    """A machine that shows so many GPUs; the ones that are made current."""
    current: list[int] = []
    patch.setattr(torch.cuda, "is_available", lambda: True)
    patch.setattr(torch.cuda, "device_count", lambda: count)
    patch.setattr(torch.cuda, "set_device", current.append)
    return current


@pytest.mark.parametrize(
    "left",
    [{"RANK": "16"}, {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}, {"OMPI_COMM_WORLD_SIZE": "4"}],
)
def test_what_a_cluster_left_in_the_environment_is_not_believed(
    launched: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], left: dict[str, str]
) -> None:
    for name, value in left.items():
        launched.setenv(name, value)
    assert devices.rank_and_world() == (0, 1)
    assert not left.keys() & os.environ.keys()  # nor by a library that looks later
    assert f"{', '.join(left)} in the environment is ignored" in capsys.readouterr().err


def test_a_stage_with_a_foreign_rank_does_all_the_work(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    generate.run()
    validate.run()
    verify.run()
    for name, value in {"RANK": "16", "WORLD_SIZE": "32", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert "30 images were computed" in run("cache_features")
    assert "saved the adapters" in run("train")


def test_torchrun_is_believed(launched: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "RANK": "3", "WORLD_SIZE": "4"}.items():
        launched.setenv(name, value)
    assert devices.rank_and_world() == (3, 4)


def test_one_process_that_sees_eight_gpus_takes_one_and_says_what_to_set(
    launched: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    current = with_gpus(launched, 8)
    assert devices.default_device() == torch.device("cuda", 0)
    assert current == [0]
    assert (
        "7 of 8 GPUs are idle; to use them all set run.launcher in params.yaml to torchrun --nproc-per-node 8"
        in (capsys.readouterr().err)
    )


def test_each_process_of_torchrun_takes_its_own_gpu_and_one_too_many_is_named(
    launched: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    current = with_gpus(launched, 2)
    launched.setenv("TORCHELASTIC_RUN_ID", "none")
    launched.setenv("LOCAL_WORLD_SIZE", "2")
    launched.setenv("LOCAL_RANK", "1")
    assert devices.default_device() == torch.device("cuda", 1)
    assert current == [1]
    assert capsys.readouterr().err == ""
    launched.setenv("LOCAL_WORLD_SIZE", "3")
    launched.setenv("LOCAL_RANK", "2")
    with pytest.raises(
        InputError, match=r"3 processes .* 2 GPU\(s\); set run.launcher .* --nproc-per-node 2"
    ):
        devices.default_device()


def test_training_where_two_gpus_are_seen_is_not_spread_over_them(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(train={"images": 4})
    for stage in (generate, validate, verify, cache_features):
        stage.run()
    arguments_of = trainer.trainer_arguments

    def of_a_machine_with_two(*given: object) -> object:
        arguments = arguments_of(*given)  # type: ignore[arg-type]
        assert arguments.n_gpu == 0
        arguments._n_gpu = 2  # what transformers counts there; it then wraps the model in DataParallel
        return arguments

    monkeypatch.setattr(train, "trainer_arguments", of_a_machine_with_two)
    train.run()
    assert Path("models/adapter/best/adapter_model.safetensors").is_file()


@pytest.mark.parametrize(("in_hardware", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bf16_is_taken_only_where_the_gpu_has_it_in_hardware(
    monkeypatch: pytest.MonkeyPatch, in_hardware: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or in_hardware
    )
    assert devices.frozen_dtype("auto", torch.device("cuda")) == dtype
    assert devices.frozen_dtype("auto", CPU) == torch.float32


def with_amx(patch: pytest.MonkeyPatch, has_amx: bool) -> None:
    patch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": has_amx})


def test_a_cpu_with_amx_stays_fp32_and_says_once_what_bf16_would_give(
    launched: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_amx(launched, True)
    launched.setattr(devices, "_SMALL", 1_000_000)
    for _ in range(2):
        model = Pretrained(TINY).load_answer_model("{question}", CPU, "qformer")
        assert model.frozen_dtype == torch.float32
    said = capsys.readouterr().err
    assert said.count("this CPU has AMX") == 1
    assert "set model.dtype to bfloat16" in said


@pytest.mark.parametrize(
    ("has_amx", "setting", "device", "parameters"),
    [
        (False, "auto", "cpu", 2_700_000_000),
        (True, "bfloat16", "cpu", 2_700_000_000),
        (True, "float32", "cpu", 2_700_000_000),
        (True, "auto", "cuda", 2_700_000_000),
        (True, "auto", "cpu", 3_600_000),
    ],
)
def test_nothing_is_said_of_bf16_where_it_gives_nothing_or_was_chosen(
    launched: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    has_amx: bool,
    setting: str,
    device: str,
    parameters: int,
) -> None:
    with_amx(launched, has_amx)
    devices.mention_bfloat16(setting, torch.device(device), parameters)
    assert not capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="asks Linux what the processor has")
def test_torch_says_of_this_processor_whether_it_has_amx() -> None:
    flags = Path("/proc/cpuinfo").read_text()
    assert torch.cpu.get_capabilities().get("amx_bf16", False) == ("amx_bf16" in flags)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_a_small_model_takes_one_thread_and_a_large_one_all() -> None:
    devices.limit_threads(2_700_000_000)
    assert torch.get_num_threads() == 2
    Pretrained(TINY).load_answer_model("{question}", CPU, "qformer")
    assert torch.get_num_threads() == 1

import os
import random
import signal
from collections.abc import Callable
from compileall import compile_dir
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from PIL import Image
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from clone import Clone, git
from paths import ROOT, SHARED
from toy import toy_model, toy_processor
from vqa.core.files import write_json
from vqa.overlays import read_yaml
from vqa.settings import HUB_MODEL
from vqa.synthetic.catalogue import draw_items, write_catalogue
from vqa.synthetic.drawing import image

os.environ["HF_HUB_OFFLINE"] = "1"  # for commands that tests start; `make test` sets it for pytest itself
os.environ.pop("VQA_STATE_DIR", None)  # a tester's own, which no test may write to
for _who in ("AUTHOR", "COMMITTER"):  # a fresh machine has no identity, and git commits nothing without
    os.environ.setdefault(f"GIT_{_who}_NAME", "tests")
    os.environ.setdefault(f"GIT_{_who}_EMAIL", "tests@localhost")

# A shell starts background jobs, these tests perhaps, with SIGINT ignored; commands would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

torch.set_num_threads(1)  # toys gain nothing from more, and two processes of tests share the cores


@pytest.fixture(scope="session")
def processor() -> Blip2Processor:
    return toy_processor()


@pytest.fixture(params=["opt", "t5"])
def model(request: pytest.FixtureRequest, processor: Blip2Processor) -> Blip2ForConditionalGeneration:
    """A toy BLIP-2; every test that takes it runs once for OPT and once for T5."""
    return toy_model(request.param, processor)


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory, processor: Blip2Processor) -> Path:
    """The toy OPT BLIP-2 as a folder on disk."""
    folder = tmp_path_factory.mktemp("toy") / "blip2-toy"
    toy_model("opt", processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty drawn products in ABO's layout."""
    root = tmp_path_factory.mktemp("catalogue")
    write_catalogue(root, draw_items(30, seed=0), seed=0)
    return root


@pytest.fixture(scope="session")
def drawings() -> list[Image.Image]:
    """Eight different images."""
    return [image(item, 64, random.Random(i)) for i, item in enumerate(draw_items(8, seed=1))]


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalogue: Path, toy_folder: Path
) -> Callable[..., Path]:
    """Make an empty project in a temporary folder and stand in it; keyword arguments change params.

    `project(lora={"r": 0})` writes params.yaml with lora.r 0; the catalogue is the drawn one and the
    model the toy.
    """

    def make(**changes: dict[str, Any]) -> Path:
        params = read_yaml((ROOT / "params.yaml").read_text())
        params["data"]["root"] = str(catalogue)
        params["model"]["name"] = str(toy_folder)
        params["train"] |= {"epochs": 1, "checkpoint_minutes": 0}
        params["evaluate"]["bootstrap_draws"] = 200
        params["benchmark"]["images"] = 4
        for block, values in changes.items():
            params.setdefault(block, {}).update(values)
        name = params["model"]["name"]
        params["model"]["dvc_dep"] = name if Path(name).is_dir() else HUB_MODEL
        write_json(tmp_path / "params.yaml", params)  # JSON is YAML
        # DVCLive wants a repository with a commit.
        git(tmp_path, "init", "-q")
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", "start")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


SMALL_RUN = {
    "demo.images": 60,
    "train.epochs": 1,
    "benchmark.images": 4,
    "evaluate.bootstrap_draws": 200,
}


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the whole pipeline has run on a small catalogue; copy it, never change it.

    Processes of one `pytest -n` share it: the first makes it, the others wait.
    """
    top = tmp_path_factory.getbasetemp()
    folder = (top.parent if "PYTEST_XDIST_WORKER" in os.environ else top) / "small"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            made = Clone(tmp_path_factory.mktemp("small"))
            for key, value in SMALL_RUN.items():
                made.change(key, value)
            assert len(made.repro()) == 11
            made.commit("small run")
            compile_dir(made.folder / "src", quiet=1)  # so that nothing is written there while it is copied
            made.folder.rename(folder)
    return Clone.at(folder)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the real ABO sample in ../shared, which is not part of the repository")
    return SHARED

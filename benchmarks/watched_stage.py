"""Run a stage as a command would and write down what it took: for rehearsal.py, which starts it.

    python benchmarks/watched_stage.py FOLDER REPORT src/train.py

In: the folder of a model's weights, a stage. Out: REPORT as JSON: bytes in memory of its own before the first
weight was read, bytes and times that the weights were read, the peak of the GPU.
"""

import contextlib
import json
import runpy
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors

_OPEN = safetensors.safe_open


class Watch:
    """Measures this process, and which weights in `folder` it read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._sizes: dict[str, int] = {}
        self._times: Counter[str] = Counter()
        self._before: int | None = None

    def open(self, path: Any, *arguments: Any, **named: Any) -> Any:
        """Takes safetensors' place: transformers and PEFT read weights through it alone."""
        if self._before is None:
            self._before = own_memory()
        file = _OPEN(path, *arguments, **named)
        is_model = Path(path).resolve().is_relative_to(self._folder)
        return _WatchedFile(file, self) if is_model else file

    def read(self, name: str, tensor: Any) -> Any:
        self._sizes[name] = tensor.nbytes
        self._times[name] += 1
        return tensor

    def report(self) -> dict[str, Any]:
        import torch

        return {
            "before": own_memory() if self._before is None else self._before,
            "read_bytes": sum(self._sizes.values()),
            "loads": max(self._times.values(), default=0),
            "device_peak": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
        }


class _WatchedFile:
    """A safetensors file that tells which tensors are read."""

    def __init__(self, file: Any, watch: Watch) -> None:
        self._file, self._watch = file, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_WatchedFile":
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        return self._file.__exit__(*error)

    def get_tensor(self, name: str) -> Any:
        return self._watch.read(name, self._file.get_tensor(name))

    def get_tensors(self) -> dict[str, Any]:
        return {name: self.get_tensor(name) for name in self._file.keys()}  # noqa: SIM118 – no mapping

    def get_slice(self, name: str) -> "_WatchedSlice":
        return _WatchedSlice(name, self._file.get_slice(name), self._watch)


class _WatchedSlice:
    """A tensor that is read when it is indexed."""

    def __init__(self, name: str, part: Any, watch: Watch) -> None:
        self._name, self._part, self._watch = name, part, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def __getitem__(self, index: Any) -> Any:
        return self._watch.read(self._name, self._part[index])


def own_memory(pid: str = "self") -> int:
    """Bytes of a process's own, without files that are mapped into it: the system takes those back."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return 1024 * int(line.split()[1])
    return 0


@contextlib.contextmanager
def _watching(watch: Watch, report: Path) -> Iterator[None]:
    vars(safetensors)["safe_open"] = watch.open  # before anything imports it by name
    try:
        yield
    finally:
        report.write_text(json.dumps(watch.report()))


def main() -> None:
    folder, report, stage = map(Path, sys.argv[1:4])
    sys.argv = [str(stage), *sys.argv[4:]]
    sys.path[0] = str(stage.resolve().parent)
    with _watching(Watch(folder), report):
        runpy.run_path(str(stage), run_name="__main__")


if __name__ == "__main__":
    main()

"""What DVC costs beside a large tree of images: watched whole, or by the file that stands for it.

    python benchmarks/watched_tree.py [--images 398212] [--links hardlink]

Makes a clone of the commit in a temporary folder, with a tree of tiny images as `make abo` would leave
it, and times `generate`: a second `dvc repro` with nothing to do, and an experiment in a copy, as
`study run` runs it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from full_size import write_catalogue
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
PARTS = ("images/metadata", "images/small", "listings/metadata")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=398_212)
    parser.add_argument("--links", default="copy", help="cache.type: copy, hardlink, symlink, reflink")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(["git", "clone", "-q", str(ROOT), f"{temporary}/clone"], check=True)
        os.chdir(f"{temporary}/clone")
        _run("git", "config", "user.name", "benchmark")
        _run("git", "config", "user.email", "benchmark@localhost")
        write_catalogue(Path("data/abo"), given.images)
        _run("dvc", "config", "cache.type", given.links)
        _run("dvc", "add", *(f"data/abo/{part}" for part in PARTS))
        _run(sys.executable, "src/__main__.py", "manifest", "data/abo")
        print(f"{'data.root':<14} {'nothing to do':>14} {'experiment':>11}   seconds", flush=True)
        for root in ("data/abo.yaml", "data/abo"):
            params = YAML(typ="safe").load(Path("params.yaml").read_text())
            params["data"]["root"] = root
            YAML().dump(params, Path("params.yaml"))
            _run("dvc", "repro", "generate")
            nothing = _seconds("dvc", "repro", "generate")
            _run("git", "add", "--all")
            _run("git", "commit", "-qm", root)
            experiment = _seconds(
                "dvc", "exp", "run", "--temp", "-S", "generate.questions_per_image=4", "generate"
            )
            print(f"{root:<14} {nothing:>14.1f} {experiment:>11.1f}", flush=True)


def _seconds(*command: str) -> float:
    start = time.perf_counter()
    _run(*command)
    return time.perf_counter() - start


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stdout[-500:]}{done.stderr[-1500:]}")


if __name__ == "__main__":
    main()

"""What each key of params.yaml makes stale, by changing it and asking `dvc status`.

    python benchmarks/stale_by_key.py            # the table
    python benchmarks/stale_by_key.py --write    # into docs/stale.md

In: dvc.yaml, params.yaml and the code that stages depend on; no data. A copy of them gets a dvc.lock as DVC
writes it for stages that have run, and every key another value in turn. What runs after a stale stage because
its data changed is not counted: only what the key itself makes stale.
"""

import argparse
import os
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/stale.md"
_MARKS = "<!-- keys -->\n", "<!-- /keys -->"
_NONE = "nothing (they decide no result)"


def other_value(value: Any) -> Any:
    """One that DVC tells from `value`; whether a stage would take it does not matter here."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return [*value, "x"] if isinstance(value, list) else f"{value}x"


@contextmanager
def checked_out_copy(root: Path) -> Iterator[Path]:
    """A folder with the pipeline of `root` as if all had run; the working directory while the block lasts."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for file in ("dvc.yaml", "params.yaml"):
            shutil.copy(root / file, folder)
        for part in ("src", "data/annotator", "data/vqa/answer_vocabulary"):
            shutil.copytree(root / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        os.chdir(folder)
        try:
            with Repo.init(str(folder), no_scm=True) as repo, repo.lock:
                for stage in repo.stage.load_all("dvc.yaml"):
                    stage.save(allow_missing=True, run_cache=False)
                    stage.dump(update_pipeline=False)
            yield folder
        finally:
            os.chdir(before)


def status() -> Mapping[str, Any]:
    """Of the working directory, as `dvc status` has it."""
    with Repo() as repo:
        found: Mapping[str, Any] = repo.status()
    return found


def stale_by_key(root: Path) -> dict[str, list[str]]:
    """ "lora.r" → the stages that another value makes stale, in their order."""
    yaml = YAML()
    found: dict[str, list[str]] = {}
    with checked_out_copy(root) as folder:
        params, path = yaml.load(root / "params.yaml"), folder / "params.yaml"
        stages = list(yaml.load(folder / "dvc.yaml")["stages"])
        unchanged = status()
        for block, values in params.items():
            for key, value in values.items():
                values[key] = other_value(value)
                yaml.dump(params, path)
                changed = status()
                values[key] = value
                found[f"{block}.{key}"] = [
                    stage for stage in stages if changed.get(stage) != unchanged.get(stage)
                ]
    return found


def table(found: Mapping[str, list[str]]) -> str:
    """A line of Markdown for each set of stages, with the keys that make them stale."""
    rows: defaultdict[str, list[str]] = defaultdict(list)
    for key, stages in found.items():
        rows[", ".join(stages) or _NONE].append(f"`{key}`")
    return "\n".join(f"- {stages}: {' '.join(keys)}" for stages, keys in rows.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    text = table(stale_by_key(ROOT))
    if not parser.parse_args().write:
        print(text)
        return
    begin, end = _MARKS
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(rf"(?s)({begin}).*?({end})", rf"\g<1>{text}\n\g<2>", page), encoding="utf-8")


if __name__ == "__main__":
    main()

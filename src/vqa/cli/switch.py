"""Put one of params/ in the place of params.yaml.

    python src switch blip2-opt-2.7b        # and back: git checkout params.yaml

In: params/<name>.yaml. Out: params.yaml; `git diff` shows what it changes. The file is checked first, and
changes of params.yaml that are not committed are never overwritten.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from vqa.foundation.command_line import command_line
from vqa.foundation.errors import InputError
from vqa.settings import PARAMS, load_settings

READY_MADE = Path("params")


def run(name: Annotated[str, typer.Argument(help="of a file of params/, without .yaml")]) -> None:
    chosen = READY_MADE / f"{name}.yaml"
    if not chosen.is_file():
        known = ", ".join(sorted(path.stem for path in READY_MADE.glob("*.yaml")))
        raise InputError(f"{chosen} is missing; there are {known}")
    load_settings(chosen)
    if _is_changed():
        raise InputError(f"{PARAMS} has changes that are not committed; commit or stash them first")
    shutil.copyfile(chosen, PARAMS)
    print(f"{PARAMS} is {chosen} now; git diff {PARAMS} shows the changes, dvc repro runs them")


def _is_changed() -> bool:
    """Also true where git cannot tell, unless what is there is one of ours."""
    if any(path.read_bytes() == PARAMS.read_bytes() for path in READY_MADE.glob("*.yaml")):
        return False
    command = ["git", "diff", "--quiet", "HEAD", "--", str(PARAMS)]
    return subprocess.run(command, check=False, capture_output=True).returncode != 0


app = command_line(__doc__, run)

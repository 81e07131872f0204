"""Where partial results and paid answers are kept: a folder that no checkout touches and every copy finds.

`dvc exp run` begins with a forced checkout of every out; with --temp and in the queue it runs in a
repository of its own below PROJECT/.dvc/tmp/exps. Paid answers and partial results therefore lie in
PROJECT/.state, which git and DVC ignore, or where the environment's VQA_STATE_DIR says. The old names of
both, .durable and VQA_DURABLE, are still read.
"""

import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

VARIABLE = "VQA_STATE_DIR"
_OLD_VARIABLE = "VQA_DURABLE"
_FOLDER, _OLD_FOLDER = ".state", ".durable"
_COPIES = (".dvc", "tmp", "exps")  # in the project, where DVC makes its temporary copies


def state_folder(name: str, here: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for one kind of state, say "ledger"; absolute, and perhaps not there yet.

    `here` is the top folder of the project or of one of DVC's copies of it; by default the
    current folder. A folder or variable of the old name is used where there is no new one, with one notice.
    """
    project = project_root((here or Path.cwd()).absolute())
    named, old_folder = environment.get(VARIABLE, "").strip(), project / _OLD_FOLDER
    if not named and (old := environment.get(_OLD_VARIABLE, "").strip()):
        _say_once(f"{_OLD_VARIABLE} is called {VARIABLE} now; it is still read")
        named = old
    folder = project / (Path(named).expanduser() if named else _FOLDER)
    if not named and old_folder.is_dir():
        if not folder.exists():
            _say_once(f"{old_folder} is called {_FOLDER} now; it is still read until you rename it")
            return old_folder / name
        _say_once(
            f"{old_folder} is not read beside {folder}; paid answers may lie in it: move its files there"
        )
    return folder / name


@cache
def _say_once(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def project_root(here: Path) -> Path:
    """The project that `here`, an absolute path, is one of DVC's copies of, or `here` itself."""
    for at in range(1, len(here.parts)):
        if here.parts[at : at + len(_COPIES)] == _COPIES:
            return Path(*here.parts[:at])
    return here

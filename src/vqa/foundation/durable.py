"""Where unfinished work is kept: a folder that no checkout reaches and every copy of the project finds.

`dvc exp run` begins with a forced checkout of every out; with --temp and in the queue it runs in a
repository of its own below PROJECT/.dvc/tmp/exps. What is paid for or half made therefore lies in
PROJECT/.durable, which git and DVC ignore, or where the environment's VQA_DURABLE says.
"""

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "VQA_DURABLE"
_FOLDER = ".durable"
_COPIES = (".dvc", "tmp", "exps")  # in the project, where DVC makes its temporary copies


def durable_folder(name: str, here: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of one kind of unfinished work, say "ledger"; absolute, and perhaps not there yet.

    `here` is the top folder of the project or of one of DVC's copies of it; by default where we stand.
    """
    project = project_of((here or Path.cwd()).absolute())
    named = environment.get(VARIABLE, "").strip()
    return project / (Path(named).expanduser() if named else _FOLDER) / name


def project_of(here: Path) -> Path:
    """The project that `here`, an absolute path, is one of DVC's copies of, or `here` itself."""
    for at in range(1, len(here.parts)):
        if here.parts[at : at + len(_COPIES)] == _COPIES:
            return Path(*here.parts[:at])
    return here

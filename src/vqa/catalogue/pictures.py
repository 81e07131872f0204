"""Pictures on disk → RGB pictures in memory, or a named reason why not. Never a replacement.

What comes out is sRGB: a colour profile that the file carries is converted, as browsers do it. An animation
is its first frame.
"""

import base64
import hashlib
import io
import struct
import unicodedata
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION

HASH_BITS = 256
GREY_SIDE = 17  # places a side of the grey values that turned copies are found by
# Raise it when the same bytes decode to other pixels or another verdict: nothing remembered holds then.
DECODER = 2
# What is decoded, by content, whatever a file is called: nothing that starts another program (EPS) or
# unpacks what no shop has.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
ENDINGS = frozenset(".apng .avif .avifs .bmp .gif .jfif .jpe .jpeg .jpg .png .tif .tiff .webp".split())
MOST_PIXELS = 50_000_000  # 200 MB in memory; a file of 0.7 MB can hold four times as many
_TOO_MANY = f"more than {MOST_PIXELS // 10**6} million pixels; make it smaller"

ID_LENGTH = 12  # hex digits of a SHA-256 by which splits.json knows a picture
_SIDE = 256  # pixels, at most, of a picture in a page
_NOT_IN_NAMES = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of others, line and paragraph ends
_SAME = 2  # of 255: rounding of two conversions; a profile that moves colours by no more is sRGB
_PROFILES = 16  # whose conversions are kept; a catalogue has a few
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_INTENT, _BLACK_POINT = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
_MODE_OF_SPACE = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_GREY, _NOT_RGB = ("1", "L", "LA", "La"), ("CMYK", "LAB")

_MISSING_REMEDY = (
    "; python src import pairs.csv --images FOLDER --out data/mine puts pictures where they are found"
)

# Pillow warns where we refuse.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# What Pillow raises on damaged files, broken EXIF included; found by changing bytes at random.
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
    """A picture that cannot be used. `reason` is one of the words that reject a pair."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Picture:
    """What was found in a picture's file; size and hash are of the picture as it is looked at."""

    sha256: str = ""  # of the file's bytes; "" where there is no file
    width: int = 0  # pixels
    height: int = 0
    perceptual_hash: str = ""  # 64 hex digits
    problem: str = ""  # why it cannot be used; "" when it can
    detail: str = ""
    grey: str = ""  # GREY_SIDE × GREY_SIDE grey values, two hex digits each


def problem_of_name(image_name: str) -> str:
    """Why a picture's file cannot be called this; "" where it can. Blanks, quotes, &, #, @ are all fine."""
    ending = Path(image_name).suffix.lower()
    if "/" in image_name or "\\" in image_name or image_name.startswith(".."):
        return f"{image_name!r} is a path, not the name of a picture file"
    if any(unicodedata.category(letter) in _NOT_IN_NAMES for letter in image_name):
        return f"{image_name!r} has a control character in it"
    if ending not in ENDINGS:
        return f"{image_name!r} does not end as a picture that is decoded does ({' '.join(sorted(ENDINGS))})"
    return ""


def load_image(path: Path) -> Image.Image:
    """The whole picture, decoded, upright (EXIF) and in sRGB.

    Raises:
        ImageError: `image_missing`, `image_truncated`, `image_unreadable` or `image_too_large`.
    """
    return decoded(_content(path))


def inspect(path: Path) -> Picture:
    """Read and decode a file once: its hashes and size, or its problem."""
    sha256 = ""
    try:
        content = _content(path)
        sha256 = hashlib.sha256(content).hexdigest()
        image = decoded(content)
    except ImageError as error:
        remedy = _MISSING_REMEDY if error.reason == "image_missing" else ""
        return Picture(sha256, problem=error.reason, detail=error.detail + remedy)
    grey = image.convert("L")
    values = grey.resize((GREY_SIDE, GREY_SIDE), Image.Resampling.BOX).tobytes().hex()
    return Picture(sha256, image.width, image.height, _difference_hash(grey), grey=values)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError("image_missing", f"no file {path}") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise ImageError("image_unreadable", f"{str(path)!r}: {error}") from error


def decoded(content: bytes) -> Image.Image:
    """A file's bytes as a picture; as `load_image`."""
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
    """In sRGB, transparent places white, as in a catalogue."""
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
    """The picture as RGB or RGBA in sRGB; as it is where its profile is sRGB, broken or not for its mode."""
    found = _conversion(profile)
    if found is None:
        return image
    mode, conversion = found
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
    """The mode that a profile is for, and what takes it to sRGB; None where it is sRGB, or broken.

    Relative colorimetric with black point compensation, as browsers and Photoshop do. Whether a profile is
    sRGB is measured and not read: it has many names, and some that have its name are not.
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
    """A picture of nine levels of each of the mode's channels, with all others."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    levels = np.indices((9,) * channels).reshape(channels, 1, -1) * 255 // 8
    return Image.merge(mode, [Image.fromarray(level.astype(np.uint8)) for level in levels])


def _difference_hash(grey: Image.Image) -> str:
    """256 bits: is each of 16×16 places lighter than its left neighbour? In hex.

    By hand, since imagehash, the tests' oracle, would bring PyWavelets for two lines.
    On 6,612 ABO pictures 10 bits or fewer apart are copies, other sizes and other colours of one thing.
    Source: N. Krawetz, "Kind of like that", https://www.hackerfactor.com/blog/?/archives/529-Kind-of-Like-That.html
    """
    small = np.asarray(grey.resize((17, 16), Image.Resampling.LANCZOS), dtype=np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()


def picture_id(sha256: str) -> str:
    """What splits.json knows a picture by."""
    return sha256[:ID_LENGTH]


def picture_url(path: Path) -> str | None:
    """The picture as a data: URL, at most 256 pixels a side; None when it cannot be read."""
    try:
        image = load_image(path)
    except ImageError:
        return None
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()

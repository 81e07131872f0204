"""Names that show that one image was made of another: lamp_flip.jpg, lamp_jpg.rf.0f3a….jpg.

lamp (1).jpg may be a copy, another view or another lamp: such names are only reported.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

# What programs that multiply images append; a number may follow.
_MADE = (
    "aug augmented augmentation flip flipped hflip vflip fliplr flipud mirror mirrored rot rotate rotated "
    "rotation crop cropped bright brighter brightness dark darker contrast blur blurred noise noisy pad "
    "padded gray grey grayscale greyscale jitter shear sheared zoom zoomed scale scaled cutout mosaic hue "
    "saturation sharpen sharpened small resized copy edited"
).split()
_SUFFIX = re.compile(rf"(.+?)((?:[-_. ](?:{'|'.join(_MADE)})(?:[-_ ]?\d+)?)+)", re.IGNORECASE)
_ROBOFLOW = re.compile(r"(.+?)(?:_(?:jpe?g|png|webp|bmp))?\.rf\.[0-9a-z]{8,}", re.IGNORECASE)
_NUMBERED = re.compile(r"(.+?)[ _]?\(\d+\)")
_FEW = 3

StemOf = Callable[[str], tuple[str, bool]]  # name without ending → stem, and whether that left something out


def names_made_of(names: Sequence[str]) -> list[list[int]]:
    """Numbers of those names that are made of one: tied whatever the images look like."""
    return [of_stem for of_stem, is_tied in _stems(names, _source).values() if is_tied and len(of_stem) > 1]


def numbered_apart(split_of: Mapping[str, str]) -> list[str]:
    """A sentence on images whose names differ by (1), (2) and that stand in two splits; [] where none do.

    They are not tied, since renaming a folder's files on Windows gives "photo (1)" to "photo (900)".
    """
    names = sorted(split_of)
    stems = [of_stem for of_stem, is_marked in _stems(names, _unnumbered).values() if is_marked]
    apart = [stem for stem in stems if len({split_of[names[number]] for number in stem}) > 1]
    if not apart:
        return []
    shown = ", ".join(names[number] for number in apart[0][:_FEW])
    return [
        f"{sum(map(len, apart))} images have names that differ by (1), (2) or so and stand in two "
        f"splits ({shown}): where they are copies or views of one thing, tie them (docs/pairs.md)"
    ]


def _stems(names: Iterable[str], stem_of: StemOf) -> dict[str, tuple[list[int], bool]]:
    """Stem → the numbers of its names, and whether one of them has a suffix."""
    numbers_of: dict[str, list[int]] = defaultdict(list)
    marked = set()
    for number, name in enumerate(names):
        stem, has_suffix = stem_of(os.path.splitext(name)[0])  # noqa: PTH122 - a Path costs three times as much
        numbers_of[stem.casefold()].append(number)
        if has_suffix:
            marked.add(stem.casefold())
    return {stem: (numbers, stem in marked) for stem, numbers in numbers_of.items()}


def _source(stem: str) -> tuple[str, bool]:
    if match := _ROBOFLOW.fullmatch(stem):
        return match[1], True
    match = _SUFFIX.fullmatch(stem)
    return (match[1], True) if match else (stem, False)


def _unnumbered(stem: str) -> tuple[str, bool]:
    match = _NUMBERED.fullmatch(stem)
    return (match[1], True) if match else (stem, False)

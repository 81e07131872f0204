"""ICC profiles of known colours, made here by the specification: two RGB spaces, a grey and a press.

Source: ICC.1:2001-04 (version 2), https://www.color.org/icc_specs2.xalter
"""

import itertools
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_D50 = (0.9642, 1.0, 0.8249)
_D65 = (0.3127, 0.3290)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
INKS = {"C": (0, 158, 224), "M": (230, 0, 126), "Y": (255, 237, 0), "K": (30, 30, 30)}  # on paper, in sRGB


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def adobe_rgb() -> bytes:
    return _rgb([(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)], 2.2)


def display_p3() -> bytes:
    return _rgb([(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)], 2.2)


def grey(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def press() -> bytes:
    """Four INKS; two over each other multiply."""
    share = {ink: np.array(colour) / 255 for ink, colour in INKS.items()}
    corners = itertools.product((0, 1), repeat=4)  # the first ink changes slowest
    colours = [
        np.prod([share[i] ** on for i, on in zip("CMYK", corner, strict=True)], 0) for corner in corners
    ]
    swatches = Image.fromarray((np.array(colours)[None] * 255).round().astype(np.uint8))
    steps = bytes(range(256))
    one = _numbers(*np.eye(3).flatten())
    lab = np.stack(
        [*map(np.asarray, swatches.convert("LAB").split())], axis=-1
    ).tobytes()  # a and b from 0, as a table has them
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + one + steps * 4 + lab
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table + steps * 3})


def _rgb(primaries: Sequence[tuple[float, float]], gamma: float) -> bytes:
    matrix = np.array([_xyz(*xy) for xy in primaries]).T
    white = _xyz(*_D65)
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(_BRADFORD @ _D50 / (_BRADFORD @ white)) @ _BRADFORD
    columns = (adapted @ (matrix * np.linalg.solve(matrix, white))).T
    tags = {name + b"XYZ": _point(*column) for name, column in zip((b"r", b"g", b"b"), columns, strict=True)}
    return _profile(
        b"mntr", b"RGB ", b"XYZ ", tags | {name + b"TRC": _curve(gamma) for name in (b"r", b"g", b"b")}
    )


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1, (1 - x - y) / y])


def _numbers(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _point(*xyz: float) -> bytes:
    return b"XYZ " + bytes(4) + _numbers(*xyz)


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    description = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(81)
    tags = {b"desc": description, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": _point(*_D50)} | tags
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    date = struct.pack(">6H", 2025, 1, 1, 0, 0, 0)
    head = b"lcms" + struct.pack(">I", 0x02100000) + kind + space + connection + date + b"acsp" + bytes(28)
    body = head + _numbers(*_D50) + bytes(48) + struct.pack(">I", len(tags)) + table + data
    return struct.pack(">I", 4 + len(body)) + body

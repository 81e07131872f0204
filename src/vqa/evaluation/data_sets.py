"""Whose pictures were judged: drawn here, Amazon Berkeley Objects', or somebody's own."""

import re
from collections.abc import Iterable
from pathlib import Path

from vqa.catalogue.stamp import tree_of

DRAWN = Path("data/demo")  # its pictures are named as ABO's are
_OF_ABO = re.compile(r"[0-9a-f]{8}\.(?:jpg|png)")


def is_abo(root: Path, image_names: Iterable[str]) -> bool:
    """Whether the catalogue at `root`, a tree or what stands for one, is ABO or a part of it, by how Amazon
    names the pictures.
    """
    return tree_of(root).resolve() != DRAWN.resolve() and all(map(_OF_ABO.fullmatch, image_names))

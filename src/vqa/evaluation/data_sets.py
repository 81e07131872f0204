"""Where the evaluated images come from, and their licence.

`data.licence` says it, or else the manifest of the tree (python src manifest). Nothing is guessed.
"""

from pathlib import Path

from vqa.catalogue.manifest import licence_in, read_tree
from vqa.settings import Data

DRAWN = Path("data/demo")  # by the stage demo
ABO = "abo"  # of data.licence: Amazon Berkeley Objects
_OF_ABO, _OF_DRAWN = "cc-by-4.0", "apache-2.0"  # in the hub's spelling


def is_drawn(data: Data) -> bool:
    """Whether the repository drew the images itself."""
    return read_tree(data.root).resolve() == DRAWN.resolve()


def is_abo(data: Data) -> bool:
    """Whether the images are Amazon Berkeley Objects', by their licence setting or manifest."""
    return _said_of(data) == ABO and not is_drawn(data)


def images_licence(data: Data) -> str | None:
    """The licence of the images in the hub's spelling; None where it is not given."""
    if is_drawn(data):
        return _OF_DRAWN
    licence = _said_of(data)
    return _OF_ABO if licence == ABO else licence


def _said_of(data: Data) -> str | None:
    return data.licence or licence_in(data.root)

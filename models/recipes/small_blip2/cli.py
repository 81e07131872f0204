"""Make the small BLIP-2s: from drawings, then from photographs.

    python models/recipes drawings --seed 0 --out models/blip2-tiny
    python models/recipes photographs --root data/abo --splits data/vqa/splits.json

Drawings take about half an hour on one core, photographs an hour and a quarter.

In: `drawings`: nothing, images are drawn at the start; `photographs`: a tree in ABO's layout, of which only
the images in `train` of splits.json are seen, and the model whose image encoder it starts from. Out: a folder
that loads exactly as Salesforce/blip2-opt-2.7b does, with its loss curve. Killed, it continues when started
again. Not a stage: the results are kept in git.
"""

from pathlib import Path
from typing import Annotated

import typer

from small_blip2 import from_drawings, from_photographs
from small_blip2.small_model import IMAGE_SIZE


def drawings(seed: int = 0, out: Path = Path("models/blip2-tiny")) -> None:
    """Pre-train on drawn images."""
    from_drawings.pretrain(out, seed)


def photographs(
    root: Path = Path("data/abo"),
    splits: Path = Path("data/vqa/splits.json"),
    start: str = "models/blip2-tiny",
    out: Path = Path("models/blip2-small"),
    seed: int = 0,
    image_size: Annotated[int, typer.Option(help="pixels a side, a multiple of 8")] = IMAGE_SIZE,
    share: Annotated[float, typer.Option(help="of the steps, to see what time is worth")] = 1.0,
) -> None:
    """Pre-train on photographs, from the image encoder of another model."""
    from_photographs.pretrain(root, splits, start, out, seed, image_size, share)

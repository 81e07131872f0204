"""Draw the embedded catalogue: pictures with known attributes, in ABO's own layout.

    python src/demo.py

In: nothing but params.yaml. Out: data/demo. Costs about 4 ms a picture. With data.root pointing at a
real catalogue this stage plays no part.
"""

import shutil
from pathlib import Path

from vqa.drawn.catalogue import draw_items, write_catalogue
from vqa.foundation.errors import run_command
from vqa.settings import load_settings

OUT = Path("data/demo")


def run() -> None:
    settings = load_settings()
    items = draw_items(settings.demo.images, settings.demo.seed)
    shutil.rmtree(OUT, ignore_errors=True)
    write_catalogue(OUT, items, settings.demo.seed)
    print(f"drew {len(items)} pictures in {OUT}")


if __name__ == "__main__":
    run_command(run)

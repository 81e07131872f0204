"""Draw the embedded catalogue: images with known attributes, in ABO's own layout.

    python src/demo.py

In: nothing but params.yaml. Out: data/demo. Costs about 4 ms an image. With data.root pointing at another
catalogue nothing is drawn, and data/demo says so.
"""

import shutil
from pathlib import Path

from vqa.core.errors import run_stage
from vqa.core.files import whole_file
from vqa.settings import load_settings
from vqa.synthetic.catalogue import draw_items, write_catalogue

OUT = Path("data/demo")
SEED = 0


def run() -> None:
    settings = load_settings()
    shutil.rmtree(OUT, ignore_errors=True)
    if settings.data.root.resolve() != OUT.resolve():
        sentence = f"drew nothing: params.yaml: data.root is {settings.data.root}, not {OUT}"
        with whole_file(OUT / "NOTHING_DRAWN.txt") as file:  # an out that is not there fails the stage
            file.write(f"{sentence}\n")
        print(sentence)
        return
    items = draw_items(settings.demo.images, SEED)
    write_catalogue(OUT, items, SEED)
    print(f"drew {len(items)} images in {OUT}")


if __name__ == "__main__":
    run_stage(run)

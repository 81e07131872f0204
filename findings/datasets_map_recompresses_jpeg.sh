#!/bin/sh
# datasets compresses a JPEG again in every map whose function reads row["image"], also if the function does not
# return it.
#
# Reading the column decodes it in place, and what was decoded is encoded again into the new data set, by
# Pillow's default quality. A map that only reads the width of an image halves the bytes and moves pixels; each
# further one adds to it. A map that does not read the column keeps the bytes.
#
# Versions: datasets 5.2.0, pillow 13.0.0, numpy 2.4.6. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   bytes at the start: 29400
#   map that does not touch the image: greatest and mean difference of a channel (0, 0.0)
#   map that reads image.width and returns it alone: (40, 4.68) bytes 13948
#   mean difference after 1, 2, 3, 4 such maps: [4.68, 5.58, 6.55, 7.49]
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile datasets==5.2.0 pillow==13.0.0 numpy==2.4.6

cat > try.py <<'PY'
import io

import numpy as np
from datasets import Dataset, Features, Image
from datasets.utils.logging import disable_progress_bar
from PIL import Image as Pillow

disable_progress_bar()
noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
file = io.BytesIO()
Pillow.fromarray(noise).resize((256, 256), Pillow.BICUBIC).save(file, "JPEG", quality=95)
start = Dataset.from_dict({"image": [{"bytes": file.getvalue(), "path": None}]}, features=Features({"image": Image()}))


def away(rows):
    first, last = (np.asarray(some[0]["image"], int) for some in (start, rows))
    return int(np.abs(first - last).max()), float(np.abs(first - last).mean().round(2))


def stored(rows):
    return len(rows.with_format("arrow")[:]["image"][0].as_py()["bytes"])


add_constant = away(start.map(lambda row: {"n": 1}))
read_width = start.map(lambda row: {"width": row["image"].width})
print("bytes at the start:", stored(start))
print("map that does not touch the image: greatest and mean difference of a channel", add_constant)
print("map that reads image.width and returns it alone:", away(read_width), "bytes", stored(read_width))
rows, drift = start, []
for turn in range(4):
    rows = rows.map(lambda row: {f"width_{turn}": row["image"].width})
    drift.append(away(rows)[1])
print("mean difference after 1, 2, 3, 4 such maps:", drift)
assert add_constant == (0, 0.0)
assert away(read_width)[0] > 20 and stored(read_width) < stored(start) / 1.5
assert drift == sorted(drift) and drift[-1] > drift[0]
PY
HF_HUB_OFFLINE=1 HF_HOME="$DIR/home" python try.py

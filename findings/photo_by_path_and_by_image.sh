#!/bin/sh
# An image processor of transformers turns a photo upright if it is given the path, and not if it is given the
# opened image.
#
# Phones store photos lying and say in EXIF how to turn them. By path the processor loads the file and applies
# that; an image that was opened by Pillow is taken as it lies. Training by paths and answering by images, or
# the other way round, shows the model turned products.
#
# Versions: transformers 5.23.0, pillow 13.0.0. The script ends with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   by path, away from the upright photo: 0.0
#   opened with Pillow, away from the upright photo: 3.8269808292388916
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile transformers==5.23.0 pillow==13.0.0

cat > try.py <<'PY'
import numpy as np
from PIL import Image, ImageOps
from transformers import CLIPImageProcessorPil

upper_half_white = np.zeros((40, 40, 3), np.uint8)
upper_half_white[:20] = 255
turned = Image.Exif()
turned[0x0112] = 6  # a phone held upright: to be shown turned by 90 degrees
Image.fromarray(upper_half_white).save("photo.jpg", exif=turned)

process = CLIPImageProcessorPil(size={"height": 28, "width": 28}, do_center_crop=False)
pixels = lambda image: np.asarray(process(image, return_tensors="np")["pixel_values"][0])
path, opened = pixels("photo.jpg"), pixels(Image.open("photo.jpg"))
upright = pixels(ImageOps.exif_transpose(Image.open("photo.jpg")))
print("by path, away from the upright photo:", float(np.abs(path - upright).max()))
print("opened with Pillow, away from the upright photo:", float(np.abs(opened - upright).max()))
assert np.array_equal(path, upright) and np.abs(opened - upright).max() > 1
PY
python try.py

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vqa.images import ImageError, content_hash, load_image


def test_every_mode_becomes_upright_rgb(tmp_path: Path) -> None:
    for mode in ("L", "P", "CMYK", "RGBA", "I;16"):
        path = tmp_path / f"{mode.replace(';', '')}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (30, 50)).save(path)
        assert (load_image(path).mode, load_image(path).size) == ("RGB", (30, 50))
    rotated = Image.new("RGB", (30, 50))
    exif = rotated.getexif()
    exif[0x0112] = 6  # turn by 90° to view
    rotated.save(tmp_path / "rotated.jpg", exif=exif)
    assert load_image(tmp_path / "rotated.jpg").size == (50, 30)


def test_sixteen_bits_are_scaled_and_transparency_is_white(tmp_path: Path) -> None:
    gradient = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(gradient).save(tmp_path / "deep.png")
    deep = np.asarray(load_image(tmp_path / "deep.png"))
    assert (deep.min(), deep.max()) == (0, 255)
    assert abs(deep.mean() - 127.5) < 1
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    clear.putpixel((0, 0), (255, 0, 0, 255))
    for image in (clear, clear.quantize()):
        image.save(tmp_path / "clear.png")
        found = load_image(tmp_path / "clear.png")
        assert found.getpixel((5, 5)) == (255, 255, 255)
        assert found.getpixel((0, 0)) == (255, 0, 0)


def test_missing_truncated_and_foreign_files_have_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as missing:
        load_image(tmp_path / "none.jpg")
    assert missing.value.reason == "image_missing"
    whole = tmp_path / "whole.jpg"
    Image.effect_noise((64, 64), 50).save(whole)
    for content in (whole.read_bytes()[:-200], b"no picture", b""):
        (tmp_path / "bad.jpg").write_bytes(content)
        with pytest.raises(ImageError) as unreadable:
            load_image(tmp_path / "bad.jpg")
        assert unreadable.value.reason == ("image_truncated" if len(content) > 20 else "image_unreadable")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of the EXIF data it meets on its way
def test_any_damage_is_a_reason_and_never_a_crash(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 30), "red")
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = 6, "maker" * 20
    image.save(tmp_path / "whole.jpg", exif=exif)
    whole = (tmp_path / "whole.jpg").read_bytes()
    rng = random.Random(0)
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            damaged[rng.randrange(min(400, len(damaged)))] = rng.randrange(256)
        (tmp_path / "damaged.jpg").write_bytes(damaged)
        try:
            assert load_image(tmp_path / "damaged.jpg").mode == "RGB"
        except ImageError as error:
            assert error.reason in ("image_truncated", "image_unreadable")
    with pytest.raises(ImageError, match="image_unreadable"):
        load_image(tmp_path / "a\0.jpg")


def test_equal_bytes_have_equal_hashes(tmp_path: Path) -> None:
    for name, content in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        (tmp_path / name).write_bytes(content)
    hashes = [content_hash(tmp_path / name) for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]

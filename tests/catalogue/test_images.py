import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageCms

import profiles
from vqa.catalogue.images import (
    ENDINGS,
    FORMATS,
    ImageError,
    decoded,
    inspect,
    load_image,
    problem_of_name,
)
from vqa.core.files import content_hash

COLOURS = [(200, 30, 30), (30, 140, 60), (230, 130, 30), (20, 30, 90), (220, 200, 170)]


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def seen(image: Image.Image, form: str = "PNG", **options: Any) -> Any:
    """A pixel of the image once it was saved and decoded."""
    return decoded(saved(image, form, **options)).getpixel((5, 5))


def in_space(colour: tuple[int, int, int], profile: bytes) -> Image.Image:
    """An image whose numbers are `colour` (sRGB) said in the profile's space."""
    plain = Image.new("RGB", (16, 16), colour)
    space = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = ImageCms.profileToProfile(plain, ImageCms.createProfile("sRGB"), space, outputMode="RGB")
    assert converted is not None
    converted.info.clear()  # it is for the test to say whether the profile is saved
    return converted


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
    for content in (whole.read_bytes()[:-200], b"no image", b""):
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


@pytest.mark.parametrize("profile", [profiles.adobe_rgb(), profiles.display_p3()])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_colours_in_another_space_come_out_in_srgb(form: str, profile: bytes) -> None:
    options: dict[str, Any] = {} if form == "TIFF" else {"quality": 100, "lossless": True}
    for colour in COLOURS:
        image = in_space(colour, profile)
        assert seen(image, form, icc_profile=profile, **options) == pytest.approx(colour, abs=8)  # JPEG's
    red = in_space(COLOURS[0], profile)
    assert seen(red, form, **options) != pytest.approx(COLOURS[0], abs=12)  # without it, another colour


def test_pixels_of_an_srgb_image_are_taken_as_they_are() -> None:
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    for profile in (profiles.srgb(), None):
        assert decoded(saved(noise, icc_profile=profile)).tobytes() == noise.tobytes()


def test_a_broken_profile_is_as_none() -> None:
    whole, rng = profiles.adobe_rgb(), random.Random(0)
    image = in_space(COLOURS[0], whole)
    for profile in (b"no profile", whole[:200], whole[:-30]):
        assert seen(image, icc_profile=profile) == image.getpixel((0, 0))
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        assert decoded(saved(image, icc_profile=bytes(damaged))).size == (16, 16)


def test_a_profile_of_another_kind_of_image_is_as_none() -> None:
    plain = Image.new("RGB", (8, 8), COLOURS[0])
    for profile in (profiles.press(), profiles.grey(1.0)):
        assert seen(plain, icc_profile=profile) == COLOURS[0]
    assert seen(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "TIFF", icc_profile=profiles.adobe_rgb()) == (
        0,
        255,
        255,
    )


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_inks_look_as_their_profile_says_and_not_as_pure_light(form: str) -> None:
    for channel, colour in enumerate(profiles.INKS.values()):
        inks = [0, 0, 0, 0]
        inks[channel] = 255
        image = Image.new("CMYK", (16, 16), tuple(inks))
        assert seen(image, form, icc_profile=profiles.press()) == pytest.approx(colour, abs=6)
    assert seen(Image.new("CMYK", (16, 16)), form, icc_profile=profiles.press()) == (255, 255, 255)


def test_grey_follows_its_own_profile_or_one_of_colours() -> None:
    middle = Image.new("L", (8, 8), 100)
    assert seen(middle, icc_profile=profiles.grey(1.0)) == (168,) * 3  # 100/255 of the light, in sRGB's curve
    assert seen(middle, icc_profile=profiles.display_p3()) == (100,) * 3


def test_transparent_and_palette_images_are_converted_too() -> None:
    profile = profiles.adobe_rgb()
    clear = in_space(COLOURS[0], profile).convert("RGBA")
    clear.putpixel((5, 5), (0, 0, 0, 0))
    for image in (clear, clear.quantize(16)):
        found = decoded(saved(image, icc_profile=profile))
        assert found.getpixel((5, 5)) == (255, 255, 255)
        assert found.getpixel((0, 0)) == pytest.approx(COLOURS[0], abs=3)


def test_numbers_whose_white_is_unknown_are_refused_and_not_made_black() -> None:
    ramp = np.tile(np.linspace(0, 1, 16), (16, 1))
    for values in (ramp.astype(np.float32), (ramp * 255).astype(np.int32)):
        with pytest.raises(
            ImageError, match="image_unreadable: its pixels are floating-point, 32-bit or signed"
        ):
            decoded(saved(Image.fromarray(values), "TIFF"))


def tiff(bits: int, photometric: int, row: bytes, width: int) -> bytes:
    """One row of grey, uncompressed."""
    tags = [(256, 4, width), (257, 4, 1), (258, 3, bits), (259, 3, 1), (262, 3, photometric)]
    tags += [(273, 4, 122), (277, 3, 1), (278, 4, 1), (279, 4, len(row))]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    return head + row


def test_deep_grey_is_scaled_by_its_own_white() -> None:
    assert [decoded(tiff(12, 1, b"\xff\xf8\x00", 2)).getpixel((x, 0)) for x in (0, 1)] == [
        (255, 255, 255),
        (128, 128, 128),
    ]
    white_is_zero = tiff(16, 0, struct.pack("<HH", 0, 65535), 2)
    assert decoded(white_is_zero).getpixel((0, 0)) == (255, 255, 255)
    assert decoded(white_is_zero).getpixel((1, 0)) == (0, 0, 0)
    keyed = Image.fromarray(np.full((8, 8), 300, dtype=np.uint16))
    assert seen(keyed) == (1, 1, 1)
    assert seen(keyed, transparency=300) == (255, 255, 255)


def header_of_png(width: int, height: int) -> bytes:
    """An image's first bytes: whoever decodes more finds nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"")


@pytest.mark.parametrize(
    "side", [7_072, 13_000, 20_000, 60_000]
)  # Pillow warns from the second, raises from the third
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_of_more_than_50_megapixels_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(ImageError, match=r"image_too_large: .*more than 50 million pixels; make it smaller"):
        decoded(header_of_png(side, side))
    with pytest.raises(ImageError, match="image_truncated"):
        decoded(header_of_png(7_071, 7_071))


def test_formats_are_those_listed_whatever_the_file_is_called() -> None:
    image = Image.new("RGB", (16, 16), "red")
    for form in FORMATS:
        assert decoded(saved(image, form)).size == (16, 16)
    for form in ("PPM", "ICO", "EPS", "PDF", "TGA", "JPEG2000"):
        with pytest.raises(ImageError, match="image_unreadable: it is none of JPEG, PNG"):
            decoded(saved(image, form))
    registered = {ending for ending, form in Image.registered_extensions().items() if form in FORMATS}
    assert registered == ENDINGS


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_animation_is_its_first_frame(form: str) -> None:
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    red, _, blue = seen(first, form, save_all=True, append_images=[second])
    assert red > 250
    assert blue < 5


FINE = """lamp (1).jpg|men's shoe.jpg|a & b.jpg|x@2x.png|#1.jpg|50%.gif|a..b.jpg|=1.jpeg|[x] {y}.tif|
photo.jfif|x.avif|Größe.JPG|cafe\u0301.png|靴.webp|at 9.41\u202fAM.png|8f5d4670.jpg"""
NOT_FINE = """a/b.jpg|a\\b.jpg|../x.jpg|..x.jpg|..||.jpg|a\0.jpg|a\t.jpg|a\x7f.jpg|a\u2028.jpg|\ud800.jpg|
lamp|lamp.heic|lamp.pdf|lamp.eps|lamp.svg|lamp.jpg.txt"""


@pytest.mark.parametrize("name", FINE.replace("\n", "").split("|"))
def test_a_file_may_be_called(name: str) -> None:
    assert problem_of_name(name) == ""


@pytest.mark.parametrize("name", ["a\n.jpg", *NOT_FINE.replace("\n", "").split("|")])
def test_a_file_may_not_be_called(name: str) -> None:
    assert repr(name) in problem_of_name(name)


def test_the_perceptual_hash_is_imagehash_s(drawings: list[Image.Image], tmp_path: Path) -> None:
    for drawing in drawings:
        drawing.save(tmp_path / "drawing.png")
        assert inspect(tmp_path / "drawing.png").perceptual_hash == str(
            imagehash.dhash(drawing, hash_size=16)
        )

import io
from pathlib import Path

import pytest
from PIL import Image

from vqa.annotators.prompt import attachment
from vqa.catalogue.images import ImageError


def saved(path: Path, kind: str, size: tuple[int, int] = (40, 30), **more: object) -> Path:
    Image.new("RGB", size, "red").save(path, kind, **more)
    return path


@pytest.mark.parametrize(
    ("name", "kind", "mime_type"),
    [
        ("a.jpg", "JPEG", "image/jpeg"),
        ("a.JPEG", "JPEG", "image/jpeg"),
        ("a.PNG", "PNG", "image/png"),
        ("a.jpg", "WEBP", "image/webp"),
        ("a.png", "JPEG", "image/jpeg"),
    ],
)
def test_the_type_is_told_by_the_first_bytes_and_the_file_is_sent_as_it_is(
    tmp_path: Path, name: str, kind: str, mime_type: str
) -> None:
    path = saved(tmp_path / name, kind)
    assert (attachment(path).mime_type, attachment(path).data) == (mime_type, path.read_bytes())


@pytest.mark.parametrize(("kind", "made"), [("GIF", "PNG"), ("BMP", "PNG"), ("TIFF", "PNG")])
def test_what_gemini_does_not_take_becomes_png(tmp_path: Path, kind: str, made: str) -> None:
    found = attachment(saved(tmp_path / "a.jpg", kind))
    image = Image.open(io.BytesIO(found.data))
    assert (found.mime_type, image.format, image.size) == ("image/png", made, (40, 30))
    assert image.getpixel((5, 5)) == (255, 0, 0)


def test_of_a_moving_image_the_first_frame_is_sent(tmp_path: Path) -> None:
    blue = Image.new("RGB", (40, 30), "blue")
    found = attachment(saved(tmp_path / "a.webp", "WEBP", save_all=True, append_images=[blue], lossless=True))
    assert found.mime_type == "image/png"
    assert Image.open(io.BytesIO(found.data)).getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_large_image_is_made_smaller_and_keeps_its_shape_and_kind(tmp_path: Path, kind: str) -> None:
    found = attachment(saved(tmp_path / "a", kind, size=(1600, 800)))
    image = Image.open(io.BytesIO(found.data))
    assert (image.format, image.size) == (kind, (768, 384))


@pytest.mark.parametrize(("content", "reason"), [(None, "image_missing"), (b"no image", "image_unreadable")])
def test_what_cannot_be_decoded_has_a_reason(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError) as raised:
        attachment(path)
    assert raised.value.reason == reason

"""Templates and data → self-contained HTML pages: no network, nothing in the data can become markup."""

import base64
import io
import json
from pathlib import Path
from typing import Any

from vqa.images import ImageError, load_image

_FOLDER = Path(__file__).with_name("templates")
_SIDE = 256  # pixels, at most, of a picture in a page


def page(template: str, data: Any) -> str:
    """`template` (a file of templates/) with the shared style and `data` as JSON in a script element."""
    # "<" as an escape: no cell of a CSV can close the script element or open another.
    content = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return text_of(template).replace("{{style}}", text_of("page.css")).replace("{{data}}", content)


def text_of(template: str) -> str:
    """A file of templates/ as it is."""
    return (_FOLDER / template).read_text(encoding="utf-8")


def picture_url(path: Path) -> str | None:
    """The picture as a data: URL, at most 256 pixels a side; None when it cannot be read."""
    try:
        image = load_image(path)
    except ImageError:
        return None
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()

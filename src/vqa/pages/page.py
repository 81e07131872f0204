"""Templates and data → self-contained HTML pages: no network, nothing in the data can become markup."""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def page(template: str, data: Any) -> str:
    """`template` (a file beside this one) with the shared style and `data` as JSON in a script element."""
    # "<" as an escape: no cell of a CSV can close the script element or open another.
    content = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return text_of(template).replace("{{style}}", text_of("page.css")).replace("{{data}}", content)


def text_of(template: str) -> str:
    """A template as it is."""
    return (_FOLDER / template).read_text(encoding="utf-8")

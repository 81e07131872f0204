"""Templates and values → self-contained HTML pages and Markdown cards: no network; no value is markup."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=select_autoescape(["html.j2"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
# `tojson` writes <, >, & and ' as escapes, so that no text can close a script element or open another.
_TEMPLATES.policies["json.dumps_kwargs"] = {"ensure_ascii": False}


def page(name: str, values: Mapping[str, Any]) -> str:
    """The page or card `name`, such as "report.html", from its template: the file beside this one, with .j2.

    Raises:
        jinja2.UndefinedError: the template wants a value that is not there.
    """
    return _TEMPLATES.get_template(f"{name}.j2").render(values)

"""Fields of a listing → plain values, as ABO writes them and as others do.

Any JSON value may stand at any key: what cannot be read there is no text, never the end of a stage.
"""

import html
from collections.abc import Sequence
from typing import Any

NEUTRAL = ""  # language tag of values that carry none


def image_ids(listing: dict[str, Any]) -> list[str]:
    """The main picture's id and the others', in order."""
    return [image_id for image_id in _ids(listing) if isinstance(image_id, str)]


def has_plain_ids(listing: dict[str, Any]) -> bool:
    """Whether every id that is given is text, so that `image_ids` leaves out none."""
    return all(isinstance(image_id, str) for image_id in _ids(listing) if image_id)


def _ids(listing: dict[str, Any]) -> list[Any]:
    return [listing.get("main_image_id"), *_list_of(listing.get("other_image_id"))]


def product_type_of(value: Any) -> str:
    """ABO documents a string; its files hold a list of {"value"}."""
    first = next(iter(_list_of(value)), None)
    return text_of(first.get("value") if isinstance(first, dict) else first) or "UNKNOWN"


def texts_of(values: Any, languages: Sequence[str]) -> list[str]:
    """Every value in the most preferred language that has any; standardised values come first.

    A value that stands there without a language, as other catalogues write it, is neutral.
    """
    entries = [
        value if isinstance(value, dict) else {"value": value}
        for value in _list_of(values)
        if value is not None
    ]
    for language in [*languages, NEUTRAL]:
        found = []
        for entry in entries:
            tag = text_of(entry.get("language_tag")) or NEUTRAL
            if tag == language or (language and tag.startswith(language + "_")):
                found += [*_list_of(entry.get("standardized_values")), entry.get("value")]
        texts = [html.unescape(text_of(value) or "").strip() for value in found]
        if any(texts):
            return [text for text in texts if text]
    return []


def _list_of(value: Any) -> list[Any]:
    """A list as it is, nothing as an empty one, and what should have been in a list as one of its own."""
    return value if isinstance(value, list) else [] if value is None else [value]


def text_of(value: Any) -> str | None:
    """Text and numbers as text that UTF-8 can hold; None for anything else, which says nothing readable."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()

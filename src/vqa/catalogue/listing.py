"""Fields of a listing → plain values, as ABO writes them and as others do.

Any JSON value may stand at any key: a value that cannot be read counts as no text and stops no stage.
"""

import html
from collections.abc import Sequence
from typing import Any

NEUTRAL = ""  # language tag of values that carry none


def image_ids(listing: dict[str, Any]) -> list[str]:
    """The main image's id and the others', in order."""
    return [image_id for image_id in _ids(listing) if isinstance(image_id, str)]


def has_plain_ids(listing: dict[str, Any]) -> bool:
    """Whether every id that is given is text, so that `image_ids` leaves out none."""
    return all(isinstance(image_id, str) for image_id in _ids(listing) if image_id)


def _ids(listing: dict[str, Any]) -> list[Any]:
    return [listing.get("main_image_id"), *_list_of(listing.get("other_image_id"))]


def product_type(value: Any) -> str:
    """ABO documents a string; its files hold a list of {"value"}."""
    first = next(iter(_list_of(value)), None)
    return text_of(first.get("value") if isinstance(first, dict) else first) or "UNKNOWN"


def texts_of(values: Any, languages: Sequence[str]) -> list[str]:
    """Every value in the most preferred language that has any; standardised values come first.

    A value without a language, as in other catalogues, counts as neutral.
    """
    entries = [
        value if isinstance(value, dict) else {"value": value}
        for value in _list_of(values)
        if value is not None
    ]
    for language in [*languages, NEUTRAL]:
        candidates = []
        for entry in entries:
            tag = text_of(entry.get("language_tag")) or NEUTRAL
            if tag == language or (language and tag.startswith(language + "_")):
                candidates += [*_list_of(entry.get("standardized_values")), entry.get("value")]
        texts = [html.unescape(text_of(value) or "").strip() for value in candidates]
        if any(texts):
            return [text for text in texts if text]
    return []


def _list_of(value: Any) -> list[Any]:
    """A list as it is, None as an empty list, and any other value as a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def text_of(value: Any) -> str | None:
    """Text and numbers as text that UTF-8 can hold; None for any other value."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()

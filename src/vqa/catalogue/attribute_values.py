"""Which cells of a product's attributes say nothing: placeholders, codes, what a thing is not."""

import re

from vqa.pairs.missing_values import is_missing

# Said where nothing is known, in shops' exports; compared without case and outer punctuation.
_PLACEHOLDERS = frozenset(
    """
    na n/a nan nil null none undefined unspecified unknown unclear tbd tbc todo default standard other others
    misc miscellaneous various assorted mixed random any all not_applicable not_specified no_color no_colour
    one_color one_colour default_title as_shown as_pictured see_description see_picture see_image see_photo
    your_choice customer_choice
    """.split()
)
_CODE = re.compile(
    r"#.*|(?:0x)?[0-9a-f]{6}(?:[0-9a-f]{2})?|(?:rgb|hsl|cmyk|ral|pantone)a?\b.*", re.IGNORECASE
)
_NEGATION = re.compile(r"\b(?:not?|without|except|isn't)\b|\bnon\b(?!-)", re.IGNORECASE)


def is_placeholder(text: str) -> bool:
    """Whether a cell says nothing: "N/A", "#VALUE!", "assorted", "-"; an empty one does not ask."""
    words = re.sub(r"[\s_]+", "_", text.strip(" \t\r\n.,;:!?*-–—()[]\"'").casefold())
    return bool(text) and (not words or words in _PLACEHOLDERS or text.lstrip().startswith("#"))


def is_no_text(text: str) -> bool:
    """Whether a name or description says nothing; "#1 Dad mug" is a name, and "#REF!" is none."""
    return is_missing(text) if text.lstrip().startswith("#") else is_placeholder(text)


def says_nothing(text: str) -> bool:
    """Whether no colour, material, pattern or shape is to be read of a cell.

    Besides placeholders: colour codes (#FF0000, RAL 9010), numbers, links and "not black".
    """
    stripped = text.strip()
    return (
        is_placeholder(stripped)
        or _CODE.fullmatch(stripped) is not None
        or _NEGATION.search(stripped) is not None
        or "://" in stripped
        or not re.search(r"[^\W\d_]", stripped)
    )

"""Fields of a listing → plain values, as ABO writes them and as others do.

Any JSON value may stand at any key: a value that cannot be read counts as no text and stops no stage.

Which cells of a product's attributes say nothing: placeholders, codes, what a thing is not. A shop's category
→ a product type as ABO spells it: "Home > Table lamps" is TABLE_LAMP.
"""

import html
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vqa.pairs.answer_normalization import is_missing

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


# How shop software calls a row of its table, and never a thing.
_ROW_TYPES = frozenset(
    """
    simple variable variation variant grouped external affiliate configurable virtual downloadable bundle
    physical digital subscription giftcard gift_card parent child product item default standard
    """.split()
)
# Shelves that hold anything, and whom a thing is for.
_SHELVES = frozenset(
    """
    sale sales new new_arrivals new_in featured bestseller bestsellers best_sellers clearance outlet
    uncategorized uncategorised all all_products products shop store home_page collections gifts gift_ideas
    default_category root_catalog misc miscellaneous other others offers deals promotions
    men mens women womens ladies kids boys girls children baby babies unisex adults
    """.split()
)
# "Summer sale", "New arrivals 2025"
_SHELF = re.compile(r"(?:.+_)?(?:sales?|arrivals|clearance|deals|offers|promotions|collections?)(?:_\d{4})?")
_AS_ABO = re.compile(r"[A-Z0-9]+(?:_[A-Z0-9]+)*")
# Departments that name no one kind of thing, whatever stands above them; and colours, which name none at all.
_DEPARTMENTS = frozenset(
    """
    accessories accessory electronics clothing apparel clothes fashion beauty household housewares hardware
    homeware miscellaneous essentials equipment supplies
    """.split()
)
_COLORS = frozenset(
    """
    beige black blue bronze brown charcoal copper cream gold gray green grey ivory khaki maroon multicolor
    navy orange pink purple red silver tan teal turquoise violet white yellow
    """.split()
)
_REMEMBERED = 1 << 16  # cells: a shop has few categories
_LISTED = re.compile(r"[,;|>\n]")
_LEVELS = re.compile(r"\s*(?:>|/|»|::|→)\s*")
_DASH = re.compile(r"\s[-–—]\s")
_HEAD_ENDS = re.compile(r"[(\[]|\s(?:for|with|without|in|of|from|by)\s", re.IGNORECASE)
_SET_OF = re.compile(r"(?:set|pair|pack|box|lot)s? of\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:['’]s\b)?")
_AND = re.compile(r"\s*(?:&|\+|\band\b)\s*", re.IGNORECASE)

_ONLY_PLURAL = frozenset(
    """
    jeans pants trousers shorts leggings tights glasses sunglasses eyeglasses goggles scissors pliers tongs
    headphones earphones binoculars pajamas pyjamas overalls dungarees clothes briefs chinos joggers culottes
    tweezers knickers panties sweatpants canvas atlas christmas
    """.split()
)
_IRREGULAR = dict(
    pair.split("-")
    for pair in """
    knives-knife shelves-shelf scarves-scarf wolves-wolf loaves-loaf leaves-leaf lenses-lens buses-bus men-man
    women-woman children-child mice-mouse feet-foot teeth-tooth tomatoes-tomato potatoes-potato
    hoodies-hoodie beanies-beanie onesies-onesie cookies-cookie ties-tie neckties-necktie booties-bootie
    brownies-brownie smoothies-smoothie pies-pie zombies-zombie movies-movie canvases-canvas
    """.split()
)


@dataclass(frozen=True)
class Kind:
    """What a category comes to."""

    product_type: str = ""  # as ABO spells it; "" where the cell names no one kind of thing
    others: tuple[str, ...] = ()  # further ones, as deep in the shop's tree, that the cell names
    brands: tuple[str, ...] = ()  # levels that were passed over


@lru_cache(_REMEMBERED)
def product_kind(cell: str, brand: str = "") -> Kind:
    """The head noun of the deepest level, with what stands before it; of several as deep the first.

    A cell that is spelled as ABO spells it stays as it is. Shelves (Sale, New) and a shop's own row types
    (simple, variable) are no kinds, nor are two things at once ("Shirts & Tops"), nor is the row's `brand`.
    """
    text = cell.strip()
    brands = brand_keys(brand)
    if is_placeholder(text):
        return Kind()
    if _key(text) in brands:
        return Kind(brands=(text,))
    if _AS_ABO.fullmatch(text) and text.lower() not in _ROW_TYPES and re.search("[A-Z]", text):
        return Kind(text)
    split = [_levels(part, brands) for part in _categories(text)]
    paths = [path for path, _ in split if path]
    passed_over = tuple(dict.fromkeys(level for _, levels in split for level in levels))
    deepest = max(map(len, paths), default=0)
    types = [found for path in paths if len(path) == deepest if (found := _product_type(path[-1]))]
    distinct = list(dict.fromkeys(types))
    is_apposition = deepest == 1  # "Table lamp, brass"
    return Kind(distinct[0] if distinct else "", () if is_apposition else tuple(distinct[1:]), passed_over)


def brand_keys(cell: str) -> frozenset[str]:
    """What the brands of a cell are compared by: WooCommerce writes several in one."""
    return frozenset(filter(None, (_key(part) for part in _LISTED.split(cell) if not is_placeholder(part))))


def last_level_keys(cell: str) -> frozenset[str]:
    """What the last level of each category of a cell is compared by, as `brand_keys` does."""
    return frozenset(_key(path[-1]) for part in _categories(cell.strip()) if (path := _levels(part)[0]))


def _categories(text: str) -> list[str]:
    """Of a list of categories each; a bar stands between these, or between levels where nothing else does."""
    if "|" in text and not re.search(r"[>/,;\n]", text):
        text = text.replace("|", ">")
    return re.split(r"[,;|\n]", text)


def _levels(category: str, brands: Container[str] = ()) -> tuple[list[str], list[str]]:
    """The levels of one category, without shelves and `brands` at its end; and the brands that were there."""
    levels, passed_over = [level.strip() for level in _LEVELS.split(category) if level.strip()], []
    while levels and ((is_brand := _key(levels[-1]) in brands) or _is_no_kind(levels[-1])):
        level = levels.pop()
        passed_over += [level] * is_brand
    return levels, passed_over


def _is_no_kind(level: str) -> bool:
    key = _key(level)
    return (
        key in _SHELVES | _ROW_TYPES | _COLORS or _SHELF.fullmatch(key) is not None or is_placeholder(level)
    )


def _product_type(level: str) -> str:
    """ "Shoes for women" is SHOE, "Kids - Set of mugs" MUG; "" where it is no one thing."""
    parts = [part for part in _DASH.split(level) if _key(part) not in _SHELVES]
    head = _HEAD_ENDS.split(_SET_OF.sub("", parts[0].strip()))[0] if parts else ""
    if any(_is_plural(part) for part in _AND.split(head)[:-1]):
        return ""  # two things: bags & luggage; but not salt & pepper shakers
    words = [word for word in _WORD.findall(head) if not word.isdigit() and word.lower() != "and"]
    if not words or "_".join(words).lower() in _DEPARTMENTS:
        return ""
    return re.sub(r"['’]", "", "_".join([*words[:-1], singular_noun(words[-1])])).upper()


def _is_plural(text: str) -> bool:
    word = text.rsplit(maxsplit=1)[-1].lower() if text.split() else ""
    return singular_noun(word) != word or word in _ONLY_PLURAL


def singular_noun(word: str) -> str:
    """One of what an English plural names, as an answer says it: shirts → shirt, boxes → box; jeans stay."""
    lower = word.lower()
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    is_singular = len(lower) < 4 or not lower.endswith("s") or lower.endswith(("ss", "us", "is"))
    if is_singular or lower in _ONLY_PLURAL:
        return word
    if lower.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if lower.endswith(("xes", "ches", "shes", "sses", "zzes")) else word[:-1]


def _key(text: str) -> str:
    return "_".join(word.replace("'", "").replace("’", "") for word in _WORD.findall(text.lower()))


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

"""What a question asks for, read from its words: its type, and topics that no image shows.

This is the one list of each: annotators, settings and tests derive from it. It imports no module of ours, so
that settings can import it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

OTHER_TYPE = "other"


@dataclass(frozen=True)
class QuestionType:
    """What a question asks for, and the words that show it."""

    name: str
    words: str  # regular expression of whole words of the question, the way annotators put it
    is_offered: bool = True  # to annotators; others are only inferred


# First match wins.
_TYPES = (
    QuestionType("count", r"how many|number of|count of|count the"),
    QuestionType("color", r"colou?rs?|colou?red|shade|hue|tint"),
    QuestionType(
        "material",
        r"materials?|made (?:of|from|out of)|fabric|metal type|(?:what|which)(?: \w+)? metal",
    ),
    QuestionType("pattern", r"patterns?|patterned|print(?:ed)?|motif|design|decoration"),
    QuestionType("shape", r"shapes?|shaped|outline"),
    QuestionType("texture", r"textures?|textured|surface|finish"),
    QuestionType("size", r"size|large|small|big|tall|long|short|width|height|length|thickness|diameter"),
    QuestionType(
        "position",
        r"where|positions?|positioned|side|located|placed|placement|orientation|facing|above|below|left|"
        r"right|top|bottom|direction|vertical|horizontal",
    ),
    QuestionType("brand", r"brand|logo|manufacturer"),
    QuestionType("comparison", r"same|different|than|compared"),
    QuestionType("style", r"styles?|fit type|ring type", is_offered=False),
    QuestionType("text", r"words?|letters?|text|written|says|says?|read", is_offered=False),
    QuestionType("function", r"used for|purpose|function|use|designed for"),
    QuestionType(
        "category",
        r"(?:type|kind|sort|category) of|what is (?:this|it|shown)|product|object|item|type",
        is_offered=False,
    ),
)
OFFERED_TYPES = tuple(kind.name for kind in _TYPES if kind.is_offered)
_TYPE_PATTERNS = [(kind.name, re.compile(rf"\b(?:{kind.words})\b")) for kind in _TYPES]
_YES_NO = re.compile(r"^(?:is|are|does|do|did|has|have|can|was|were)\b(?!.*\bor\b)")

# Topics that a listing states and an image does not show; found in 42,000 real pairs.
_TOPICS = {
    "brand": re.compile(
        r"\b(?:what|which|whose) (?:brand|manufacturer|company)\b"
        r"|\bwhat(?:'s| is| are) the (?:(?!of\b)[\w'-]+ )*(?:brand|manufacturer)(?: name)?\W*$"
        r"|\bwho (?:made|makes|manufactured|manufactures)\b"
        r"|\bbrand (?:of|is)\b(?! the logo)"
    ),
    "price": re.compile(r"\b(?:price|cost|costs|how much (?:is|does|are)|discount|expensive|msrp)\b"),
    "dimensions": re.compile(
        r"\b(?:dimensions|measurements|wattage|voltage|volume of|capacity|weight of|weigh|how heavy|"
        r"how (?:tall|long|wide|deep|thick) (?:is|are)|"
        r"in (?:inches|inch|feet|cm|mm|ounces|grams|pounds|lbs|mils)|"
        r"many (?:inches|watts|volts|ounces|oz|grams|pounds|lumens|liters|litres))\b|\bweight\W*$"
    ),
    "model_number": re.compile(
        r"\b(?:model (?:number|name|no)|(?:item|part|serial|style|product) (?:number|code)|color code|sku|"
        r"asin|barcode|warranty)\b|\b(?:what|which)(?:'s| is)?(?: the)?(?: [\w'-]+)? model\W*$"
    ),
    "description": re.compile(
        r"\b(?:according to|description|listing|in the name|"
        r"(?:described|mentioned|specified|advertised)(?! on\b))\b"
        r"|\bbased on the (?:name|title|text)\b"
    ),
}
TOPICS = tuple(_TOPICS)


def infer_question_type(question: str) -> str:
    """The question's type inferred from its words, for pairs that came without one."""
    lowered = question.lower()
    for name, pattern in _TYPE_PATTERNS:
        if pattern.search(lowered):
            return name
    return "yes_no" if _YES_NO.match(lowered) else OTHER_TYPE


def find_hidden_topic(question: str, topics: Sequence[str]) -> str | None:
    """The first of `topics`, which no image shows, that the question asks about; None if there is none."""
    lowered = question.lower()
    return next((topic for topic in topics if _TOPICS[topic].search(lowered)), None)

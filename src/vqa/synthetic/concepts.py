"""The world of the drawn catalogue: every attribute value, and what the base model was told about it.

Each concept has the word the catalogue uses and the word pre-training used. Where the two are equal
the base model knows the concept; where pre-training had another phrase the base model has seen the
thing under another name; where it had none the base model has seen it drawn but never named. Only
adaptation can close the second and third kind, so a gain on them is knowledge, not answer format.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Concept:
    """One attribute value: `word` in the catalogue, `base_word` in pre-training (None: never named)."""

    word: str
    base_word: str | None


def _concepts(known: str, renamed: dict[str, str], unnamed: str) -> dict[str, Concept]:
    concepts = [Concept(word, word) for word in known.split()]
    concepts += [Concept(word, base_word) for word, base_word in renamed.items()]
    concepts += [Concept(word, None) for word in unnamed.split()]
    return {concept.word: concept for concept in concepts}


COLORS = _concepts(
    "red green blue yellow black white gray orange",
    {"navy": "dark blue", "pink": "light red", "teal": "blue green", "maroon": "dark red"},
    "purple brown",
)
SHAPES = _concepts("round square oval triangular", {"diamond": "tilted square"}, "hexagonal")
MATERIALS = _concepts("wood metal fabric", {"glass": "see through"}, "leather")
PATTERNS = _concepts("plain striped dotted", {"checked": "squares"}, "zigzag")
PRODUCTS = _concepts("clock mirror pillow rug tray lamp basket bag", {"stool": "small chair"}, "pendant")
COUNTS = _concepts("1 2 3 4", {}, "")

ATTRIBUTES: dict[str, dict[str, Concept]] = {
    "product": PRODUCTS,
    "color": COLORS,
    "shape": SHAPES,
    "material": MATERIALS,
    "pattern": PATTERNS,
    "count": COUNTS,
}

RGB = {
    "red": (208, 32, 36),
    "green": (40, 156, 60),
    "blue": (36, 88, 222),
    "yellow": (242, 212, 40),
    "black": (28, 28, 30),
    "white": (246, 246, 246),
    "gray": (134, 136, 138),
    "orange": (244, 136, 24),
    "navy": (20, 28, 98),
    "pink": (246, 156, 178),
    "teal": (22, 150, 154),
    "maroon": (108, 14, 30),
    "purple": (134, 48, 172),
    "brown": (124, 78, 40),
}

"""Listing attributes → one-word pairs, without a model: what the seller states, asked as a question.

The pairs are free, and exact where attributes are filled in. They do not ask about what only the image shows
nor about an attribute whose text cannot be reduced to one word.
"""

import re
from collections.abc import Iterable, Sequence

from vqa.catalogue.abo import Product
from vqa.catalogue.attribute_values import says_nothing
from vqa.core.seeding import seeded_generator
from vqa.pairs.answer_normalization import american
from vqa.pairs.pair import Pair

# Catalogues write "Dk. Pink" and "100% Cotton": where a text has several words, the one known word
# is the answer; where it has none or two, the attribute is ambiguous and left out.
_COLORS = frozenset(
    """
    beige black blue bronze brown charcoal clear copper cream gold gray green ivory khaki maroon
    multicolor navy olive orange pink purple red rose silver tan teal transparent turquoise violet white
    yellow
    """.split()
)
_MATERIALS = frozenset(
    """
    acrylic aluminum bamboo brass canvas ceramic cotton denim fabric foam glass gold iron jute
    leather linen marble metal nylon paper plastic polycarbonate polyester porcelain rattan rubber
    silicone silk silver steel stone suede velvet vinyl wicker wood wool
    """.split()
)

_KNOWN = {"color": _COLORS, "material": _MATERIALS}

# Question type → how it is asked.
WORDINGS = {
    "category": ["What is shown here?", "Which product is this?", "Name the product."],
    "color": [
        "What color is the {product}?",
        "Which color does the {product} come in?",
        "Name the main color of the {product}.",
    ],
    "shape": [
        "What shape is the {product}?",
        "Which shape does the {product} have?",
        "Name the outline of the {product}.",
    ],
    "material": [
        "What is the {product} made of?",
        "Which material is used for the {product}?",
        "Name the material of the {product}.",
    ],
    "pattern": [
        "What pattern is on the {product}?",
        "Which pattern does the {product} have?",
        "Name the decoration of the {product}.",
    ],
    "count": [
        "How many are shown?",
        "What is the number of pieces?",
        "Count the pieces in the picture.",
    ],
}


def pairs_of(products: Iterable[Product], questions_per_image: int, seed: int) -> list[Pair]:
    """The pairs of all products, as `pairs_of_product` makes them."""
    return [pair for product in products for pair in pairs_of_product(product, questions_per_image, seed)]


def pairs_of_product(product: Product, questions_per_image: int, seed: int) -> list[Pair]:
    """At most `questions_per_image` pairs, one a question type, the same for the same seed."""
    answers = _answers(product)
    rng = seeded_generator(seed, product.image_name)
    types = sorted(answers)
    rng.shuffle(types)
    thing = _category(product.product_type) or "product"
    return [
        Pair(
            image_name=product.image_name,
            question=rng.choice(WORDINGS[question_type]).format(product=thing),
            answer=answers[question_type],
            question_type=question_type,
            source="metadata",
        )
        for question_type in types[:questions_per_image]
    ]


def _answers(product: Product) -> dict[str, str]:
    """Question type → one-word answer, for every attribute that gives one."""
    answers = {
        "category": _category(product.product_type),
        "color": one_word("color", product.color),
        "shape": one_word("shape", product.shape),
        "material": one_word("material", product.material),
        "pattern": one_word("pattern", product.pattern),
        "count": pieces_stated(product),
    }
    return {question_type: answer for question_type, answer in answers.items() if answer}


def one_word(question_type: str, text: str | None) -> str | None:
    """The one word that answers for a text: its only word, or the only known colour or material in it.

    None if the text has no word, if it has several of which not exactly one is known, or if it says nothing
    ("assorted", "#FF0000", "not black").
    """
    if says_nothing(text or ""):
        return None
    matches = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", (text or "").lower())
    words = [american(word) for word in matches]
    known_words = set(words) & _KNOWN.get(question_type, frozenset())
    if len(words) > 1:
        return known_words.pop() if len(known_words) == 1 else None
    return words[0] if words else None


def _category(product_type: str) -> str | None:
    """The head noun of ABO's product type: "CELLULAR_PHONE_CASE" → "case"."""
    word = product_type.rsplit("_", 1)[-1].lower()
    return word if word.isalpha() and word != "unknown" else None


def pieces_stated(product: Product) -> str | None:
    """Pieces in a set, where the name or a bullet says so in so many words."""
    stated = r"\b(?:(?:set|pack) of|number of (?:items|pieces):) (\d{1,2})\b"
    texts: Sequence[str] = [product.name or "", *product.bullets]
    counts = {match for text in texts for match in re.findall(stated, text, re.IGNORECASE)}
    return counts.pop() if len(counts) == 1 else None

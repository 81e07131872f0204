"""What a listing says of its photograph, as captions and as questions in many wordings.

Only the seller's words are used: names, colours, product types. No annotator's question or answer is among
them.
"""

import random
import re
from collections.abc import Sequence

from vqa.annotators.metadata import one_word, pieces_stated
from vqa.catalogue.abo import Product
from vqa.pairs.answer_normalization import american

CAPTIONS, QUESTIONS = 1, 3  # of a photograph in a step
_LONGEST_NAME = 14  # words of a listing's name

# House brands that open a name; what follows says what the thing is.
_BRAND = re.compile(
    r"""^(?:amazon\ ?(?:basics|essentials|collection|commercial)|amazon\ brand\W+(?:stone\ &\ beam|\w+)
    |stone\ (?:&|and)\ beam|ravenna\ home|eono\ essentials|the\ fix|rivet|pinzon|strathwood|solimo)\b\W*""",
    re.VERBOSE,
)
_TOO_WIDE = frozenset(
    """
    accessories accessory art_and_craft_supply bath beauty figure food_service_supply furniture grocery
    hardware health_personal_care home home_bed_and_bath home_furniture_and_decor home_improvement
    home_lighting_and_lamps instrument janitorial_supply kitchen lawn_and_garden multiport_hub
    office_products on outdoor_living pet_supplies portable_electronic_device_cover product
    professional_healthcare sporting_goods supply swatch tools unknown vehicle_safety_camera
    wireless_accessory
    """.split()
)
# Product types that are no word, or several: the words that a name may have for them, the widest last.
_NAMED = {
    "finenecklacebraceletanklet": "bracelet anklet pendant necklace",
    "fineearring": "earring",
    "finering": "ring",
    "fineother": "pendant charm brooch",
    "shoes": "sneaker loafer sandal boot pump slipper oxford mule heel flat shoe",
}
_COLORS = frozenset(
    """
    beige black blue bronze brown burgundy charcoal clear copper cream gold gray green ivory khaki maroon
    multicolor navy nickel olive orange pink purple red silver tan taupe teal turquoise white yellow
    """.split()
)
_SEEN_IN_NAMES = {
    "material": """
    acrylic aluminum bamboo brass canvas ceramic cotton denim fabric foam glass jute leather linen marble
    metal nylon plastic polyester porcelain rattan rubber silicone silk steel stoneware suede velvet
    vinyl wicker wood wool
    """.split(),
    "pattern": "abstract checkered floral geometric paisley plaid quilted solid striped".split(),
    "shape": "cylindrical hexagon oval rectangular round square".split(),
    "style": "classic contemporary industrial modern rustic traditional vintage".split(),
}
_QUESTIONS = {
    "kind": [
        "What is this?",
        "What is shown in the picture?",
        "What kind of product is it",
        "Which object is displayed?",
        "Name the object in the image.",
        "What type of item is this?",
    ],
    "color": [
        "What color is the {thing}?",
        "What is the main color of the {thing}",
        "Which color does the {thing} have?",
        "What is the color of this {thing}?",
        "In which color does this {thing} come?",
        "Name the dominant color.",
    ],
    "material": [
        "What is the {thing} made of?",
        "What material is the {thing} made from",
        "Which material was used for this {thing}?",
        "What does the {thing} consist of?",
        "Name the material of the {thing}.",
    ],
    "pattern": [
        "What pattern does the {thing} have?",
        "Which pattern is on the {thing}",
        "How is the {thing} patterned?",
        "Name the pattern of the {thing}.",
    ],
    "shape": [
        "What shape is the {thing}?",
        "What is the shape of the {thing}",
        "Which shape does this {thing} have?",
        "Name the outline of the {thing}.",
    ],
    "style": [
        "What is the style of the {thing}?",
        "Which style does the {thing} have",
        "In what style is this {thing}?",
    ],
    "count": [
        "How many pieces are in the set?",
        "How many are there",
        "What is the number of items?",
        "How many items belong to this {thing}?",
    ],
    "is_kind": ["Is this {a} {other}?", "Is {a} {other} shown", "Does the picture show {a} {other}?"],
    "is_color": ["Is the {thing} {other}?", "Is this {thing} {other}", "Does the {thing} look {other}?"],
}
_PROMPTS = ["Question: {question} Answer:", "{question} Answer:", "Q: {question} A:"]
ONE_WORD_PROMPT = "Question: {question} Answer in one word:"  # as params.yaml's model.prompt
_LEADS = ["A photo of", "Product photo:", "The picture shows", "This is", "Caption:"]


def kind(product: Product) -> str | None:
    """One word for what it is, from its type or, where that is too wide, from its name."""
    word = product.product_type.lower()
    if word in _NAMED:
        name = f" {' '.join(letters(product.name or ''))} "
        return next((of for of in _NAMED[word].split() if f" {of}" in name), None)
    last = word.rsplit("_", 1)[-1]
    return None if {word, last} & _TOO_WIDE or not last.isalpha() else american(last)


def attributes(product: Product) -> dict[str, str]:
    """Attribute → the one word that the listing has for it; those it has none or several for are left out."""
    words = letters(product.name or "")
    color = one_word("color", product.color)
    answers = {
        "kind": kind(product),
        "color": color if color in _COLORS else None,
        "count": pieces_stated(product),
    }
    for name, known in _SEEN_IN_NAMES.items():
        found = {word for word in words if word in known}
        answers[name] = found.pop() if len(found) == 1 else None
    return {name: answer for name, answer in answers.items() if answer}


def description(product: Product) -> str:
    """The listing's name without its brand, and its colour and type where the name lacks them."""
    name = _name(product)
    more = [*letters(product.color or "")[:2], *(letters(kind(product) or ""))]
    return " ".join(name + [word for word in more if word not in name])


def caption(product: Product, rng: random.Random) -> str:
    """The name, or colour and kind: "black open toe sandal"."""
    what = kind(product)
    if what and rng.random() < 0.4:
        return " ".join([*letters(product.color or "")[:2], what])
    return " ".join(_name(product)) or description(product)


def texts_of(product: Product, others: Sequence[Product], rng: random.Random) -> list[tuple[str, str]]:
    """CAPTIONS captions and QUESTIONS questions, each (prompt, continuation); `others`: what it is not."""
    pairs = [(rng.choice(_LEADS), caption(product, rng)) for _ in range(CAPTIONS)]
    known = attributes(product)
    asked = [name for name in known if name != "kind" or rng.random() < 0.7]
    for name in ("is_kind", "is_color"):
        if name.removeprefix("is_") in known and rng.random() < 0.3:
            asked.append(name)
    rng.shuffle(asked)
    for name in asked[:QUESTIONS]:
        pairs.append(_asked(name, known, others, rng))
    while len(pairs) < CAPTIONS + QUESTIONS:
        pairs.append((rng.choice(_LEADS), caption(product, rng)))
    return pairs


def _asked(
    name: str, known: dict[str, str], others: Sequence[Product], rng: random.Random
) -> tuple[str, str]:
    thing = known.get("kind", "product")
    answer, other = known.get(name, ""), ""
    if name.startswith("is_"):
        about = name.removeprefix("is_")
        elsewhere = [attributes(product).get(about) for product in rng.sample(list(others), 3)]
        wrong = [word for word in elsewhere if word and word != known[about]]
        is_so = not wrong or rng.random() < 0.5
        other, answer = (known[about], "yes") if is_so else (wrong[0], "no")
    article = "an" if other[:1] in "aeiou" else "a"
    question = rng.choice(_QUESTIONS[name]).format(thing=thing, other=other, a=article)
    if rng.random() < 0.7:
        return ONE_WORD_PROMPT.format(question=question), answer
    return rng.choice(_PROMPTS).format(question=question), answer


def letters(text: str) -> list[str]:
    return [american(word) for word in re.findall(r"[a-z]{2,}", text.lower())]


def _name(product: Product) -> list[str]:
    return letters(_BRAND.sub("", (product.name or "").lower()))[:_LONGEST_NAME]

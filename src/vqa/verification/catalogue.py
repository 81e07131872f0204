"""What the catalogue knows of a product, as a witness: agrees with an answer, contradicts it, or is silent.

It knows the whole product and none of its parts: it speaks only where the question asks about nothing
smaller, that is, about "the product" or by a noun of its type or of its name's head.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqa.annotators.metadata import pieces_stated
from vqa.catalogue.abo import Product, read_catalogue
from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair
from vqa.verification.meanings import compared, singular, words_of
from vqa.verification.statement import AGREES, CONTRADICTS, SILENT, Statement

# Answers and words of listings, one a pair → how near their meanings are, 1 for equal ones.
Similarity = Callable[[Sequence[str], Sequence[str]], Sequence[float]]

# What frames a question; what is left names the thing that it asks about.
_FRAME = frozenset(
    """
    a an and any appear appears apparent appearance are be being can category color colors colour colours
    come comes composed construction count decoration depicted described design did displayed do does
    dominant exterior for from general have has here how image in is item items kind made main mainly make
    many material materials motif name number of on out outline overall pattern patterns photo picture piece
    pieces predominant predominantly primarily primary print product products object objects article
    articles see seen seems shape shaped shapes show shown sort the there these this those tint to type used
    visible what which with you
    """.split()
)
_DETERMINERS = frozenset("the this these that those".split())
_OF_PICTURE = re.compile(r" (?:in|on) (?:the|this) (?:picture|image|photo)$")
_LONGEST_MAKER = 3  # words
# Where the head of a listing's name ends: "running shoes for men, black" → "running shoes".
_NAME_HEAD = re.compile(r"[,(|/]| [-–] |\b(?:with|for|in|of|by|set|size|pack)\b")


@dataclass(frozen=True)
class Catalogue:
    """The products by their picture, and the words by which product types name things."""

    products: Mapping[str, Product]
    things: frozenset[str]

    @classmethod
    def of(cls, products: Sequence[Product]) -> "Catalogue":
        things = {singular(_type_words(product)[-1]) for product in products}
        return cls({product.image_name: product for product in products}, frozenset(things))


def of_root(root: Path, languages: Sequence[str], max_listings_per_image: int) -> Catalogue:
    """The catalogue below `root`, as `read_catalogue` reads it; silent where there are no listings."""
    if not (root / "listings").exists():
        return Catalogue.of([])
    return Catalogue.of(read_catalogue(root, languages, max_listings_per_image).products)


def statements(
    pairs: Sequence[Pair], catalogue: Catalogue, similarity: Similarity, least: float
) -> list[Statement]:
    """What the listing of each pair's picture says; silent for a picture that no product is sold by.

    A word that the table of meanings does not know agrees where `similarity` gives it `least` or more with
    what is stated; it never contradicts, since unlike words are often alike in meaning.
    """
    found, doubtful = [], dict[int, str]()
    thing_of = {question: thing_asked_about(question) for question in {pair.question for pair in pairs}}
    for number, pair in enumerate(pairs):
        product = catalogue.products.get(pair.image_name)
        stated = _stated(pair.question_type, thing_of[pair.question], product) if product else ""
        found.append(_statement(pair, product, stated, catalogue.things) if product and stated else SILENT)
        if stated and not found[-1].says and pair.question_type in ("category", "material"):
            doubtful[number] = stated
    answers = [normal_form(pairs[number].answer) for number in doubtful]
    likeness = similarity(answers, list(doubtful.values())) if doubtful else []
    for (number, stated), like in zip(doubtful.items(), likeness, strict=True):
        if like >= least:
            found[number] = Statement(AGREES, f"{pairs[number].question_type}: {stated}")
    return found


def _stated(question_type: str, thing: Sequence[str] | None, product: Product) -> str:
    """What the listing states of what is asked; "" where it states nothing, or a part is asked about."""
    if thing is None or (thing and not _is_product(thing, product)):
        return ""
    if question_type == "category":
        return "" if thing else " ".join(_type_words(product))
    if question_type == "count":
        return pieces_stated(product) or ""
    attributes = {
        "color": product.color,
        "material": product.material,
        "pattern": product.pattern,
        "shape": product.shape,
    }
    return attributes.get(question_type) or ""


def _statement(pair: Pair, product: Product, stated: str, things: frozenset[str]) -> Statement:
    answer = normal_form(pair.answer)
    if pair.question_type == "count":
        says = AGREES if answer == stated else ""  # the picture of a pack often shows one piece of it
    elif pair.question_type == "category":
        says = _of_category(singular(answer), product, things)
    else:
        says = compared(pair.question_type, answer, stated)
    return Statement(says, f"{pair.question_type}: {stated}") if says else SILENT


def _of_category(answer: str, product: Product, things: frozenset[str]) -> str:
    """A type says no to another type's word only where the product's own name bears it out."""
    named = {singular(word) for word in words_of(product.name or "")}
    types = [singular(word) for word in _type_words(product)]
    if answer in types or answer in named:
        return AGREES
    return CONTRADICTS if answer in things and types[-1] in named else ""


def thing_asked_about(question: str) -> list[str] | None:
    """The words of the one thing that a question names, singular; [] where it names none; None for a part."""
    asked = _OF_PICTURE.sub("", question.lower().rstrip(" ?.!"))
    owner, *owned = re.split("['’]s ", asked)  # the suitcase's main color
    if any(word not in _FRAME for part in owned for word in words_of(part)):
        return None
    words = words_of(owner)
    last = max((place for place, word in enumerate(words) if word in _DETERMINERS), default=-1)
    if any(word not in _FRAME for word in words[: last + 1]):
        return None
    thing = words[last + 1 :]
    while thing and thing[-1] in _FRAME:
        thing.pop()
    while thing and thing[0] in _FRAME:
        thing.pop(0)
    return None if not _FRAME.isdisjoint(thing) else [singular(word) for word in thing]


def _is_product(thing: Sequence[str], product: Product) -> bool:
    """Whether these words name the product: the last one its type or its name's head, the others its kind."""
    name = words_of(_without_maker(product.name or ""))
    head = words_of(_NAME_HEAD.split(_without_maker(product.name or ""), maxsplit=1)[0])
    heads = {singular(word) for word in [*_type_words(product)[-1:], *head[-1:]]}
    kinds = {singular(word) for word in [*_type_words(product), *name]}
    return thing[-1] in heads and kinds.issuperset(thing)


def _without_maker(name: str) -> str:
    """ "Amazon Brand – Solimo Office Chair, Black" without what stands before the first dash."""
    first, dash, rest = name.lower().partition(" – " if " – " in name else " - ")
    return rest if dash and len(first.split()) <= _LONGEST_MAKER else first + dash + rest


def _type_words(product: Product) -> list[str]:
    return words_of(product.product_type) or ["unknown"]

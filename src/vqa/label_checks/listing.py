"""The label check by the catalogue: a product's listing agrees with an answer, contradicts it, or abstains.

A listing describes the whole product and none of its parts. The check therefore votes only on questions about
the whole product, which call it "the product", or by a noun of its type or of its name's head.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqa.annotators.metadata import pieces_stated
from vqa.catalogue.abo import Product, read_catalogue
from vqa.label_checks.meanings import compared, singular, words_of
from vqa.label_checks.vote import AGREES, CONTRADICTS, SILENT, Vote
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair

# Answers and words of listings, one each a pair → the similarity of their meanings, 1 for equal ones.
Similarity = Callable[[Sequence[str], Sequence[str]], Sequence[float]]

# Words that frame a question; the others name the thing that it asks about.
_FRAME = frozenset(
    """
    a an and any appear appears apparent appearance are be being can category color colors colour colours
    come comes composed construction count decoration depicted described design did displayed do does
    dominant exterior for from general have has here how image in is item items kind made main mainly make
    many material materials motif name number of on out outline overall pattern patterns photo image piece
    pieces predominant predominantly primarily primary print product products object objects article
    articles see seen seems shape shaped shapes show shown sort the there these this those tint to type used
    visible what which with you
    """.split()
)
_DETERMINERS = frozenset("the this these that those".split())
_OF_IMAGE = re.compile(r" (?:in|on) (?:the|this) (?:picture|image|photo)$")
_LONGEST_MAKER = 3  # words
# Where the head of a listing's name ends: "running shoes for men, black" → "running shoes".
_NAME_HEAD = re.compile(r"[,(|/]| [-–] |\b(?:with|for|in|of|by|set|size|pack)\b")


@dataclass(frozen=True)
class Catalogue:
    """The products by their image, and the words by which product types name things."""

    products: Mapping[str, Product]
    things: frozenset[str]

    @classmethod
    def of(cls, products: Sequence[Product]) -> "Catalogue":
        things = {singular(_type_words(product)[-1]) for product in products}
        return cls({product.image_name: product for product in products}, frozenset(things))


def of_root(root: Path, languages: Sequence[str], max_listings_per_image: int) -> Catalogue:
    """The catalogue below `root`, as `read_catalogue` reads it; an empty one where there are no listings."""
    if not (root / "listings").exists():
        return Catalogue.of([])
    return Catalogue.of(read_catalogue(root, languages, max_listings_per_image).products)


def votes(pairs: Sequence[Pair], catalogue: Catalogue, similarity: Similarity, least: float) -> list[Vote]:
    """Compare each pair with the listing of its image; abstain where no product is sold by the image.

    A word that the table of meanings lacks agrees where its `similarity` with what is stated is `least` or
    more. It never contradicts, since different words often have similar meanings.
    """
    votes_on_pairs, doubtful = [], dict[int, str]()
    thing_of = {question: thing_asked_about(question) for question in {pair.question for pair in pairs}}
    for number, pair in enumerate(pairs):
        product = catalogue.products.get(pair.image_name)
        stated = _stated(pair.question_type, thing_of[pair.question], product) if product else ""
        votes_on_pairs.append(
            _vote(pair, product, stated, catalogue.things) if product and stated else SILENT
        )
        if stated and not votes_on_pairs[-1].says and pair.question_type in ("category", "material"):
            doubtful[number] = stated
    answers = [normalize_answer(pairs[number].answer) for number in doubtful]
    likeness = similarity(answers, list(doubtful.values())) if doubtful else []
    for (number, stated), like in zip(doubtful.items(), likeness, strict=True):
        if like >= least:
            votes_on_pairs[number] = Vote(AGREES, f"{pairs[number].question_type}: {stated}")
    return votes_on_pairs


def _stated(question_type: str, thing: Sequence[str] | None, product: Product) -> str:
    """The value that the listing states; "" if it states none, or if the question is about a part."""
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


def _vote(pair: Pair, product: Product, stated: str, things: frozenset[str]) -> Vote:
    answer = normalize_answer(pair.answer)
    if pair.question_type == "count":
        says = AGREES if answer == stated else ""  # the image of a pack often shows one piece of it
    elif pair.question_type == "category":
        says = _of_category(singular(answer), product, things)
    else:
        says = compared(pair.question_type, answer, stated)
    return Vote(says, f"{pair.question_type}: {stated}") if says else SILENT


def _of_category(answer: str, product: Product, things: frozenset[str]) -> str:
    """Another type's word is contradicted only where the product's own name holds its type."""
    named = {singular(word) for word in words_of(product.name or "")}
    types = [singular(word) for word in _type_words(product)]
    if answer in types or answer in named:
        return AGREES
    return CONTRADICTS if answer in things and types[-1] in named else ""


def thing_asked_about(question: str) -> list[str] | None:
    """The words of the one thing that a question names, singular; [] where it names none; None for a part."""
    asked = _OF_IMAGE.sub("", question.lower().rstrip(" ?.!"))
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
    """Whether these words name the product: the last by its type or name's head, the others by its kind."""
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

"""Which words mean the same colour, material, pattern or shape: a small table, and comparisons by it.

A line is a basic word with other words for it, then the words for kinds of it; a kind may stand in several
lines. Navy is a kind of blue: a navy thing is blue, but a blue one need not be navy; and of navy and teal,
both kinds of blue, neither proves the other wrong.
"""

import re
from collections import defaultdict
from dataclasses import dataclass

from vqa.label_checks.vote import AGREES, CONTRADICTS
from vqa.pairs.answer_normalization import american

_COLORS = """
black schwarz: ebony onyx jet coal espresso wenge charcoal graphite anthracite oil rubbed midnight
white off weiss: ivory snow pearl cream eggshell chalk alpine milk platinum
gray grau: silver charcoal graphite anthracite slate smoke smog ash pewter dove stone steel stainless chrome
 nickel platinum aluminum titanium sterling metal metallic heather fog concrete taupe zinc coal
silver silber: chrome nickel steel stainless sterling platinum aluminum pewter metal metallic
blue blau: navy indigo cobalt azure sapphire royal denim teal turquoise aqua aquamarine cyan midnight sky
 marine petrol topaz bluehaze
green: olive sage emerald mint lime teal turquoise aqua aquamarine seafoam khaki army forest moss hunter
 pistachio peridot
red: burgundy maroon crimson scarlet wine ruby cherry bordeaux garnet brick rust berry cranberry merlot coral
brown braun: chocolate espresso walnut mocha chestnut coffee tan taupe camel cognac wenge oak teak mahogany
 cherry bronze copper saddle honey caramel khaki sienna cinnamon rust tortoise barnwood driftwood acacia
 maple pine sand amber brandy pecan cedar acorn wood wooden burgundy maroon bordeaux
beige biege: tan cream ivory ecru taupe camel nude sand linen oatmeal khaki oak maple pine champagne off stone
 driftwood sonoma honey blush
pink: rose blush fuchsia magenta peach coral salmon dusty petal copper
purple: violet lavender plum lilac amethyst mauve burgundy magenta eggplant wine iris fuchsia
yellow: gold golden mustard lemon canary citrine amber honey
gold golden: brass champagne bronze rose
orange: coral peach apricot copper rust amber terracotta pumpkin
clear transparent: translucent crystal glass frosted
"""
_MATERIALS = """
metal metallic: steel stainless iron aluminum brass chrome copper zinc bronze alloy nickel silver gold
 platinum titanium tin sterling
wood wooden: oak walnut pine bamboo teak plywood mahogany mdf birch maple rubberwood acacia beech
 particleboard
fabric textile cloth: cotton polyester linen velvet wool canvas nylon denim microfiber fleece satin silk
 jute felt mesh suede chenille rayon knit spandex viscose terry flannel
plastic: acrylic polycarbonate polypropylene abs pvc vinyl polyethylene polyurethane tpu resin petg melamine
 acetate
leather: suede leatherette pu nubuck polyurethane
glass: crystal
ceramic: porcelain stoneware earthenware clay china
rubber: silicone latex gum neoprene eva
stone: marble granite slate quartz
paper: cardboard paperboard
wicker: rattan cane seagrass
foam:
"""
_PATTERNS = """
plain solid none unicolor:
striped stripe stripes lines:
dotted dots dot spotted: polka
checked checkered check checks: plaid gingham tartan buffalo
floral flower flowers flowery: botanical leaves leaf
zigzag chevron: herringbone
geometric geo: triangles squares hexagons diamonds diamond lattice trellis checked striped zigzag dotted
animal: leopard zebra snake cow cowhide
abstract: marble marbled watercolor
"""
_SHAPES = """
round circle circular disc disk: sphere spherical ball
oval elliptical ellipse:
rectangular rectangle oblong:
square: cube cubic
triangular triangle:
diamond rhombus:
hexagonal hexagon:
cylindrical cylinder: tube
heart hearts:
star stars:
"""
# Words in a listing's colour which show that it is not one colour, or not that of the whole thing ("red
# speckled"; the soft white of a bulb's light), so that it cannot prove another colour wrong.
_MANY_COLORS = frozenset(
    """
    multi multicolor multicolored multipack assorted mixed others other print
    printed plaid stripe stripes striped floral pattern patterned set pack pcs two tri design rainbow pastel
    neon leopard camo dots watercolor various tone patterns and with
    speckled circle flower flowers crosshatch soft warm cool daylight
    """.split()
)


@dataclass(frozen=True)
class Meanings:
    """Of one attribute: each word's basic form, and the basic words that it is a kind of."""

    basic: dict[str, str]  # "grau" → "gray"; basic words and other words for them only
    kinds: dict[str, frozenset[str]]  # "teal" → blue and green

    def of(self, word: str) -> frozenset[str]:
        """The basic words that a word is, or is a kind of; none for an unknown one."""
        is_basic = {self.basic[word]} if word in self.basic else set[str]()
        return frozenset(is_basic) | self.kinds.get(word, frozenset())

    def are_near(self, one: str, other: str) -> bool:
        """Whether both may be said of one thing: two kinds of a basic word, or a kind and its basic word.

        Striped and checked are both geometric, but basic words themselves: not near.
        """
        shared = self.of(one) & self.of(other)
        if one in self.basic and other in self.basic:
            return not shared.isdisjoint({self.basic[one], self.basic[other]})
        return bool(shared)


def _meanings(table: str) -> Meanings:
    basic: dict[str, str] = {}
    kinds: dict[str, set[str]] = defaultdict(set)
    for names, words in re.findall(r"^([\w ]+):((?:.|\n )*)$", table, re.MULTILINE):
        first = names.split()[0]
        basic |= dict.fromkeys(names.split(), first)
        for word in words.split():
            kinds[word].add(first)
    return Meanings(basic, {word: frozenset(basics) for word, basics in kinds.items()})


# By question type.
MEANINGS = {
    "color": _meanings(_COLORS),
    "material": _meanings(_MATERIALS),
    "pattern": _meanings(_PATTERNS),
    "shape": _meanings(_SHAPES),
}


def words_of(text: str) -> list[str]:
    """Words and numbers in lower case and one spelling."""
    return [american(word) for word in re.findall(r"[^\W\d_]+|\d+", text.lower())]


def compared(question_type: str, answer: str, stated: str) -> str:
    """AGREES or CONTRADICTS, by what a listing states of an attribute and a one-word answer; "" for neither.

    One of several stated words is enough to agree. To contradict, the table must know the answer and a stated
    word, and none of these may be near it.
    """
    words, meanings = words_of(stated), MEANINGS[question_type]
    answer = next(iter(words_of(answer)), "")
    in_table = [word for word in words if meanings.of(word)]
    if answer in words or any(meanings.basic.get(answer) in meanings.of(word) for word in in_table):
        return AGREES
    is_many = question_type == "color" and not _MANY_COLORS.isdisjoint(words)
    if not meanings.of(answer) or not in_table or is_many:
        return ""
    return "" if any(meanings.are_near(answer, word) for word in in_table) else CONTRADICTS


def singular(word: str) -> str:
    """A noun as it is looked up: shoes and shoe, boxes and box, accessories and accessory."""
    if len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return word
    if word.endswith("ies"):
        return word.removesuffix("ies") + "y"
    return word.removesuffix("es" if word.endswith(("xes", "ches", "shes", "sses")) else "s")

"""Draw one product image from its attributes: a pure function of (item, size, random generator).

Everything that is not an attribute is jittered (place, scale, tilt, tint, light, background), so that no two
images are equal and no attribute can be read off another.

First, the drawn catalogue's concepts: each attribute value has the word the catalogue uses and the one that
pre-training used, or none. Only adaptation can teach those that differ, so a gain on them is knowledge.
"""

import itertools
import math
import random
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter


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


Point = tuple[float, float]
Color = tuple[int, int, int]

# Item centres and radii as shares of the image side; few and large enough to stay legible at 96 px.
_LAYOUTS: dict[str, tuple[list[Point], float]] = {
    "1": ([(0.5, 0.5)], 0.27),
    "2": ([(0.27, 0.5), (0.73, 0.5)], 0.17),
    "3": ([(0.5, 0.26), (0.26, 0.72), (0.74, 0.72)], 0.155),
    "4": ([(0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)], 0.145),
}
_SUPERSAMPLING = 2  # draw larger and shrink: PIL's own lines are not anti-aliased


@dataclass(frozen=True)
class Item:
    """The attribute words of one drawn image; each is a key of its table in `ATTRIBUTES`."""

    product: str
    color: str
    shape: str
    material: str
    pattern: str
    count: str


def image(item: Item, size: int, rng: random.Random) -> Image.Image:
    """RGB image `[size, size]` of `item.count` equal things on a light background."""
    side = size * _SUPERSAMPLING
    background = tuple(rng.randint(214, 242) for _ in range(3))
    canvas = Image.new("RGB", (side, side), background)
    body_color = _jittered(RGB[item.color], 9, rng)
    centres, radius = _LAYOUTS[item.count]
    radius *= side * rng.uniform(0.9, 1.08)
    for x, y in centres:
        centre = (side * (x + rng.uniform(-0.03, 0.03)), side * (y + rng.uniform(-0.03, 0.03)))
        _draw_thing(canvas, item, centre, radius, body_color, rng)
    canvas = canvas.rotate(rng.uniform(-6, 6), Image.Resampling.BILINEAR, fillcolor=background)
    light = rng.uniform(0.94, 1.05)
    return canvas.point(lambda value: min(255, int(value * light))).resize((size, size), Image.Resampling.BOX)


def _draw_thing(
    canvas: Image.Image, item: Item, centre: Point, r: float, color: Color, rng: random.Random
) -> None:
    outline = _outline(item.shape, centre, r)
    edge = _shade(color, 0.55) if sum(color) > 150 else (90, 90, 92)
    _draw_parts_behind(ImageDraw.Draw(canvas), item.product, centre, r, edge)
    mask = Image.new("L", canvas.size, 0)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    surface = Image.new("RGB", canvas.size, color)
    _paint_pattern(ImageDraw.Draw(surface), item.pattern, centre, r, _contrast(color), rng)
    surface = _with_finish(surface, canvas, item.material, centre, r, rng)
    canvas.paste(surface, (0, 0), mask)
    draw = ImageDraw.Draw(canvas)
    width = max(2, int(r * 0.07))
    draw.line([*outline, outline[0]], fill=edge, width=width, joint="curve")
    if item.material == "leather":
        _draw_stitches(draw, _outline(item.shape, centre, r * 0.84), r)
    if item.material == "fabric":
        _draw_frayed_edge(draw, outline, centre, r, color)
    _draw_parts_in_front(draw, item.product, centre, r, edge)


def _outline(shape: str, centre: Point, r: float) -> list[Point]:
    """Closed polygon of the body, in pixels."""
    x, y = centre
    if shape in ("round", "oval"):
        squeeze = 0.62 if shape == "oval" else 1.0
        steps = [2 * math.pi * i / 48 for i in range(48)]
        return [(x + r * math.cos(a), y + r * squeeze * math.sin(a)) for a in steps]
    corners, first_angle, scale = {
        "square": (4, 45, 1.22),
        "diamond": (4, 0, 1.12),
        "triangular": (3, -90, 1.2),
        "hexagonal": (6, 0, 1.06),
    }[shape]
    angles = [math.radians(first_angle + 360 * i / corners) for i in range(corners)]
    return [(x + scale * r * math.cos(a), y + scale * r * math.sin(a)) for a in angles]


def _paint_pattern(
    draw: ImageDraw.ImageDraw, pattern: str, centre: Point, r: float, color: Color, rng: random.Random
) -> None:
    """Fill the square around `centre` with the pattern; the caller cuts it to the body's outline."""
    x0, y0 = centre[0] - 1.4 * r, centre[1] - 1.4 * r
    step = r * rng.uniform(0.46, 0.54)
    for i in range(7):
        y = y0 + i * step
        if pattern == "striped":
            draw.rectangle([x0, y, x0 + 2.8 * r, y + step * 0.42], fill=color)
        if pattern == "zigzag":
            teeth = [(x0 + j * step / 2, y + (step * 0.5 if j % 2 else 0)) for j in range(13)]
            draw.line(teeth, fill=color, width=max(2, int(r * 0.11)), joint="curve")
        for j in range(7):
            x = x0 + j * step
            if pattern == "dotted":
                shift = step / 2 if i % 2 else 0
                dot = step * 0.27
                draw.ellipse([x + shift - dot, y - dot, x + shift + dot, y + dot], fill=color)
            if pattern == "checked" and (i + j) % 2:
                draw.rectangle([x, y, x + step, y + step], fill=color)


def _with_finish(
    surface: Image.Image,
    behind: Image.Image,
    material: str,
    centre: Point,
    r: float,
    rng: random.Random,
) -> Image.Image:
    """The body's surface as its material shows it: grain, shine, weave, see-through, or plain hide."""
    x, y = centre
    overlay = Image.new("L", surface.size, 0)
    draw = ImageDraw.Draw(overlay)
    if material == "wood":
        for i in range(9):
            level = y - 1.2 * r + i * r * 0.3
            phase = rng.uniform(0, 6)
            grain = [(x + r * (t / 6 - 1.3), level + r * 0.09 * math.sin(t * 0.9 + phase)) for t in range(17)]
            draw.line(grain, fill=150, width=max(2, int(r * 0.05)))
        return Image.composite(Image.new("RGB", surface.size, (58, 34, 14)), surface, overlay)
    if material == "metal":
        shift = rng.uniform(-0.25, 0.25) * r
        for offset, strength in ((-0.55, 150), (0.0, 225), (0.55, 120)):
            left = x + shift + offset * r
            draw.line([(left - r, y + 1.4 * r), (left + r, y - 1.4 * r)], strength, int(r * 0.26))
        overlay = overlay.filter(ImageFilter.GaussianBlur(r * 0.09))
        return Image.composite(Image.new("RGB", surface.size, (255, 255, 255)), surface, overlay)
    if material == "fabric":
        for i in range(-14, 15):
            at = i * r * 0.2
            draw.line([(x + at - 1.4 * r, y - 1.4 * r), (x + at + 1.4 * r, y + 1.4 * r)], 95, 2)
            draw.line([(x + at + 1.4 * r, y - 1.4 * r), (x + at - 1.4 * r, y + 1.4 * r)], 95, 2)
        return Image.composite(Image.new("RGB", surface.size, (96, 96, 96)), surface, overlay)
    if material == "glass":
        surface = Image.blend(surface, behind, 0.42)
        draw.ellipse([x - 0.62 * r, y - 0.66 * r, x - 0.12 * r, y - 0.3 * r], fill=235)
        return Image.composite(Image.new("RGB", surface.size, (255, 255, 255)), surface, overlay)
    grain_size = (surface.width // 4, surface.height // 4)
    noise = Image.frombytes("L", grain_size, rng.randbytes(grain_size[0] * grain_size[1]))
    mottled = noise.point(lambda value: 83 + value * 90 // 255).resize(surface.size).convert("RGB")
    return ImageChops.overlay(surface, mottled)


def _draw_stitches(draw: ImageDraw.ImageDraw, outline: list[Point], r: float) -> None:
    """A light dashed seam just inside the edge."""
    for (x0, y0), (x1, y1) in zip(outline, [*outline[1:], outline[0]], strict=True):
        dashes = max(1, round(math.hypot(x1 - x0, y1 - y0) / (r * 0.26)))
        for i in range(dashes):
            a, b = i / dashes, (i + 0.55) / dashes
            start = (x0 + (x1 - x0) * a, y0 + (y1 - y0) * a)
            end = (x0 + (x1 - x0) * b, y0 + (y1 - y0) * b)
            draw.line([start, end], fill=(250, 226, 160), width=max(2, int(r * 0.07)))


def _draw_frayed_edge(
    draw: ImageDraw.ImageDraw, outline: list[Point], centre: Point, r: float, color: Color
) -> None:
    """Short threads that stand out from the edge."""
    for (x0, y0), (x1, y1) in zip(outline, [*outline[1:], outline[0]], strict=True):
        threads = max(1, round(math.hypot(x1 - x0, y1 - y0) / (r * 0.13)))
        for i in range(threads):
            x, y = x0 + (x1 - x0) * i / threads, y0 + (y1 - y0) * i / threads
            away = math.hypot(x - centre[0], y - centre[1]) or 1.0
            dx, dy = (x - centre[0]) / away * r * 0.13, (y - centre[1]) / away * r * 0.13
            draw.line([(x, y), (x + dx, y + dy)], fill=_shade(color, 0.8), width=2)


def _draw_parts_behind(draw: ImageDraw.ImageDraw, product: str, centre: Point, r: float, edge: Color) -> None:
    """Legs, handles and cords that make the body a stool, a bag or a lamp."""
    x, y = centre
    w = max(2, int(r * 0.1))
    lines: dict[str, list[tuple[Point, Point]]] = {
        "lamp": [((x, y), (x, y + 1.55 * r))],
        "stool": [((x + lean * 0.5 * r, y), (x + lean * r, y + 1.6 * r)) for lean in (-0.8, 0.0, 0.8)],
        "bag": [
            ((x - 0.42 * r, y), (x - 0.42 * r, y - 1.5 * r)),
            ((x + 0.42 * r, y), (x + 0.42 * r, y - 1.5 * r)),
            ((x - 0.42 * r, y - 1.5 * r), (x + 0.42 * r, y - 1.5 * r)),
        ],
        "pendant": [((x + side * 0.95 * r, y - 1.65 * r), (x, y - 0.8 * r)) for side in (-1, 1)],
    }
    for line in lines.get(product, []):
        draw.line(line, fill=edge, width=w)
    if product == "lamp":
        draw.rectangle([x - 0.5 * r, y + 1.45 * r, x + 0.5 * r, y + 1.6 * r], fill=edge)
    if product == "basket":
        draw.arc([x - 0.85 * r, y - 1.65 * r, x + 0.85 * r, y + 0.6 * r], 180, 360, edge, w)
    if product == "tray":
        for cx in (x - 1.15 * r, x + 1.15 * r):
            draw.ellipse([cx - 0.3 * r, y - 0.4 * r, cx + 0.3 * r, y + 0.4 * r], None, edge, w)
    if product == "rug":
        for fy in (y + (i - 4) * 0.2 * r for i in range(9)):
            draw.line([(x - 1.5 * r, fy), (x + 1.5 * r, fy)], fill=edge, width=max(2, w // 2))
    if product == "pillow":
        for sx, sy in itertools.product((-0.95, 0.95), repeat=2):
            cx, cy = x + sx * r, y + sy * r
            draw.ellipse([cx - 0.2 * r, cy - 0.2 * r, cx + 0.2 * r, cy + 0.2 * r], fill=edge)


def _draw_parts_in_front(
    draw: ImageDraw.ImageDraw, product: str, centre: Point, r: float, edge: Color
) -> None:
    """The dial that makes the body a clock, the looking-glass that makes it a mirror."""
    x, y = centre
    d = 0.42 * r
    if product == "clock":
        draw.ellipse([x - d, y - d, x + d, y + d], fill=(250, 250, 248), outline=edge, width=2)
        draw.line([(x, y), (x, y - 0.32 * r)], fill=(20, 20, 20), width=max(2, int(r * 0.08)))
        draw.line([(x, y), (x + 0.24 * r, y)], fill=(20, 20, 20), width=max(2, int(r * 0.08)))
    if product == "mirror":
        draw.rectangle([x - d, y - d, x + d, y + d], fill=(196, 216, 228), outline=edge, width=2)
        draw.line([(x - d, y + d), (x + d, y - d)], fill=(252, 252, 252), width=max(2, int(r * 0.1)))


def _jittered(color: Color, amount: int, rng: random.Random) -> Color:
    r, g, b = (min(255, max(0, channel + rng.randint(-amount, amount))) for channel in color)
    return r, g, b


def _shade(color: Color, factor: float) -> Color:
    r, g, b = (int(channel * factor) for channel in color)
    return r, g, b


def _contrast(color: Color) -> Color:
    """Pattern colour: dark on light bodies, light on dark ones."""
    luminance = 0.3 * color[0] + 0.59 * color[1] + 0.11 * color[2]
    return (70, 70, 74) if luminance > 150 else (226, 226, 222)

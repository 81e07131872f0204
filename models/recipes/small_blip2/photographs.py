"""Real product photographs and what their listings say of them: words, captions, questions."""

import random
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from small_blip2.captions import ONE_WORD_PROMPT, SENTENCE_PROMPT
from vqa.annotators.metadata import pairs_of_product
from vqa.catalogue.abo import MOST_LISTINGS, Product, image_path, read_catalogue
from vqa.catalogue.images import image_id_of_content, load_image
from vqa.core.files import content_hash
from vqa.core.progress import progress_bar
from vqa.vlm.blip2 import Blip2ImageEncoder

LEAST_USES = 15  # listings that a word must be in to be learnt by sight
_HELD, _SMALLEST_CROP = 7 / 6, 3 / 4  # of the side the model sees: crops between them are seen
_BRAND = re.compile(r"^(?:amazon brand\W+)?[\w&. ]{2,20}\W+(?=\w)")
_NOT_SEEN = frozenset("a an and by for from in of on or the to us with uk eu size inch cm pack set x".split())


@dataclass(frozen=True)
class Photograph:
    """A product, its image's id in splits.json, and the words its listing has for it."""

    product: Product
    image: str
    words: tuple[str, ...]


def read_photographs(root: Path, images: Collection[str]) -> list[Photograph]:
    """Products of an ABO tree whose image is among `images` (ids as in splits.json), by name."""
    photographs = []
    for product in read_catalogue(root, ["en_US", "en"], MOST_LISTINGS).products:
        image = image_id_of_content(content_hash(image_path(root, product.image_name)))
        if image in images:
            photographs.append(Photograph(product, image, _words_of(product)))
    return photographs


def frequent_words(photographs: Sequence[Photograph]) -> list[str]:
    """Words of at least LEAST_USES listings, the commonest first."""
    uses = Counter(word for photograph in photographs for word in set(photograph.words))
    return [word for word, count in uses.most_common() if count >= LEAST_USES and word not in _NOT_SEEN]


def caption(product: Product, rng: random.Random) -> str:
    """The listing's name without its brand, or its colour and kind: "black open toe sandal"."""
    name = [word for word in _letters(_BRAND.sub("", product.name or "")) if word]
    if name and rng.random() < 0.5:
        return " ".join(name[:12])
    kind = _letters(product.product_type)
    return " ".join([*_letters(product.color or "")[:2], *kind])


def question_and_answer(product: Product, rng: random.Random) -> tuple[str, str]:
    """A prompt and its answer, from the listing's attributes; one word or a sentence, as the prompt asks."""
    pair = rng.choice(pairs_of_product(product, 5, seed=0) or [None])
    if pair is None:
        return "", caption(product, rng)
    if rng.random() < 0.7:
        return ONE_WORD_PROMPT.format(question=pair.question), pair.answer
    return SENTENCE_PROMPT.format(question=pair.question), f"it is {pair.answer}"


def pixels_of(photographs: Sequence[Photograph], root: Path, encoder: Blip2ImageEncoder, side: int) -> Tensor:
    """`[photographs, 3, H, W]` fp16, normalised; somewhat larger than the `side` the model sees."""
    rows = []
    with progress_bar(len(photographs), "image", "decoding") as progress:
        for photograph in photographs:
            image = load_image(image_path(root, photograph.product.image_name))
            rows.append(encoder.pixels([image], side=round(_HELD * side))[0].half())
            progress.update()
    return torch.stack(rows)


def seen(pixels: Tensor, side: int, step: int) -> Tensor:
    """A crop of the batch `[B, 3, H, W]`, mirrored every other step, at `side` pixels; colours stay."""
    rng = random.Random(step)
    held = pixels.shape[-1]
    size = rng.randint(round(_SMALLEST_CROP * side), held)
    top, left = rng.randint(0, held - size), rng.randint(0, held - size)
    crop = pixels[:, :, top : top + size, left : left + size].float()
    crop = interpolate(crop, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return crop.flip(3) if step % 2 else crop


def _words_of(product: Product) -> tuple[str, ...]:
    texts = (product.name, product.color, product.material, product.pattern, product.shape)
    words = [word for text in texts for word in _letters(text or "")]
    return tuple(words + _letters(product.product_type))


def _letters(text: str) -> list[str]:
    return re.findall(r"[a-z]{2,}", text.lower())

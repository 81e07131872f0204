"""Amazon Berkeley Objects on disk → products. The only file that knows ABO's layout.

    listings/metadata/listings_*.json.gz   one product a line
    images/metadata/images.csv.gz          image_id,height,width,path
    images/small/<2 hex>/<8 hex>.jpg       at most 256 pixels a side

The .gz files are read unpacked too, as mirrors ship them; of two that lie side by side the packed one.

ABO: Collins et al. 2022, https://amazon-berkeley-objects.s3.amazonaws.com/index.html
"""

import csv
import gzip
import json
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from vqa.catalogue.attribute_values import has_plain_ids, image_ids, product_type, text_of, texts_of
from vqa.catalogue.images import problem_of_name
from vqa.core.errors import InputError
from vqa.core.files import as_on_disk
from vqa.core.seeding import seeded_rank
from vqa.pairs.pair import parse_image_name

MOST_LISTINGS = 20  # an image on more than these is boilerplate
_DAMAGE = (OSError, EOFError, zlib.error, ValueError, RecursionError)  # what a damaged file raises


@dataclass(frozen=True)
class Product:
    """One listing with the image it is sold by; texts are in the preferred language, or None."""

    item_id: str
    image_name: str  # "8f5d4670.jpg"; the file is image_path(root, image_name)
    product_type: str  # "CELLULAR_PHONE_CASE"
    name: str | None
    color: str | None
    material: str | None
    pattern: str | None
    shape: str | None
    description: str | None
    bullets: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """Products, one for each image, in an order that no file order changes; and what was left out."""

    products: list[Product]
    left_out: dict[str, int]  # reason → listings


@dataclass(frozen=True)
class Listings:
    """What all listings state about the images that they name."""

    types: dict[str, str]  # image name → product type
    together: list[list[str]]  # names of the images that a product's listings tie: two or more each
    read: int  # listings
    with_unknown_images: int  # listings with an image_id that images.csv lacks, or that is no text

    def images_on_none(self, image_names: Collection[str]) -> int:
        """How many of these images no listing names."""
        return sum(name not in self.types for name in image_names)


def image_path(root: Path, image_name: str) -> Path:
    """Where the small version of an image lies; the name's first two characters are its folder."""
    paths = paths_of_image(image_name)
    return root / paths[0] if image_name.isascii() else as_on_disk(root, *paths)


def paths_of_image(image_name: str) -> list[str]:
    """The paths that `image_path` tries, below the root: the folder's characters may be composed or not."""
    forms = [image_name, unicodedata.normalize("NFD", image_name)]
    return [f"images/small/{name[:2]}/{name}" for name in dict.fromkeys(forms)]


def read_catalogue(root: Path, languages: Sequence[str], max_listings_per_image: int) -> Catalogue:
    """Read every listing below `root` and keep the best one for each usable main image.

    Args:
        root: a folder in ABO's layout.
        languages: tags in order of preference; "en" stands for every en_*.
        max_listings_per_image: an image on more listings than this is boilerplate and left out.

    Raises:
        InputError: the folder, its listings or its images.csv are missing or not readable.
    """
    names = image_names(root)
    on_disk = {parse_image_name(path.name) for path in (root / "images" / "small").glob("*/*")}
    left_out: Counter[str] = Counter()
    by_image: dict[str, list[Product]] = defaultdict(list)
    for listing in _listings(root):
        image_id = listing.get("main_image_id")
        if not image_id:
            left_out["no_main_image"] += 1
        elif not isinstance(image_id, str):
            left_out["main_image_id_is_no_text"] += 1
        elif image_id not in names:
            left_out["image_not_in_images_csv"] += 1
        elif problem_of_name(names[image_id]):
            left_out["bad_image_name"] += 1
        elif names[image_id] not in on_disk:
            left_out["image_not_on_disk"] += 1
        else:
            by_image[names[image_id]].append(_product(listing, names[image_id], languages))
    products = []
    for listings in by_image.values():
        if len(listings) > max_listings_per_image:
            left_out["boilerplate_image"] += len(listings)
            continue
        left_out["shares_an_image"] += len(listings) - 1
        products.append(min(listings, key=lambda p: (p.name is None, p.color is None, p.item_id)))
    products.sort(key=lambda product: product.image_name)
    return Catalogue(products, dict(sorted((+left_out).items())))


def sample(products: Sequence[Product], count: int, seed: int) -> list[Product]:
    """`count` products, taken in turn from every product type; a larger sample contains every smaller one.

    Turns keep common types (phone cases are 44 % of ABO) from filling the sample.
    """
    by_type: dict[str, list[tuple[str, Product]]] = defaultdict(list)
    for product in products:
        by_type[product.product_type].append((seeded_rank(seed, product.image_name), product))
    turns = []
    for of_type in by_type.values():
        of_type.sort(key=lambda drawn: drawn[0])
        turns += [(turn, draw, product) for turn, (draw, product) in enumerate(of_type)]
    turns.sort(key=lambda entry: entry[:2])
    return [product for _, _, product in turns[:count]]


def read_sample(
    root: Path, languages: Sequence[str], max_listings_per_image: int, count: int, seed: int
) -> tuple[list[Product], dict[str, int]]:
    """The products to ask about, and how many listings were left out by reason.

    Raises:
        InputError: there is none.
    """
    catalogue = read_catalogue(root, languages, max_listings_per_image)
    products = sample(catalogue.products, count, seed)
    if not products:
        raise InputError(
            f"{root} holds no product with a usable image (listings left out: {catalogue.left_out})"
        )
    return products, catalogue.left_out


def read_listings(root: Path, images: Collection[str], max_listings_per_image: int) -> Listings | None:
    """What the listings say of images; None for a folder of images without a listings folder.

    An image on more listings than `max_listings_per_image` is boilerplate and tied to none.

    Raises:
        InputError: there is a listings folder, but its name is spelled otherwise, its listings or images.csv
            are missing or not readable, or no listing names one of `images`, so that listings tie none.
    """
    if not (root / "listings").exists():
        for folder in filter(Path.is_dir, like_listings(root)):
            if folder.name.lower().removeprefix("abo-") in ("listing", "listings"):
                raise InputError(f"{folder} is not read under that name; rename it to {root / 'listings'}")
        return None
    names = image_names(root)
    types: dict[str, str] = {}
    listings, of_item = list[list[str]](), dict[str, set[int]]()
    with_unknown_images = 0
    for listing in _listings(root):
        ids = image_ids(listing)
        of_listing = list(dict.fromkeys(names[image_id] for image_id in ids if image_id in names))
        with_unknown_images += any(image_id not in names for image_id in ids) or not has_plain_ids(listing)
        if item := text_of(listing.get("item_id")):
            of_item.setdefault(item, set()).add(len(listings))
        listings.append(of_listing)
        for name in of_listing:
            types.setdefault(name, product_type(listing.get("product_type")))
    uses = Counter(name for of_listing in listings for name in of_listing)
    own = [[n for n in of_listing if uses[n] <= max_listings_per_image] for of_listing in listings]
    for first, *rest in map(sorted, of_item.values()):  # listings of one item_id are one product
        own[first] += [name for other in rest for name in own[other] if name not in own[first]]
    together = [of_product for of_product in own if len(of_product) > 1]
    if images and types.keys().isdisjoint(images):
        raise InputError(
            f"{root / 'listings'}: none of its {len(listings)} listings names one of the {len(images)} "
            f"images in use ({with_unknown_images} have ids that images.csv lacks), so nothing would keep "
            "the images of a product in one split; fetch what is missing, or move the folder away"
        )
    return Listings(types, together, len(listings), with_unknown_images)


def like_listings(root: Path) -> list[Path]:
    """Paths below `root` with a name like that of the listings folder: its archive, or another spelling."""
    return sorted(path for path in root.iterdir() if "listing" in path.name.lower())


def missing_parts(root: Path, listings: Listings | None, images: Collection[str]) -> list[str]:
    """Sentences on listings that are missing, so that they keep no images of one product in one split."""
    if listings is None:
        unread = [f"; {path.name} is not read, unpack it there" for path in like_listings(root)]
        return [
            f"{root} has no listings: only duplicates and near duplicates keep images of one "
            f"product in one split; listings would lie in {root / 'listings/metadata'}{''.join(unread)}"
        ]
    on_none = listings.images_on_none(images)
    is_tied = any(sum(name in images for name in names) > 1 for names in listings.together)
    return [
        f"{on_none} images are on none of the {listings.read} listings found: only near duplicates keep "
        "them with others of their product"
    ] * bool(on_none) + [
        f"no listing of the {listings.read} ties two images (by other_image_id, or an item_id that is "
        "there twice): only near duplicates keep images of one product in one split"
    ] * (not is_tied)


def image_names(root: Path) -> dict[str, str]:
    """image_id → file name, from images.csv."""
    packed = root / "images" / "metadata" / "images.csv.gz"
    path = packed if packed.is_file() else packed.with_suffix("")
    if not root.is_dir():
        raise InputError(
            f"params.yaml: data.root is {str(root)!r}, but there is no such folder; point it at a "
            "tree in ABO's layout"
        )
    if not path.is_file():
        raise InputError(f"{packed} is missing; data.root must hold a tree in ABO's layout")
    try:
        with _text_of(path) as file:
            return {row["image_id"]: parse_image_name(row["path"]) for row in csv.DictReader(file)}
    except (*_DAMAGE, KeyError, AttributeError, csv.Error) as error:  # AttributeError: a row without a path
        raise InputError(f"{path} is not ABO's images.csv ({error}); fetch it again") from error


def _listings(root: Path) -> Iterator[dict[str, Any]]:
    for shard in _shards(root):
        lines_read = 0
        try:
            with _text_of(shard) as lines:
                for line in lines:
                    if line.strip():
                        yield _object_in(line)
                    lines_read += 1
        except _DAMAGE as error:
            raise InputError(
                f"{shard}, line {lines_read + 1}: not readable ({error}); fetch the file again"
            ) from error


def _shards(root: Path) -> list[Path]:
    """Every listing file wherever it lies below listings/, by name."""
    shards: dict[str, Path] = {}
    for path in sorted((root / "listings").rglob("listings_*.json*")):
        unpacked = str(path).removesuffix(".gz")
        if unpacked.endswith(".json") and path.is_file():
            # The packed file comes later and wins: a killed gunzip leaves half an unpacked one.
            shards[unpacked] = path
    if not shards:
        raise InputError(
            f"{root / 'listings'} holds no listings_*.json.gz; data.root must hold a tree in ABO's layout "
            "or, for pairs of your own, images without a listings folder"
        )
    return list(shards.values())


def _text_of(path: Path) -> TextIO:
    """The file's text, packed or not, whatever its name says."""
    with path.open("rb") as file:
        opened = gzip.open if file.read(2) == b"\x1f\x8b" else open
    return cast(TextIO, opened(path, "rt", encoding="utf-8-sig", newline=""))


def _object_in(line: str) -> dict[str, Any]:
    listing = json.loads(line)
    if not isinstance(listing, dict):
        raise ValueError("a listing is a JSON object")
    return listing


def _product(listing: dict[str, Any], image_name: str, languages: Sequence[str]) -> Product:
    def text(key: str) -> str | None:
        return next(iter(texts_of(listing.get(key), languages)), None)

    return Product(
        item_id=text_of(listing.get("item_id")) or "",
        image_name=image_name,
        product_type=product_type(listing.get("product_type")),
        name=text("item_name"),
        color=text("color"),
        material=text("material"),
        pattern=text("pattern"),
        shape=text("item_shape"),
        description=text("product_description"),
        bullets=tuple(texts_of(listing.get("bullet_point"), languages)),
    )

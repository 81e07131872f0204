"""Images → records of their files, decoded in parallel and remembered by the hash of their bytes."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import (
    DECODER,
    GREY_SIDE,
    HASH_BITS,
    ImageRecord,
    image_id_of_content,
    inspect,
    problem_of_name,
)
from vqa.core.errors import end_at_interrupt
from vqa.core.files import content_hash, make_own, whole_file
from vqa.core.jsonl import whole_values
from vqa.core.known_hashes import KnownHashes
from vqa.core.progress import progress_bar

_encode = json.JSONEncoder(ensure_ascii=False).encode
_CHUNK = 64  # images handed to a process at once
_FEW = 500  # images that are not worth starting processes for


def adopt_old_record(record: Path) -> None:
    """Take over what an earlier version kept as pictures.jsonl, so that no image is decoded again."""
    old = record.with_name("pictures.jsonl")
    if old.is_file() and not record.exists():
        old.rename(record)


def check_images(root: Path, image_names: Sequence[str], memory: Path) -> dict[str, ImageRecord]:
    """Image name → what its file holds. A file whose bytes are in `memory` is not decoded again.

    `memory` is appended to as images are decoded, so that a killed run loses nothing, and holds just
    these images, in order, when this returns. Records of another decoder version are made anew.
    """
    records = {image.sha256: image for image in _remembered(memory)}
    read = KnownHashes("pictures")
    paths = {name: image_path(root, name) for name in image_names}
    hashes = {name: content_hash(path, read.sha256_file) for name, path in paths.items()}
    read.keep()
    new = [name for name in image_names if hashes[name] not in records]
    memory.parent.mkdir(parents=True, exist_ok=True)
    make_own(memory)
    new_records: dict[str, ImageRecord] = {}
    with memory.open("a", encoding="utf-8") as file:
        for name, image in zip(new, _each_inspected([paths[name] for name in new]), strict=True):
            new_records[name] = image
            file.write(_line(image) if image.sha256 else "")
            if len(new_records) % _CHUNK == 0:
                file.flush()
    images = {name: new_records.get(name) or records[hashes[name]] for name in image_names}
    names_of: dict[str, list[str]] = {}
    for name, image in images.items():
        if image.sha256:
            names_of.setdefault(image.sha256, []).append(name)
    with whole_file(memory) as whole:
        whole.writelines(_line(images[names[0]], names) for _, names in sorted(names_of.items()))
    return images


def contents_before(memory: Path) -> dict[str, str]:
    """Image name → SHA-256 of its file in the run that wrote `memory`; empty if there was no run."""
    return {
        name: entry.get("sha256", "") for entry in whole_values(memory) for name in entry.get("names", ())
    }


def changed_images(before: Mapping[str, str], images: Mapping[str, ImageRecord]) -> list[str]:
    """Names of files that existed in the run before and now have another content."""
    return [
        name
        for name, image in images.items()
        if image.sha256 and before.get(name, image.sha256) != image.sha256
    ]


def image_id(root: Path, image_name: str) -> str:
    """The first digits of the SHA-256 of the file that an image name stands for; "" where there is none."""
    return (
        image_id_of_content(content_hash(image_path(root, image_name)))
        if not problem_of_name(image_name)
        else ""
    )


def _each_inspected(paths: Sequence[Path]) -> Iterator[ImageRecord]:
    with progress_bar(len(paths), "image", "images", is_shown=bool(paths)) as progress:
        for image in _in_parallel(paths):
            progress.update()
            yield image


def _in_parallel(paths: Sequence[Path]) -> Iterable[ImageRecord]:
    if len(paths) < _FEW:
        yield from map(inspect, paths)
        return
    with ProcessPoolExecutor(os.cpu_count(), initializer=end_at_interrupt) as pool:
        yield from pool.map(inspect, paths, chunksize=_CHUNK)


def _line(image: ImageRecord, names: Sequence[str] = ()) -> str:
    """One line of `memory`; `names`: of the image, once all are known."""
    called = {"names": sorted(names)} if names else {}
    return _encode({**vars(image), "decoder": DECODER, **called}) + "\n"


def _remembered(memory: Path) -> Iterator[ImageRecord]:
    """The records of this decoder version in all complete lines."""
    for entry in whole_values(memory):
        try:
            if entry.pop("decoder") != DECODER:
                continue
            entry.pop("names", None)
            image = ImageRecord(**entry)
        except (TypeError, KeyError):  # another version's line
            continue
        has_hashes = (len(image.perceptual_hash), len(image.grey)) == (HASH_BITS // 4, 2 * GREY_SIDE**2)
        if image.problem or has_hashes:
            yield image

"""Pictures → what is in their files, decoded in parallel and remembered by the hash of their bytes."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from vqa.catalogue.abo import image_path
from vqa.catalogue.pictures import (
    DECODER,
    GREY_SIDE,
    HASH_BITS,
    Picture,
    inspect,
    picture_id,
    problem_of_name,
)
from vqa.foundation.errors import end_at_interrupt
from vqa.foundation.files import content_hash, make_own, whole_file
from vqa.foundation.json_lines import whole_values
from vqa.foundation.known_hashes import KnownHashes
from vqa.foundation.terminal import progress_bar

_CHUNK = 64  # pictures handed to a process at once
_FEW = 500  # pictures that are not worth starting processes for


def inspect_pictures(root: Path, image_names: Sequence[str], memory: Path) -> dict[str, Picture]:
    """Picture name → what was found. A file whose bytes are in `memory` is not decoded again.

    `memory` is appended to as pictures are decoded, so that a killed run loses nothing, and holds just
    these pictures, in order, when this returns. What another decoder found is found anew.
    """
    known = {picture.sha256: picture for picture in _remembered(memory)}
    read = KnownHashes("pictures")
    hashes = {name: content_hash(image_path(root, name), read.sha256_of) for name in image_names}
    read.keep()
    new = [name for name in image_names if hashes[name] not in known]
    memory.parent.mkdir(parents=True, exist_ok=True)
    make_own(memory)
    found: dict[str, Picture] = {}
    with memory.open("a", encoding="utf-8") as file:
        for name, picture in zip(new, _each_inspected(root, new), strict=True):
            found[name] = picture
            file.write(_line(picture) if picture.sha256 else "")
            if len(found) % _CHUNK == 0:
                file.flush()
    pictures = {name: found.get(name) or known[hashes[name]] for name in image_names}
    names_of: dict[str, list[str]] = {}
    for name, picture in pictures.items():
        if picture.sha256:
            names_of.setdefault(picture.sha256, []).append(name)
    with whole_file(memory) as whole:
        whole.writelines(_line(pictures[names[0]], names) for _, names in sorted(names_of.items()))
    return pictures


def contents_before(memory: Path) -> dict[str, str]:
    """Picture name → SHA-256 of its file in the run that wrote `memory`; nothing where there was none."""
    return {
        name: entry.get("sha256", "") for entry in whole_values(memory) for name in entry.get("names", ())
    }


def changed_images(before: Mapping[str, str], pictures: Mapping[str, Picture]) -> list[str]:
    """Names whose files are there now as before, with another content."""
    return [
        name
        for name, picture in pictures.items()
        if picture.sha256 and before.get(name, picture.sha256) != picture.sha256
    ]


def image_id(root: Path, image_name: str) -> str:
    """The first digits of the SHA-256 of the file that an image name stands for; "" where there is none."""
    return picture_id(content_hash(image_path(root, image_name))) if not problem_of_name(image_name) else ""


def _each_inspected(root: Path, image_names: Sequence[str]) -> Iterator[Picture]:
    paths = [image_path(root, name) for name in image_names]
    with progress_bar(len(paths), "image", "pictures", is_shown=bool(paths)) as progress:
        for picture in _in_parallel(paths):
            progress.update()
            yield picture


def _in_parallel(paths: Sequence[Path]) -> Iterable[Picture]:
    if len(paths) < _FEW:
        yield from map(inspect, paths)
        return
    with ProcessPoolExecutor(os.cpu_count(), initializer=end_at_interrupt) as pool:
        yield from pool.map(inspect, paths, chunksize=_CHUNK)


def _line(picture: Picture, names: Sequence[str] = ()) -> str:
    """`names`: what the picture is called, once all are known."""
    called = {"names": sorted(names)} if names else {}
    return json.dumps({**asdict(picture), "decoder": DECODER, **called}, ensure_ascii=False) + "\n"


def _remembered(memory: Path) -> Iterator[Picture]:
    """Every whole line of this decoder."""
    for entry in whole_values(memory):
        try:
            if entry.pop("decoder") != DECODER:
                continue
            entry.pop("names", None)
            picture = Picture(**entry)
        except (TypeError, KeyError):  # another version's line
            continue
        has_looks = (len(picture.perceptual_hash), len(picture.grey)) == (HASH_BITS // 4, 2 * GREY_SIDE**2)
        if picture.problem or has_looks:
            yield picture

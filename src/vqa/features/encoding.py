"""Images → rows of features, in shards made one by one, so that a kill costs at most one shard."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vqa.catalogue.images import load_validated
from vqa.core.devices import TOO_LARGE, rank_and_world, with_oom_hint
from vqa.core.errors import InputError
from vqa.core.files import content_hash
from vqa.core.known_hashes import KnownHashes
from vqa.core.progress import progress_bar
from vqa.features.shards import OpenShards, Plan, Recipe, Shard, write_shard
from vqa.vlm.image_features import Features, ImageFeatures, on_cpu
from vqa.vlm.interfaces import ImageEncoder, Reader


class Pixels(Dataset[Any]):
    """Image i as the model's input, BLIP-2's as `[3, H, W]`, or the sentence that says why there is none:
    decoding runs in the loader's workers, whose errors would reach the main process as tracebacks.
    """

    def __init__(self, paths: Sequence[Path], reader: Reader) -> None:
        self._paths, self._reader = paths, reader

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Any:
        try:
            return self._reader.pixels([load_validated(self._paths[index])])[0]
        except InputError as error:
            return str(error)


def together(rows: Sequence[Any]) -> Any:
    """A batch, `[B, 3, H, W]` where images are alike, or the first problem in it."""
    if problems := [row for row in rows if isinstance(row, str)]:
        return problems[0]
    return torch.stack(list(rows)) if isinstance(rows[0], Tensor) else list(rows)


def content_hashes(paths: Mapping[str, Path]) -> dict[str, str]:
    """Image name → SHA-256 of its file; one that did not change since it was hashed is not read again.

    Raises:
        InputError: a file is gone.
    """
    hashes, read = {}, KnownHashes("pictures")
    with progress_bar(len(paths), "image", "images") as progress:
        for name, path in sorted(paths.items()):
            hashes[name] = content_hash(path, read.sha256_file)
            if not hashes[name]:
                raise InputError(f"{path} is gone since validation; restore it or run dvc repro validate")
            progress.update()
    read.keep()
    return hashes


def make_shards(
    work: Path,
    shards: Sequence[Shard],
    todo: Plan,
    path_of: Mapping[str, Path],
    recipe: Recipe,
    encoder: Callable[[], ImageEncoder],
    batch_size: int,
    workers: int,
) -> None:
    """Write `shards` of the plan `todo` into `work`: rows that are there are copied, others computed.

    `encoder` is loaded only where a row must be computed. A batch never crosses shards, so each can be made
    anywhere.
    """
    new = [[image for image in shard.images if image not in todo.reusable] for shard in shards]
    computed: Iterator[Tensor | ImageFeatures] = iter(())
    if any(new):
        computed = _rows(new, path_of, encoder(), batch_size, workers)
    for shard, images in zip(shards, new, strict=True):
        there, computes = OpenShards(), set(images)
        rows = (next(computed) if p in computes else there.row(*todo.reusable[p]) for p in shard.images)
        write_shard(work, shard, rows, recipe)


@torch.inference_mode()
def _rows(
    groups: Sequence[Sequence[str]],
    path_of: Mapping[str, Path],
    encoder: ImageEncoder,
    batch_size: int,
    workers: int,
) -> Iterator[Tensor | ImageFeatures]:
    """Features of the groups' images, in their order.

    Raises:
        InputError: a batch does not fit into memory, or an image changed.
    """
    flat = [image for group in groups for image in group]
    batches, start = [], 0
    for group in groups:
        numbers = range(start, start + len(group))
        batches += [numbers[i : i + batch_size] for i in range(0, len(group), batch_size)]
        start += len(group)
    pixels = Pixels([path_of[image] for image in flat], encoder.reader)
    loader = DataLoader(pixels, batch_sampler=batches, num_workers=workers, collate_fn=together)  # type: ignore[arg-type]
    with progress_bar(len(flat), "image", "features", is_shown=rank_and_world()[0] == 0) as progress:
        for batch in loader:
            if isinstance(batch, str):
                raise InputError(batch)

            def image_features(count: int, batch: Any = batch) -> Features:
                return on_cpu(encoder.features(batch[:count]))

            rows = with_oom_hint(image_features, len(batch), "images", "features.batch_size", TOO_LARGE)
            progress.update(len(batch))
            yield from rows

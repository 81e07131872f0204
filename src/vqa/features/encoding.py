"""Pictures → rows of features, in shards that are made one by one, so that a kill costs at most one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vqa.catalogue.pictures import ImageError, load_image
from vqa.features.shards import OpenShards, Plan, Recipe, Shard, write_shard
from vqa.foundation.devices import rank_and_world
from vqa.foundation.errors import InputError
from vqa.foundation.files import content_hash
from vqa.foundation.known_hashes import KnownHashes
from vqa.foundation.memory import TOO_LARGE, in_batches_that_fit
from vqa.foundation.terminal import progress_bar
from vqa.vlm.halves import FrozenHalf, Reader
from vqa.vlm.looks import Features, Look, on_cpu


class Pixels(Dataset[Any]):
    """Picture i as the model's input, BLIP-2's as `[3, H, W]`, or what is wrong with it; decoding runs in the
    loader's workers, whose errors would reach the main process as tracebacks.
    """

    def __init__(self, paths: Sequence[Path], reader: Reader) -> None:
        self._paths, self._reader = paths, reader

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Any:
        try:
            return self._reader.pixels([load_image(self._paths[index])])[0]
        except ImageError as error:
            return f"{self._paths[index]} changed after validation ({error.reason}); run dvc repro validate"


def together(rows: Sequence[Any]) -> Any:
    """A batch, `[B, 3, H, W]` where pictures are alike, or the first problem in it."""
    if problems := [row for row in rows if isinstance(row, str)]:
        return problems[0]
    return torch.stack(list(rows)) if isinstance(rows[0], Tensor) else list(rows)


def content_hashes(paths: Mapping[str, Path]) -> dict[str, str]:
    """Picture name → SHA-256 of its file; one that did not change since it was hashed is not read again.

    Raises:
        InputError: a file is gone.
    """
    found, read = {}, KnownHashes("pictures")
    with progress_bar(len(paths), "image", "pictures") as progress:
        for name, path in sorted(paths.items()):
            found[name] = content_hash(path, read.sha256_of)
            if not found[name]:
                raise InputError(f"{path} is gone since validation; restore it or run dvc repro validate")
            progress.update()
    read.keep()
    return found


def make_shards(
    work: Path,
    shards: Sequence[Shard],
    todo: Plan,
    path_of: Mapping[str, Path],
    recipe: Recipe,
    encoder: Callable[[], FrozenHalf],
    batch_size: int,
    workers: int,
) -> None:
    """Write `shards` of the plan `todo` into `work`: rows that are there are copied, others computed.

    `encoder` is loaded only where a row must be computed. A batch never crosses shards, so each can be made
    anywhere.
    """
    new = [[picture for picture in shard.pictures if picture not in todo.reusable] for shard in shards]
    computed: Iterator[Tensor | Look] = iter(())
    if any(new):
        computed = _rows(new, path_of, encoder(), batch_size, workers)
    for shard, pictures in zip(shards, new, strict=True):
        there, computes = OpenShards(), set(pictures)
        rows = (next(computed) if p in computes else there.row(*todo.reusable[p]) for p in shard.pictures)
        write_shard(work, shard, rows, recipe)


@torch.inference_mode()
def _rows(
    groups: Sequence[Sequence[str]],
    path_of: Mapping[str, Path],
    encoder: FrozenHalf,
    batch_size: int,
    workers: int,
) -> Iterator[Tensor | Look]:
    """Features of the groups' pictures, in their order.

    Raises:
        InputError: a batch does not fit into memory, or a picture changed.
    """
    flat = [picture for group in groups for picture in group]
    batches, start = [], 0
    for group in groups:
        numbers = range(start, start + len(group))
        batches += [numbers[i : i + batch_size] for i in range(0, len(group), batch_size)]
        start += len(group)
    pixels = Pixels([path_of[picture] for picture in flat], encoder.reader)
    loader = DataLoader(pixels, batch_sampler=batches, num_workers=workers, collate_fn=together)  # type: ignore[arg-type]
    with progress_bar(len(flat), "image", "features", is_shown=rank_and_world()[0] == 0) as progress:
        for batch in loader:
            if isinstance(batch, str):
                raise InputError(batch)

            def look(count: int, batch: Any = batch) -> Features:
                return on_cpu(encoder.features(batch[:count]))

            rows = in_batches_that_fit(look, len(batch), "pictures", "features.batch_size", TOO_LARGE)
            progress.update(len(batch))
            yield from rows

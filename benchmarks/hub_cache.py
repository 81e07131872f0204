"""A model with random weights, laid out as the hub's cache holds the real one.

Weights are written a shard at a time.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from vqa.core.errors import InputError

SHARD_BYTES = 1_000_000_000


def write_copy(
    hub: Path, repository: str, files: Mapping[str, str], model: nn.Module, shard_bytes: int = SHARD_BYTES
) -> Path:
    """The snapshot folder of `repository` in the cache `hub` ($HF_HOME/hub), found or written.

    `files`: all but the weights, by name; `model`: on the meta device.

    Raises:
        InputError: the disk has no room for it.
    """
    folder_of_it = hub / f"models--{repository.replace('/', '--')}"
    commit = hashlib.sha1("".join(files.values()).encode()).hexdigest()
    snapshot, newest = folder_of_it / "snapshots" / commit, folder_of_it / "refs/main"
    if newest.is_file() and newest.read_text() == commit:
        return snapshot
    shutil.rmtree(folder_of_it, ignore_errors=True)
    for folder in (snapshot, folder_of_it / "blobs", newest.parent):
        folder.mkdir(parents=True)
    _check_room(folder_of_it, model)
    writing = folder_of_it / "blobs/writing"
    for file, text in files.items():
        data = text.encode()
        writing.write_bytes(data)
        _enter(writing, snapshot / file, hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest())
    for file, tensors in _shards(model, shard_bytes, snapshot):
        save_file(tensors, writing, metadata={"format": "pt"})
        with writing.open("rb") as data_file:
            _enter(writing, snapshot / file, hashlib.file_digest(data_file, "sha256").hexdigest())
    newest.write_text(commit)  # last: without it the copy was cut short
    return snapshot


def _enter(blob: Path, link: Path, digest: str) -> None:
    """The cache keeps files by their hash and links to them by name."""
    blob.rename(blob.with_name(digest))
    link.symlink_to(f"../../blobs/{digest}")


def bytes_on_disk(model: nn.Module) -> int:
    """Of its weights, in half precision."""
    return 2 * sum(parameter.numel() for parameter in model.parameters())


def _check_room(folder: Path, model: nn.Module) -> None:
    needed = bytes_on_disk(model)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder} has {free / 1e9:.1f} GB left and the weights take {needed / 1e9:.1f} GB; "
            "give another --folder, or fewer --layers"
        )


def _shards(model: nn.Module, shard_bytes: int, snapshot: Path) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """File name and fp16 tensors of each shard; the index is written with the last."""
    generator = torch.Generator().manual_seed(0)
    parameters = dict(model.named_parameters())
    plan = split_state_dict_into_shards_factory(
        parameters,
        get_storage_size=lambda tensor: 2 * tensor.numel(),
        get_storage_id=lambda tensor: None,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=shard_bytes,
    )
    total = sum(2 * parameter.numel() for parameter in parameters.values())
    with tqdm(total=total, unit="B", unit_scale=True, desc="weights", mininterval=1) as progress:
        for file, names in plan.filename_to_tensors.items():
            tensors = {name: _random(name, parameters[name], generator) for name in names}
            yield file, tensors
            progress.update(sum(tensor.nbytes for tensor in tensors.values()))
    if plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        (snapshot / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def _random(name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
    """As the published classes begin: norms let through, biases are nothing, all else is near 0."""
    if parameter.ndim == 1 and name.endswith("bias"):
        return torch.zeros(parameter.shape, dtype=torch.float16)
    if parameter.ndim == 1:
        return torch.ones(parameter.shape, dtype=torch.float16)
    # From about 0 all queries would look at the same.
    std = 0.5 if name == "query_tokens" else 0.02
    return torch.empty(parameter.shape, dtype=torch.float16).normal_(0, std, generator=generator)

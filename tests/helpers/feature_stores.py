"""A feature store of toy rows, made as the cache_features stage makes it."""

import hashlib
from pathlib import Path

import torch

from vqa.features.shards import OpenShards, Plan, Recipe, finish, plan, write_shard
from vqa.features.store import FeatureStore

MODEL: dict[str, str | None] = {
    "name": "toy",
    "revision": None,
    "dtype": "auto",
    "fingerprint": "f" * 64,
    "processor": "p",
}


RECIPE = Recipe(MODEL, "qformer", "float32")


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def features_of(image: str) -> torch.Tensor:
    return torch.full((2, 3), float(int(image[:4], 16)))


def images(*numbers: int) -> dict[str, str]:
    return {f"{number}.jpg": sha(number) for number in numbers}


def work_of(folder: Path) -> Path:
    """Where shards are made."""
    return folder.with_name(folder.name + ".work")


def build(
    folder: Path, wanted: dict[str, str], size: int = 2, recipe: Recipe = RECIPE, most: int = 99
) -> Plan:
    """Do what is planned, of the missing shards at most `most`; the plan."""
    todo = plan(folder, work_of(folder), list(wanted.values()), recipe, size)
    there = OpenShards()
    for shard in todo.missing[:most]:
        copied = {p: there.row(*todo.reusable[p]) for p in shard.images if p in todo.reusable}
        write_shard(work_of(folder), shard, [copied.get(p, features_of(p)) for p in shard.images], recipe)
    if most >= len(todo.missing):
        finish(folder, work_of(folder), todo, wanted, recipe, {"torch": "1"})
    return todo


def new(todo: Plan) -> int:
    """Images that the encoder had to be run on."""
    return sum(image not in todo.reusable for shard in todo.missing for image in shard.images)


def check(folder: Path, wanted: dict[str, str], size: int = 2) -> None:
    store = FeatureStore(folder, MODEL, "qformer")
    for name, image in wanted.items():
        assert torch.equal(store[name], features_of(image))
    shards = list(folder.glob("*.safetensors"))
    assert len(shards) == -(-len(set(wanted.values())) // size)  # packed, nothing stale

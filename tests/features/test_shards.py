"""Shards of features: planned, written, kept, copied and replaced."""

import os
import resource
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

import feature_stores
import vqa.features.shards
from feature_stores import MODEL, RECIPE, build, check, features_of, images, new, sha, work_of
from vqa.core.errors import InputError
from vqa.features.shards import Recipe, finish, plan, write_shard
from vqa.features.store import FeatureStore


def test_one_row_serves_two_names_of_the_same_bytes(tmp_path: Path) -> None:
    wanted = images(0, 1) | {"copy.jpg": sha(0)}
    assert new(build(tmp_path, wanted)) == 2
    check(tmp_path, wanted)


def test_growth_computes_only_what_is_new_and_keeps_full_shards(tmp_path: Path) -> None:
    build(tmp_path, images(*range(5)))
    full = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    todo = build(tmp_path, images(*range(8)))
    assert new(todo) == 3
    assert len(todo.kept) == 2
    assert all((tmp_path / shard.file).stat().st_mtime_ns == full[shard.file] for shard in todo.kept)
    check(tmp_path, images(*range(8)))


def test_stale_rows_go_and_a_changed_image_is_computed_again(tmp_path: Path) -> None:
    build(tmp_path, images(*range(6)))
    wanted = images(0, 2, 5) | {"3.jpg": sha(33)}
    assert new(build(tmp_path, wanted)) == 1
    check(tmp_path, wanted)


def test_a_shard_stays_while_most_of_its_rows_are_wanted(tmp_path: Path) -> None:
    build(tmp_path, images(*range(12)), size=4)
    first, second, _ = plan(tmp_path, work_of(tmp_path), [sha(i) for i in range(12)], RECIPE, 4).kept
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    gone = {first.images[0], *second.images[:2]}  # a quarter of one shard, half of another
    left = {name: image for name, image in images(*range(12)).items() if image not in gone}
    todo = build(tmp_path, left, size=4)
    assert new(todo) == 0
    assert [shard.images for shard in todo.missing] == [second.images[2:]]
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    assert before.items() - after.items() == {(second.file, before[second.file])}
    store = FeatureStore(tmp_path, MODEL, "qformer")
    assert all(torch.equal(store[name], features_of(image)) for name, image in left.items())
    again = build(tmp_path, images(*range(12)), size=4)  # what stayed unwanted is wanted again
    assert new(again) == 2


def test_growth_ends_with_the_rows_of_a_run_from_scratch(tmp_path: Path) -> None:
    for count in (3, 4, 9, 7):
        build(tmp_path / "grown", images(*range(count)))
    build(tmp_path / "fresh", images(*range(7)))
    grown, fresh = (FeatureStore(tmp_path / name, MODEL, "qformer") for name in ("grown", "fresh"))
    assert all(torch.equal(grown[name], fresh[name]) for name in images(*range(7)))


def test_a_killed_run_is_continued_whatever_was_done_first(tmp_path: Path) -> None:
    build(tmp_path, images(*range(9)), most=2)
    (work_of(tmp_path) / "features-0000.safetensors.tmp").write_bytes(b"torn")
    (tmp_path / "features-0000000000000000.safetensors").write_bytes(b"no shard")
    with pytest.raises(InputError, match="holds no features; run the cache_features stage"):
        FeatureStore(tmp_path, MODEL, "qformer")
    assert new(build(tmp_path, images(*range(9)))) == 5
    check(tmp_path, images(*range(9)))
    assert not list(work_of(tmp_path).iterdir())


def test_a_checkout_of_the_store_costs_no_shard_that_was_made(tmp_path: Path) -> None:
    build(tmp_path, images(*range(9)), most=2)
    shutil.rmtree(tmp_path)  # as DVC's forced checkout does to what was never committed
    assert new(build(tmp_path, images(*range(9)))) == 5
    check(tmp_path, images(*range(9)))


def test_what_other_settings_began_stays(tmp_path: Path) -> None:
    other = Recipe({**MODEL, "fingerprint": "0"}, "qformer", "float32", 0)
    build(tmp_path, images(*range(9)), recipe=other, most=2)
    build(tmp_path, images(*range(9)))
    assert new(build(tmp_path, images(*range(9)), recipe=other)) == 5


def test_a_damaged_shard_that_dvc_linked_to_its_cache_is_replaced_not_written_into(tmp_path: Path) -> None:
    build(tmp_path, images(*range(2)))
    (shard,) = tmp_path.glob("*.safetensors")
    whole = shard.read_bytes()
    in_cache = tmp_path.with_name("cached")
    shard.unlink()
    in_cache.write_bytes(b"damaged")
    os.link(in_cache, shard)
    build(tmp_path, images(*range(2)))
    assert shard.read_bytes() == whole
    assert in_cache.read_bytes() == b"damaged"


def test_a_flipped_bit_is_made_right_by_the_next_run(tmp_path: Path) -> None:
    build(tmp_path, images(*range(4)))
    whole = {path: path.read_bytes() for path in tmp_path.glob("*.safetensors")}
    damaged = sorted(whole)[1]
    damaged.write_bytes(whole[damaged][:-1] + bytes([whole[damaged][-1] ^ 1]))
    assert new(build(tmp_path, images(*range(4)))) == 2
    assert {path: path.read_bytes() for path in tmp_path.glob("*.safetensors")} == whole


def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    build(tmp_path, images(*range(5)))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert build(tmp_path, images(*range(5))).missing == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_another_model_level_dtype_or_decoder_starts_afresh(tmp_path: Path) -> None:
    for recipe in (
        RECIPE,
        Recipe({**MODEL, "fingerprint": "0"}, "qformer", "float32"),
        Recipe({**MODEL, "dtype": "float16"}, "qformer", "float32"),
        Recipe(MODEL, "vit", "float32"),
        Recipe(MODEL, "vit", "bfloat16"),
        Recipe(MODEL, "vit", "bfloat16", decoder=2),
    ):
        assert new(build(tmp_path, images(*range(3)), recipe=recipe)) == 3


def test_a_shard_that_cannot_be_written_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    shard = plan(tmp_path, work_of(tmp_path), [sha(0)], RECIPE, 2).missing[0]
    (tmp_path / shard.file).mkdir()  # where the file should go
    with pytest.raises(InputError, match=r"cannot be written .* free space and run again"):
        write_shard(tmp_path, shard, [features_of(sha(0))], RECIPE)
    assert not list(tmp_path.glob("*.tmp"))


def test_a_shard_is_read_whole_once_and_again_where_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VQA_STATE_DIR", str(tmp_path / "durable"))
    wanted = images(0, 1, 2, 3)
    build(tmp_path / "store", wanted)
    shards = sorted((tmp_path / "store").glob("*.safetensors"))
    for shard in shards:
        os.utime(shard, (1, 1))  # as old as those that are remembered
    digests: list[Path] = []
    digest_in = vars(vqa.features.shards)["_digest_in"]

    def counted(path: Path) -> str:
        digests.append(path)
        return str(digest_in(path))

    monkeypatch.setattr(vqa.features.shards, "_digest_in", counted)
    for _ in range(2):
        assert build(tmp_path / "store", wanted).missing == []
    assert digests == shards
    content = bytearray(shards[0].read_bytes())
    content[-1] ^= 1
    shards[0].write_bytes(content)
    assert len(build(tmp_path / "store", wanted).missing) == 1  # damaged, and made again
    check(tmp_path / "store", wanted)


def test_a_plans_memory_grows_with_the_images(tmp_path: Path) -> None:
    peaks = []
    for count in (200, 1600):
        wanted = images(*range(count))
        build(tmp_path / str(count), wanted, size=20)
        left = [image for number, image in enumerate(wanted.values()) if number % 20]  # one a shard went
        tracemalloc.start()
        todo = plan(tmp_path / str(count), tmp_path / "work", left, RECIPE, 20)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (len(todo.kept), todo.missing) == (count // 20, [])  # none is written again
    assert peaks[1] < 10 * peaks[0]  # eight times the images; their pairs are 64 times as many


def torn(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-7])


def test_a_torn_shard_of_the_store_is_replaced_by_its_copy(tmp_path: Path) -> None:
    folder, wanted = tmp_path / "store", images(*range(5))
    build(folder, wanted)
    shutil.copytree(folder, work_of(folder), dirs_exist_ok=True)
    (work_of(folder) / "manifest.json").unlink()
    for path in sorted(folder.glob("*.safetensors"))[:2]:
        torn(path)
    assert new(build(folder, wanted)) == 0
    check(folder, wanted)
    assert list(work_of(folder).glob("*.safetensors")) == []


def test_a_torn_copy_replaces_no_shard_of_the_store(tmp_path: Path) -> None:
    folder, wanted = tmp_path / "store", images(*range(5))
    build(folder, wanted)
    shutil.copytree(folder, work_of(folder), dirs_exist_ok=True)
    (work_of(folder) / "manifest.json").unlink()
    for path in work_of(folder).glob("*.safetensors"):
        torn(path)
    assert new(build(folder, wanted)) == 0
    check(folder, wanted)
    assert list(work_of(folder).glob("*.safetensors")) == []


def test_a_whole_copy_of_a_shard_that_the_store_has_is_not_kept_twice(tmp_path: Path) -> None:
    folder, wanted = tmp_path / "store", images(*range(4))
    build(folder, wanted)
    shutil.copytree(folder, work_of(folder), dirs_exist_ok=True)
    (work_of(folder) / "manifest.json").unlink()
    todo = build(folder, wanted)
    assert [len(shard.images) for shard in todo.kept] == [2, 2]
    assert new(todo) == 0
    check(folder, wanted)
    assert list(work_of(folder).glob("*.safetensors")) == []


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this system has no second disk at /dev/shm")
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder) / "store"


def test_shards_move_to_another_disk_whole_or_stay(
    tmp_path: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, wanted = tmp_path / "work", images(*range(4))
    monkeypatch.setattr(feature_stores, "work_of", lambda _: work)
    todo = build(other_disk, wanted, most=1)  # one of two is made; what is missing is made now
    write_shard(work, todo.missing[1], [features_of(p) for p in todo.missing[1].images], RECIPE)
    before = {path.name: path.read_bytes() for path in work.glob("*.safetensors")}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))  # a disk on which no file has room
    try:
        with pytest.raises(InputError, match=r"features-.* cannot be written \(File too large\); free space"):
            finish(other_disk, work, todo, wanted, RECIPE, {"torch": "1"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in work.glob("*.safetensors")} == before
    assert list(other_disk.iterdir()) == []
    assert new(build(other_disk, wanted)) == 0
    check(other_disk, wanted)
    assert list(work.glob("*.safetensors")) == []

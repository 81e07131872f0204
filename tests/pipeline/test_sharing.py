"""A team on one storage: push from one clone, pull into another, experiments there and back, damage named."""

import hashlib
import random
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import boto3
import pytest
from moto.server import ThreadedMotoServer

from clone import Clone, git
from commands import tool
from paths import ROOT
from vqa.studies.results import read_record
from vqa.synthetic.catalogue import draw_items
from vqa.synthetic.drawing import image

SECRET = uuid.uuid4().hex
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIA-team",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_EC2_METADATA_DISABLED": "true",
}
BACK = "git checkout . && dvc checkout"  # as README and catalogue.md have it
TOY_SIZES = "-S train.epochs=1 -S evaluate.bootstrap_draws=200 -S benchmark.images=4"
WEIGHTS = "models/adapter/best/adapter_model.safetensors"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of a server that speaks S3, with the bucket team."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client(f"http://{host}:{port}").create_bucket(Bucket="team")
    yield f"http://{host}:{port}"
    server.stop()


def client(url: str):  # type: ignore[no-untyped-def]
    assert urlparse(url).hostname == "127.0.0.1"
    keys = {"aws_access_key_id": "AKIA-team", "aws_secret_access_key": SECRET}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)


@pytest.fixture(scope="module")
def first(small_run: Clone, tmp_path_factory: pytest.TempPathFactory, s3: str) -> Clone:
    """A clone in which the pipeline ran on a small catalogue, pushed to S3 as the README says."""
    first = Clone.copy(small_run, tmp_path_factory.mktemp("first"))
    first.dvc("remote", "add", "-d", "storage", "s3://team/abo-vqa")
    first.dvc("remote", "modify", "storage", "endpointurl", s3)
    first.commit("shared")
    first.dvc("push", **CREDENTIALS)
    return first


def test_the_page_s_commands_share_what_was_not_committed_yet_and_an_experiment_of_before(
    small_run: Clone, tmp_path: Path, s3: str
) -> None:
    """What a person has: an experiment ran, so that dvc.lock is not HEAD's, and no remote is there."""
    mine = Clone.copy(small_run, tmp_path / "mine")
    hub = published(mine, tmp_path)
    mine.dvc("exp", "run", "--name", "early", "-S", "evaluate.bootstrap_draws=100")
    assert "dvc.lock" in git(mine.folder, "diff", "--name-only")
    sharing, pulling, experiments, *_ = page_blocks("teams", URL=hub, BUCKET="page", NAME="early")
    client(s3).create_bucket(Bucket="page")
    for command in sharing[1:]:  # all but the install
        follow(mine, command)
        if command.startswith("dvc remote add"):
            mine.dvc("remote", "modify", "storage", "endpointurl", s3)
    follow(mine, experiments[0])

    git(tmp_path, *pulling[0].split(" && ")[0].split()[1:])
    theirs = Clone.at(tmp_path / "abo-vqa")
    follow(theirs, pulling[1])
    assert theirs.changed() == set()
    assert (theirs.folder / WEIGHTS).read_bytes() == (mine.folder / WEIGHTS).read_bytes()
    follow(theirs, experiments[1])
    refused = theirs.run("dvc", "pull", **CREDENTIALS)
    assert "No remote provided and no default remote set" in refused.stdout + refused.stderr
    git(theirs.folder, "checkout", "HEAD", ".dvc/config")
    theirs.dvc("pull", **CREDENTIALS)
    assert theirs.changed() == set()


def test_a_colleague_has_the_run_on_one_s_own_images_and_pairs(
    small_run: Clone, tmp_path: Path, s3: str
) -> None:
    """README's own images, pairs.md's CSV, README's way back, then teams.md: their commands alone."""
    mine = Clone.copy(small_run, tmp_path / "mine")
    hub = published(mine, tmp_path)
    table, images, pairs = own_data(tmp_path)
    names = {"products.csv": str(table), "FOLDER": str(images), "FILE": str(pairs), "NAME": "own"}
    (own,) = (block for block in page_blocks("../README", **names) if "src import" in block[0])
    keep_pairs, run = page_blocks("pairs", **names)[0]
    switch = own[-1].split(" && ")[0]
    for command in (keep_pairs, *own[:-1], switch, f"{run} --name own {TOY_SIZES}"):
        follow(mine, command)
    answer = answer_of(mine)

    follow(mine, BACK)
    assert git(mine.folder, "status", "--porcelain") == ""
    assert mine.changed() == set()
    follow(mine, "dvc exp apply own")
    assert answer_of(mine) == answer

    sharing, pulling, *_ = page_blocks("teams", URL=hub, BUCKET="own")
    client(s3).create_bucket(Bucket="own")
    for command in sharing[1:]:  # all but the install
        follow(mine, command)
        if command.startswith("dvc remote add"):
            mine.dvc("remote", "modify", "storage", "endpointurl", s3)
    git(tmp_path, *pulling[0].split(" && ")[0].split()[1:])
    theirs = Clone.at(tmp_path / "abo-vqa")
    pulled, repro = pulling[1].split(" && ")
    follow(theirs, pulled)
    assert "Data and pipelines are up to date." in theirs.run("sh", "-c", repro).stdout
    assert answer_of(theirs) == answer


def own_data(folder: Path) -> tuple[Path, Path, Path]:
    """A spreadsheet, the folder of its images, and a CSV of two pairs an image."""
    rows, pairs = ["Photo,Kind,Colour"], ["image_name,question,answer"]
    (folder / "photos").mkdir()
    for number, item in enumerate(draw_items(40, seed=7)):
        name = f"{number:02}-thing.jpg"
        image(item, 96, random.Random(number)).save(folder / "photos" / name)
        rows.append(f"{name},{item.product},{item.color}")
        pairs.append(f"{name},What color is the {item.product}?,{item.color}")
        pairs.append(f"{name},What is it?,{item.product}")
    (folder / "shop.csv").write_text("\n".join(rows))
    (folder / "questions.csv").write_text("\n".join(pairs))
    return folder / "shop.csv", folder / "photos", folder / "questions.csv"


def answer_of(clone: Clone) -> str:
    """What the adapter that lies there says, with its probability."""
    return tool(clone.folder, "ask", "--image", "data/mine/images/small", "--question", "What is it?")


def published(clone: Clone, folder: Path) -> str:
    """The URL of a bare repository in the folder, which the clone is pushed to as its origin."""
    git(folder, "init", "-q", "--bare", "hub.git")
    git(clone.folder, "remote", "add", "origin", str(folder / "hub.git"))
    git(clone.folder, "push", "-q", "-u", "origin", "HEAD")
    return str(folder / "hub.git")


def page_blocks(page: str, **names: str) -> list[list[str]]:
    """The commands of a page's blocks, with values in place of what stands for a reader's own."""
    text = (ROOT / f"docs/{page}.md").read_text()
    for name, value in names.items():
        text = re.sub(rf"\b{name}\b", value, text)
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [[re.split(r"\s+#", line)[0] for line in block.splitlines()] for block in blocks]


def follow(clone: Clone, command: str) -> None:
    done = clone.run("sh", "-c", command, **CREDENTIALS)
    assert done.returncode == 0, command + done.stdout + done.stderr


@pytest.fixture
def second(first: Clone, tmp_path: Path) -> Clone:
    return Clone.of(first, tmp_path / "second")


def test_a_colleague_pulls_and_has_nothing_left_to_run(first: Clone, second: Clone) -> None:
    second.dvc("pull", **CREDENTIALS)
    assert second.repro() == []
    assert "Data and pipelines are up to date." in second.dvc("repro")
    assert (second.folder / WEIGHTS).read_bytes() == (first.folder / WEIGHTS).read_bytes()


def test_hosts_share_out_a_grid_and_the_first_one_collects_it(first: Clone, tmp_path: Path) -> None:
    """As docs/teams.md has it, over a bare repository; the worker is the second of two hosts."""
    mine = Clone.copy(first, tmp_path / "mine")
    (mine.folder / "configs/studies/mine.yaml").write_text("# Less?\nlora.r: [4, 2]\n")
    git(mine.folder, "add", "configs")
    mine.commit("a grid")
    names = {"URL": published(mine, tmp_path), "GRID": "configs/studies/mine.yaml", "NAME": "mine-r2"}
    *_, working, collecting = page_blocks("teams", **names | {"K/N": "1/2"})

    git(tmp_path, *working[0].split(" && ")[0].split()[1:])
    worker = Clone.at(tmp_path / "abo-vqa", mine.forks)
    for command in working[2:]:  # this environment is active
        follow(worker, command)
    log = (worker.folder / ".state/studies/mine-r2.log").read_text()
    assert re.findall(r"Running stage '(\w+)'", log) == ["train", "answer_adapted", "evaluate"]

    for command in collecting[:-1]:
        follow(mine, command)
    assert "Less?" in (mine.folder / "results/studies/mine/ablation.md").read_text()
    assert [run.changes for run in read_record(mine.folder / "results/studies/mine/mine.json").runs] == [
        {"lora.r": 2}
    ]
    follow(mine, collecting[-1])
    assert mine.changed() == {"measure_speed"}  # which experiments leave out
    assert '"r": 2,' in (mine.folder / "models/adapter/best/adapter_config.json").read_text()


def test_a_missing_object_is_named_and_the_rest_arrives(first: Clone, second: Clone, s3: str) -> None:
    weights = weights_object(first)
    content = client(s3).get_object(**weights)["Body"].read()
    client(s3).delete_object(**weights)
    pulled = second.run("dvc", "pull", **CREDENTIALS)
    client(s3).put_object(**weights, Body=content)
    assert pulled.returncode != 0
    assert re.search(r"failed to transfer '[0-9a-f]{32}' - The specified key does not exist", pulled.stderr)
    second.dvc("pull", **CREDENTIALS)
    assert second.repro() == []


def test_a_corrupted_object_is_not_taken_for_the_adapter(first: Clone, second: Clone, s3: str) -> None:
    weights = weights_object(first)
    content = client(s3).get_object(**weights)["Body"].read()
    client(s3).put_object(**weights, Body=content[:-100] + bytes(100))
    second.dvc("remote", "modify", "storage", "verify", "true")
    pulled = second.run("dvc", "pull", **CREDENTIALS)
    client(s3).put_object(**weights, Body=content)
    assert pulled.returncode != 0
    assert not (second.folder / WEIGHTS).exists()
    second.dvc("pull", **CREDENTIALS)
    assert second.repro() == []


def test_wrong_credentials_and_no_network_lose_nothing(second: Clone) -> None:
    second.dvc("remote", "modify", "--local", "storage", "endpointurl", "http://127.0.0.1:9")
    pulled = second.run("dvc", "pull", **CREDENTIALS, AWS_MAX_ATTEMPTS="1")
    assert pulled.returncode != 0
    assert "ERROR" in pulled.stderr
    assert git(second.folder, "status", "--porcelain") == ""


def test_credentials_are_nowhere_in_git(first: Clone, second: Clone) -> None:
    second.dvc("remote", "modify", "--local", "storage", "secret_access_key", SECRET)
    git(second.folder, "add", "-A")
    git(second.folder, "commit", "-q", "--allow-empty", "-m", "all")
    for clone in (first, second):
        assert SECRET not in git(clone.folder, "log", "-p", "--all")
    assert SECRET in (second.folder / ".dvc/config.local").read_text()


def test_a_registered_adapter_is_fetched_by_its_version(first: Clone, tmp_path: Path) -> None:
    git(first.folder, "tag", "-a", "adapter-best@v1.0.0", "-m", "first registered")
    first.dvc("artifacts", "get", str(first.folder), "adapter-best", "--out", str(tmp_path / "adapter"))
    first.dvc("get", str(first.folder), "models/adapter/best", "--out", str(tmp_path / "plain"))
    for folder in ("adapter", "plain"):
        fetched = (tmp_path / folder / "adapter_model.safetensors").read_bytes()
        assert fetched == (first.folder / WEIGHTS).read_bytes()


def test_a_shared_disk_is_a_storage_too(first: Clone, tmp_path: Path) -> None:
    first.dvc("remote", "add", "--force", "disk", str(tmp_path / "disk"))
    first.dvc("push", "-r", "disk")
    other = Clone.of(first, tmp_path / "other")
    shutil.copy(first.folder / ".dvc/config", other.folder / ".dvc/config")
    other.dvc("pull", "-r", "disk")
    assert other.repro() == []
    git(first.folder, "checkout", "-q", ".")


def weights_object(clone: Clone) -> dict[str, str]:
    """Bucket and key of the adapter's weights: DVC names an object by its MD5."""
    digest = hashlib.md5((clone.folder / WEIGHTS).read_bytes()).hexdigest()
    return {"Bucket": "team", "Key": f"abo-vqa/files/md5/{digest[:2]}/{digest[2:]}"}

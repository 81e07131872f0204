"""`make abo` against a server that speaks S3 on loopback, with a bucket laid out and public as Amazon's."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from clone import Clone
from vqa.catalogue.abo import read_catalogue

BUCKET = "amazon-berkeley-objects"


@pytest.fixture
def endpoint(catalogue: Path) -> Iterator[str]:
    """The URL of an S3 server whose public bucket holds the drawn catalogue."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="owner",
        aws_secret_access_key="owner",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)
    for path in sorted(catalogue.rglob("*")):
        if path.is_file():
            name = path.relative_to(catalogue).as_posix()
            client.upload_file(str(path), BUCKET, name, ExtraArgs={"ACL": "public-read"})
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_abo_fetches_the_public_bucket_without_credentials(
    endpoint: str, tmp_path: Path, catalogue: Path
) -> None:
    clone = Clone(tmp_path / "clone")
    options = f"ABO_OPTIONS=allow_anonymous_login=true endpointurl={endpoint}"
    nobody = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_EC2_METADATA_DISABLED": "true"}
    for _ in range(2):  # the second finds everything there
        # -o: the environment is the running one
        done = clone.run("make", "-o", ".venv/run", "abo", options, HOME=str(tmp_path), **nobody)
        assert done.returncode == 0, done.stdout + done.stderr
    fetched = read_catalogue(clone.folder / "data/abo", ["en_US"], 20).products
    assert fetched == read_catalogue(catalogue, ["en_US"], 20).products
    assert (clone.folder / "data/abo/images/small.dvc").is_file()
    stamp = (clone.folder / "data/abo.yaml").read_text()
    assert stamp.startswith("# Stands for the tree") and "root: data/abo\n" in stamp

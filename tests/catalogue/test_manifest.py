import os
import shutil
from pathlib import Path

import pytest

from vqa.catalogue.manifest import read_tree, text_of, tree_at_hand, unchanged_tree
from vqa.core.errors import InputError


@pytest.fixture
def stamp(catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path, relative to the project, of a file that stands for a copy of the drawn catalogue."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(catalogue, "data/shop")
    path = Path("data/shop.yaml")
    path.write_text(text_of(Path("data/shop")))
    return path


def one_image(tree: Path = Path("data/shop")) -> Path:
    return min((tree / "images/small").rglob("*.jpg"))


def test_a_file_stands_for_its_tree_and_a_folder_for_itself(stamp: Path) -> None:
    assert unchanged_tree(stamp) == read_tree(stamp) == Path("data/shop")
    assert unchanged_tree(Path("data/shop")) == read_tree(Path("data/shop")) == Path("data/shop")
    assert read_tree(Path("nowhere")) == Path("nowhere")  # who reads it says so


def test_it_is_the_same_whatever_dvc_and_git_keep_there_and_whenever_files_were_touched(stamp: Path) -> None:
    before = stamp.read_text()
    Path("data/shop/images/small.dvc").write_text("outs: []")
    Path("data/shop/images/.gitignore").write_text("/small")
    os.utime(one_image(), (1, 1))
    assert text_of(Path("data/shop")) == before
    assert {"images/metadata", "images/small", "listings/metadata"} == {
        line.strip(" :") for line in before.splitlines() if line.endswith(":") and "/" in line
    }


@pytest.mark.parametrize("change", ["one byte", "gone", "more", "renamed"])
def test_a_change_is_refused_by_name(stamp: Path, change: str) -> None:
    before, image = stamp.read_text(), one_image()
    if change == "one byte":
        content = bytearray(image.read_bytes())
        content[-1] ^= 1
        image.write_bytes(content)
    elif change == "gone":
        image.unlink()
    elif change == "more":
        image.with_name("more.jpg").write_bytes(b"")
    else:
        image.rename(image.with_name("other.jpg"))
    with pytest.raises(InputError, match=r"^data/shop\.yaml stands for .* in images/small, but data"):
        unchanged_tree(stamp)
    stamp.write_text(text_of(Path("data/shop")))
    assert stamp.read_text() != before
    assert unchanged_tree(stamp) == Path("data/shop")


def test_a_part_that_is_gone_is_named(stamp: Path) -> None:
    shutil.rmtree("data/shop/listings")
    with pytest.raises(InputError, match=r"in listings/metadata, but data/shop has nothing there"):
        unchanged_tree(stamp)


def test_a_copy_of_the_project_that_dvc_made_finds_the_tree_in_the_project(
    stamp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, copy = Path.cwd(), Path(".dvc/tmp/exps/tmp1")
    (copy / "data/shop/images").mkdir(parents=True)
    (copy / "data/shop/images/small.dvc").write_text("outs: []")  # git brings it
    shutil.copy(stamp, copy / "data")
    monkeypatch.chdir(copy)
    assert unchanged_tree(stamp) == project / "data/shop"


@pytest.mark.parametrize("text", ["", "[]", "root: data/shop", "root: data/shop\nparts: {a: {b: 1}}", "\xff"])
def test_a_file_that_stands_for_nothing_is_named(stamp: Path, text: str) -> None:
    stamp.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"data\.root is 'data/shop\.yaml', which stands for no tree; name"):
        read_tree(stamp)


def test_a_tree_at_hand_is_there(stamp: Path, tmp_path: Path) -> None:
    tree = read_tree(stamp)
    assert tree_at_hand(stamp) == tree_at_hand(tree) == tree
    tree.rename(tmp_path / "gone")
    with pytest.raises(InputError, match=rf"data\.root is '{stamp}', which stands for '{tree}', but"):
        tree_at_hand(stamp)
    with pytest.raises(InputError, match=rf"data\.root is '{tree}', but there is no such folder"):
        tree_at_hand(tree)


def test_nothing_cannot_be_stood_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder; name the one that holds the images"):
        text_of(tmp_path / "none")
    with pytest.raises(InputError, match="holds no file to stand for"):
        text_of(tmp_path)

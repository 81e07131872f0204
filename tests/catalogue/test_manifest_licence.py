"""Whose images there are, as the settings say."""

from pathlib import Path

import pytest

from paths import ROOT
from vqa.catalogue.manifest import images_licence, is_abo, is_drawn, unchanged_tree
from vqa.cli import manifest
from vqa.settings import PARAMS, Data, load_settings


@pytest.mark.parametrize(
    ("root", "said", "expected"),
    [
        ("data/demo", None, "apache-2.0"),
        ("data/demo", "abo", "apache-2.0"),  # left over from another tree: these were drawn
        ("data/abo", "abo", "cc-by-4.0"),
        ("data/abo", None, None),  # a name proves nothing
        ("data/mine", "cc0-1.0", "cc0-1.0"),
    ],
)
def test_the_licence_is_what_the_settings_say_and_never_guessed(
    root: str, said: str | None, expected: str | None
) -> None:
    data = Data(Path(root), said)
    assert images_licence(data) == expected
    assert is_abo(data) == (expected == "cc-by-4.0")
    assert is_drawn(data) == (root == "data/demo")


def test_what_stands_for_a_tree_says_it_of_that_tree_alone(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest.run(catalogue, Path("abo.yaml"), "abo")
    manifest.run(catalogue, Path("abo.yaml"))  # after a change of the tree: what was said of it stays
    manifest.run(catalogue, Path("mine.yaml"))
    assert is_abo(Data(Path("abo.yaml"), None))
    assert images_licence(Data(Path("abo.yaml"), "cc0-1.0")) == "cc0-1.0"  # the settings go before
    assert images_licence(Data(Path("mine.yaml"), None)) is None
    assert unchanged_tree(Path("abo.yaml")) == catalogue


def test_no_preset_says_it_since_data_root_can_be_changed_beside_it() -> None:
    for path in [*(ROOT / "configs/presets").glob("*.yaml")]:
        assert load_settings(ROOT / PARAMS, path).data.licence is None
    assert is_drawn(load_settings(ROOT / PARAMS).data)

from pathlib import Path

import pytest
import yaml

from paths import ROOT
from vqa.core.errors import InputError
from vqa.overlays import GONE, NEW_NAMES, read_yaml
from vqa.settings import load_settings
from vqa.studies.grid import read_grid

PARAMS = ROOT / "params.yaml"
RENAMED = "{} is called {} now; rename it"
CONTENT = read_yaml(PARAMS.read_text())


def test_the_new_names_exist_and_the_old_ones_do_not() -> None:
    known = {f"{block}.{name}" for block, names in CONTENT.items() for name in names}
    assert set(NEW_NAMES.values()) <= known
    assert not set(NEW_NAMES) & known
    assert len(set(NEW_NAMES.values())) == len(NEW_NAMES)
    assert not set(GONE) & (known | set(NEW_NAMES))


@pytest.mark.parametrize("old", [*NEW_NAMES, *GONE])
def test_an_old_name_is_refused_with_the_new_one_wherever_it_stands(tmp_path: Path, old: str) -> None:
    block, name = old.split(".")
    mine, grid = tmp_path / "mine.yaml", tmp_path / "grid.yaml"
    sentence = (
        f"{old} is gone: {GONE[old]}; remove it" if old in GONE else RENAMED.format(old, NEW_NAMES[old])
    )

    mine.write_text(yaml.safe_dump({block: {name: 1}}))
    with pytest.raises(InputError) as of_preset:
        load_settings(PARAMS, mine)
    assert str(of_preset.value) == f"{mine}: {sentence}"

    # As `dvc exp run -S +evaluate.compare=…` leaves it; without the plus DVC itself refuses.
    params = CONTENT | {block: CONTENT[block] | {name: 1}}
    mine.write_text(yaml.safe_dump(params))
    with pytest.raises(InputError) as of_params:
        load_settings(mine)
    assert str(of_params.value) == f"{mine}: {sentence}"

    grid.write_text(yaml.safe_dump({old: [1, 2]}))
    with pytest.raises(InputError) as of_grid:
        read_grid(grid, CONTENT)
    assert str(of_grid.value) == f"{grid}: {sentence}"

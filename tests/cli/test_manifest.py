from collections.abc import Callable
from pathlib import Path

import generate
import validate
from vqa.cli import manifest
from vqa.core.files import read_json

Project = Callable[..., Path]


def test_the_pipeline_reads_the_tree_that_data_root_stands_for(project: Project, catalogue: Path) -> None:
    project(data={"root": "data/shop.yaml"})
    manifest.run(catalogue, Path("data/shop.yaml"))
    generate.run()
    validate.run()
    assert read_json(Path("metrics/data.json"))["kept"] > 0


def test_it_is_written_beside_the_data_by_the_folders_name(project: Project, catalogue: Path) -> None:
    project()
    manifest.run(catalogue)
    assert Path(f"data/{catalogue.name}.yaml").read_text().startswith("# Stands for the tree")

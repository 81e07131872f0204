"""docs/lmms_eval fits what is exported: lmms-eval itself is not installed here (docs/other_tools.md)."""

import ast
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from PIL import Image

from paths import ROOT
from vqa.catalogue.abo import image_path
from vqa.cli import dataset
from vqa.export.dataset import write_dataset
from vqa.pairs.pair import Pair, write_pairs

TASK = ROOT / "docs/lmms_eval"


class _Loader(yaml.SafeLoader):
    """YAML in which `!function utils.name` is its text."""


_Loader.add_constructor("!function", lambda _, node: node.value)


def test_the_task_reads_columns_that_the_export_has(tmp_path: Path) -> None:
    task: dict[str, Any] = yaml.load((TASK / "abo_vqa.yaml").read_text(), _Loader)
    path = image_path(tmp_path, "aa1.jpg")
    path.parent.mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(path)
    write_pairs(tmp_path / "test.csv", [Pair("aa1.jpg", "What color is it?", "black")])
    splits = {task["test_split"]: tmp_path / "test.csv"}
    write_dataset(tmp_path / "out", splits, tmp_path / "none.csv", tmp_path, with_images=True)
    columns = set(pq.read_schema(tmp_path / "out/data/test.parquet").names)
    code = ast.parse((TASK / "utils.py").read_text())
    read = {
        node.slice.value
        for node in ast.walk(code)
        if isinstance(node, ast.Subscript)
        and ast.unparse(node.value) == "row"
        and isinstance(node.slice, ast.Constant)
    }
    assert read == {"image", "answer"}
    assert {*read, task["doc_to_text"], task["doc_to_target"]} <= columns
    assert Path(task["dataset_path"]) == dataset.FOLDERS[dataset.Format.PARQUET]
    defined = {node.name for node in code.body if isinstance(node, ast.FunctionDef)}
    called = {task[key] for key in ("doc_to_visual", "process_results")}
    assert {name.removeprefix("utils.") for name in called} <= defined

"""What a stage's code really uses, read from its syntax tree: local modules, params, paths."""

import ast
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from paths import ROOT
from vqa.settings import Settings

SRC = ROOT / "src"
SETTINGS = SRC / "vqa/settings.py"


def local_modules(file: Path) -> set[str]:
    """Every file below src that importing `file` runs, itself included, as paths from the top folder.

    What settings.py imports only checks values, which dvc.yaml's params track: it is not followed.
    Empty package markers (`__init__.py`) hold nothing that could change a result and are left out.
    """
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        if module == SETTINGS:
            continue
        for node in ast.walk(ast.parse(module.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            paths = [(SRC / name.replace(".", "/")).with_suffix(".py") for name in names]
            waiting += [path for path in paths if path.is_file()]
    return {path.relative_to(ROOT).as_posix() for path in found}


def params_read(file: Path, neutral: Sequence[str] = ()) -> set[str]:
    """`settings.block.key` in the stage file as block.key, and a block passed whole as block; without keys of
    `neutral`, but then all others of a block that is passed whole.
    """
    blocks = {field.name: field.type for field in fields(Settings)}
    used: set[str] = set()
    inner: set[int] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        chain = _chain(node)
        if id(node) in inner or chain[:1] != ["settings"] or len(chain) < 2:
            continue
        for child in ast.walk(node):
            inner.add(id(child))
        assert is_dataclass(blocks[chain[1]]), f"settings.{chain[1]} is no block"
        used.add(".".join(chain[1:3]))
    found = {key for key in used if "." not in key or key.split(".")[0] not in used}
    for block in {key.split(".")[0] for key in neutral} & found:
        of_block: Any = blocks[block]
        found = (found - {block}) | {f"{block}.{field.name}" for field in fields(of_block)}
    return found - set(neutral)


def _chain(node: ast.AST) -> list[str]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else []

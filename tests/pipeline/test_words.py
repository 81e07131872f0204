"""Words that this project gave up for the field's return neither in code nor in pages."""

import ast
import re
import tokenize
from pathlib import Path

import pytest

from paths import ROOT

# What was said once → what is said now. Text of prompts, questions and file formats is data: not looked at.
RETIRED = {
    r"pictures?": "image",
    r"witness(es)?": "label check",
    r"testimony|hearings?": "votes",
    r"verdicts?": "support level",
    r"seams?": "image-text model",
    r"(live|frozen) ?hal(f|ves)": "answer model, image encoder",
    r"near cop(y|ies)": "near duplicates",
    r"durable": "state",
    r"taught": "trained on",
    r"blind(ed)?": "zero image",
    r"wrong image": "shuffled image",
    r"picture alone": "image only",
    r"text only": "question only",
    r"judgements?": "evaluation",
}
# A file → the old words that it must name, since users hold files with them.
OLD_NAMES = {
    "src/vqa/core/state_dir.py": {"durable"},
    "src/vqa/inference/answerer.py": {"taught", "pictures"},
    "src/vqa/validation/image_checks.py": {"pictures"},
    "src/vqa/cli/import_.py": {"picture"},  # a column of an older left_out.csv
    "src/vqa/validation/splits.py": {"near copy"},  # a key of splits.json
    "src/vqa/synthetic/drawing.py": {"seam"},  # of a cushion
}
CODE = sorted(path for folder in ("src", "examples") for path in (ROOT / folder).rglob("*.py"))
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "AGENTS.md")),
]
HISTORY = {"log.md", "libraries.md"}  # what was tried by its name then; what other projects call their things

QUOTED = re.compile(r"<!-- commits -->.*<!-- /commits -->", re.DOTALL)  # messages as they were written


def words(text: str) -> str:
    """Lower-case words of prose or of a name: `LiveHalf`, `live_half` and "live half" are one."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\W]+", " ", text).lower()


def retired(text: str) -> set[str]:
    """The retired words in it."""
    return {match[0] for word in RETIRED for match in re.finditer(rf"\b(?:{word})\b", words(text))}


def said_in(path: Path) -> str:
    """Names, comments and docstrings of a Python file; no other strings, which may be data."""
    source = path.read_text()
    with path.open("rb") as file:
        found = [
            token.string
            for token in tokenize.tokenize(file.readline)
            if token.type in (tokenize.NAME, tokenize.COMMENT)
        ]
    nodes = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    ]
    return "\n".join([*found, *(ast.get_docstring(node) or "" for node in nodes)])


@pytest.mark.parametrize("text", ["a picture", "LiveHalf", "live_half", "near copies", "text-only"])
def test_a_retired_word_is_found_in_prose_and_names(text: str) -> None:
    assert retired(text)


def test_no_module_has_a_retired_word() -> None:
    found = {
        name: words
        for path in CODE
        if (words := retired(said_in(path)) - OLD_NAMES.get(name := path.relative_to(ROOT).as_posix(), set()))
    }
    assert found == {}


def test_no_page_has_a_retired_word() -> None:
    pages = {path.name: QUOTED.sub("", path.read_text()) for path in PAGES if path.name not in HISTORY}
    assert {name: words for name, text in pages.items() if (words := retired(text))} == {}

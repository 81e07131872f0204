"""Apply presets to the committed params.yaml.

    python src switch abo blip2-opt-2.7b    # back: git checkout params.yaml
    python src switch photos ci             # of two that change a key the later holds

In: configs/presets/<name>.yaml, and params.yaml as committed. Out: params.yaml; `git diff` shows what it
changes. The result is checked first, and changes of params.yaml that are not committed are never overwritten.
"""

import io
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.representer import RoundTripRepresenter

from vqa.core.cli import command_line
from vqa.core.errors import InputError, first_line
from vqa.core.files import whole_file
from vqa.overlays import Blocks, parse_layer, read_layer
from vqa.settings import PARAMS, Settings, build_settings, load_settings

FOLDER, _OLD_FOLDER = Path("configs/presets"), Path("params")
_DRAWN = Path("data/demo")  # by the stage demo
_REMEDIES = {  # by data.root's name
    "abo": "make abo fetches it (listings and small images, about 3 GB)",
    "photos": "docs/photos.md says where its images come from",
}

Keys = dict[tuple[str, str], Any]  # (block, key) → value


# The presets, each with what it changes of params.yaml, and params.yaml with some applied.
def preset_paths(names: Sequence[str]) -> list[Path]:
    """The files of these names.

    Raises:
        InputError: one is missing; it names those that there are.
    """
    paths = [FOLDER / f"{name}.yaml" for name in names]
    for path in paths:
        if not path.is_file():
            names_there = ", ".join(sorted(path.stem for path in FOLDER.glob("*.yaml")))
            old = _OLD_FOLDER / path.name
            moved = f" ({old} lies where presets did before: move it)" if old.is_file() else ""
            raise InputError(f"{path} is missing{moved}; there are {names_there}")
    return paths


def merge_params(paths: Sequence[Path]) -> str:
    """The committed params.yaml with what each of the files changes, as text; checked as settings are.

    Raises:
        InputError: a file has a wrong key or value, or params.yaml has changes that are neither committed nor
            those of presets, and would be lost.
    """
    committed, layers = _committed(), [read_layer(path) for path in paths]
    build_settings([parse_layer(PARAMS, committed), *layers])
    now = PARAMS.read_text(encoding="utf-8") if PARAMS.is_file() else committed
    if now != committed and not _is_made_of(now, committed, sorted(FOLDER.glob("*.yaml"))):
        raise InputError(f"{PARAMS} has changes that are not committed; commit or stash them first")
    return _with_changes(committed, [_read(path.read_text(encoding="utf-8")) for path in paths])


def missing_data(settings: Settings) -> list[str]:
    """A sentence that says how what `data.root` names is got, where it is not there and no stage makes it."""
    root = settings.data.root
    if root.exists() or root == _DRAWN:
        return []
    remedy = _REMEDIES.get(
        root.name.partition(".")[0], "docs/catalogue.md says how a tree is made of your images"
    )
    return [f"{root} is not there yet: {remedy}"]


def _committed() -> str:
    shown = subprocess.run(
        ["git", "show", f"HEAD:./{PARAMS}"], capture_output=True, encoding="utf-8", check=False
    )
    if shown.returncode:
        reason = first_line(Exception(shown.stderr))
        raise InputError(f"git has no committed {PARAMS} ({reason}); commit it first")
    return shown.stdout


def _is_made_of(now: str, committed: str, presets: Iterable[Path]) -> bool:
    """Whether `now` is the committed text with some of the files applied, whichever and in whatever order."""
    try:
        was, has = (_keys(parse_layer(PARAMS, text)[1]) for text in (committed, now))
        changes = {key: value for key, value in has.items() if value != was.get(key)}
        as_we_write = _with_changes(committed, [_read(now)])
    except (InputError, YAMLError, LookupError, AttributeError):  # other blocks or keys, or none
        return False
    left = [_keys(read_layer(path)[1]) for path in presets]
    explained: set[tuple[str, str]] = set()
    # The file applied last fits as it is, the one before it but for what that changed again, and so on.
    while applied := [keys for keys in left if _fits(keys, has, explained)]:
        left = [keys for keys in left if keys not in applied]
        explained.update(*applied)
    return now == as_we_write and changes.keys() <= explained


def _fits(keys: Keys, has: Keys, explained: set[tuple[str, str]]) -> bool:
    """Whether every key that no later file changed again has this file's value."""
    return all(key in explained or has.get(key) == value for key, value in keys.items())


def _keys(blocks: Blocks) -> Keys:
    return {(block, key): value for block, values in blocks.items() for key, value in values.items()}


def _with_changes(text: str, changes: Iterable[Mapping[str, Mapping[str, Any]]]) -> str:
    """The text with other values, and every comment and line that does not change as it stands."""
    params = _read(text)
    for blocks in changes:
        for block, values in blocks.items():
            params[block].update({key: value for key, value in values.items() if params[block][key] != value})
    written = io.StringIO()
    _yaml().dump(params, written)
    return written.getvalue()


def _read(text: str) -> Any:
    return _yaml().load(text)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096  # no line is folded
    yaml.Representer = _WithNull
    return yaml


class _WithNull(RoundTripRepresenter):
    """Writes null where ruamel.yaml would write nothing."""


_WithNull.add_representer(type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null"))


def run(
    names: Annotated[list[str], typer.Argument(help="presets: files of configs/presets, without .yaml")],
) -> None:
    paths = preset_paths(names)
    text = merge_params(paths)
    with whole_file(PARAMS) as file:
        file.write(text)
    applied = ", ".join(map(str, paths))
    print(f"{PARAMS} has {applied} now; git diff {PARAMS} shows the changes, dvc repro runs them")
    for sentence in missing_data(load_settings()):
        print(sentence)


app = command_line(__doc__, run)

"""Apply files of params/ to the committed params.yaml.

    python src switch abo blip2-opt-2.7b    # back: git checkout params.yaml
    python src switch photos ci             # of two that change a key the later holds

In: params/<name>.yaml, and params.yaml as committed. Out: params.yaml; `git diff` shows what it changes. The
result is checked first, and changes of params.yaml that are not committed are never overwritten.
"""

from typing import Annotated

import typer

from vqa.core.cli import command_line
from vqa.core.files import whole_file
from vqa.presets import merge_params, missing_data, preset_paths
from vqa.settings import PARAMS, load_settings


def run(names: Annotated[list[str], typer.Argument(help="of files of params/, without .yaml")]) -> None:
    paths = preset_paths(names)
    text = merge_params(paths)
    with whole_file(PARAMS) as file:
        file.write(text)
    applied = ", ".join(map(str, paths))
    print(f"{PARAMS} has {applied} now; git diff {PARAMS} shows the changes, dvc repro runs them")
    for sentence in missing_data(load_settings()):
        print(sentence)


app = command_line(__doc__, run)

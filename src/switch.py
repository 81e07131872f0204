"""Apply files of params/ to the committed params.yaml.

    python src/switch.py blip2-opt-2.7b        # or several, the later holds; back: git checkout params.yaml

In: params/<name>.yaml, and params.yaml as committed. Out: params.yaml; `git diff` shows what it changes. The
result is checked first, and changes of params.yaml that are not committed are never overwritten.
"""

import argparse

from vqa.foundation.errors import run_command
from vqa.foundation.files import whole_file
from vqa.presets import params_with, preset_paths
from vqa.settings import PARAMS


def run(*names: str) -> None:
    paths = preset_paths(names)
    text = params_with(paths)
    with whole_file(PARAMS) as file:
        file.write(text)
    applied = ", ".join(map(str, paths))
    print(f"{PARAMS} has {applied} now; git diff {PARAMS} shows the changes, dvc repro runs them")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", metavar="name", nargs="+", help="of a file of params/, without .yaml")
    names = parser.parse_args().names
    run_command(lambda: run(*names))


if __name__ == "__main__":
    main()

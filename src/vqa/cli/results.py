"""Print the last evaluation's results, or write all into the pages.

    python src results
    python src results --write     # between <!-- name --> and <!-- /name -->

In: metrics/evaluate.json and speed.json; --write: also details.json, metrics/photos and verification. Out:
the table on standard output, and how much of the gain is format.
"""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.evaluation.markdown import (
    blind_sentence,
    catalogues_table,
    format_sentence,
    replacement_sentence,
    results_table,
    settings_table,
    speed_sentence,
    subsets_table,
    types_table,
)
from vqa.evaluation.witness_tables import (
    detection_table,
    meanings_table,
    opinions_table,
    trained_table,
    verdicts_table,
)
from vqa.foundation.command_line import command_line
from vqa.foundation.errors import InputError
from vqa.foundation.files import read_json, whole_file

METRICS, SPEED = Path("metrics/evaluate.json"), Path("metrics/speed.json")
DETAILS = Path("metrics/details.json")
PHOTOS, VERIFICATION = Path("metrics/photos"), Path("metrics/verification")
PRETRAINED = {  # what the base model saw before: three epochs of LoRA on top of each
    "drawings": "drawings only (`models/blip2-tiny`), 96 px",
    "quarter-64px": "a quarter of the steps on photographs, 64 px",
    "quarter-96px": "a quarter of the steps, 96 px",
    "full-96px": "all steps, 96 px (`models/blip2-small`)",
}
PAGES = (Path("README.md"), Path("docs/photos.md"), Path("docs/verify.md"))


def run(
    write: Annotated[bool, typer.Option("--write", help="into README.md and docs/ instead")] = False,
) -> None:
    if write:
        write_pages()
    else:
        print_table()


def print_table() -> None:
    if not METRICS.is_file():
        raise InputError(f"{METRICS} is missing; run dvc repro first")
    metrics = read_json(METRICS)
    print(results_table(metrics))
    print(format_sentence(metrics))
    if SPEED.is_file():
        print(speed_sentence(read_json(SPEED)))


def write_pages() -> None:
    """Bring every marked section up to date."""
    texts = sections()
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        for name, text in texts.items():
            page = re.sub(rf"(?s)(<!-- {name} -->\n).*?(<!-- /{name} -->)", rf"\g<1>{text}\n\g<2>", page)
        with whole_file(path) as file:
            file.write(page)
    print(f"wrote {', '.join(map(str, PAGES))}")


def sections() -> dict[str, str]:
    """What stands between the marks of each name."""
    drawings, photographs = read_json(METRICS), _photos("evaluate")
    return _witnesses() | {
        "results": results_table(drawings),
        "format": format_sentence(drawings),
        "catalogues": catalogues_table({"drawn catalogue": drawings, "real photographs": photographs}),
        "pretraining": settings_table({PRETRAINED[name]: _photos(name) for name in PRETRAINED}),
        "trained-blind": blind_sentence(_photos("against-trained-blind")),
        "replaces": replacement_sentence(_photos("on-drawings"), drawings),
        "photos": results_table(photographs),
        "subsets": subsets_table(read_json(DETAILS)),
        "photos-subsets": subsets_table(read_json(PHOTOS / "details.json")),
        "photos-by-type": types_table(photographs, read_json(PHOTOS / "details.json")),
    }


def _witnesses() -> dict[str, str]:
    """What was measured of them; a training takes hours, so that its table may not be there."""
    found = {
        "detection": detection_table(read_json(VERIFICATION / "detection.json")),
        "meanings": meanings_table(read_json(VERIFICATION / "meanings.json")),
        "second-opinion": opinions_table(read_json(VERIFICATION / "opinions.json")),
        "photos-verdicts": verdicts_table(_photos("verify")),
    }
    trained = VERIFICATION / "trained.json"
    return found | ({"trained": trained_table(read_json(trained))} if trained.is_file() else {})


def _photos(name: str) -> dict[str, Any]:
    metrics: dict[str, Any] = read_json(PHOTOS / f"{name}.json")
    return metrics


app = command_line(__doc__, run)

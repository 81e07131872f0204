"""Bring the marked sections of README.md and docs/ up to date, from what is committed.

    python docs/build.py                            # between <!-- name --> and <!-- /name -->
    python docs/build.py --image docs/answers.png   # the first held-out image with the answers about it

In: metrics/evaluate.json and details.json, results/photos, results/label_checks, results/calibration, and
seeds.json of results/studies; --image: the test pairs, both models' answers and the image.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any

import typer
from PIL import Image, ImageDraw, ImageFont, ImageOps

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from tables import (
    calibration_table,
    coverage_table,
    detection_table,
    headline_table,
    lead_sentences,
    meanings_table,
    opinions_table,
    sizes_table,
    support_table,
    trained_table,
)

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import load_image
from vqa.catalogue.manifest import read_tree
from vqa.core.cli import command_line
from vqa.core.errors import run_command
from vqa.core.files import read_json, whole, whole_file
from vqa.evaluation.markdown import (
    format_sentence,
    read_metrics,
    replacement_sentence,
    results_table,
    rules_sentence,
    settings_table,
    subsets_table,
    types_table,
    zero_image_sentence,
)
from vqa.evaluation.systems import (
    BASELINE,
    LORA,
    TO_BASELINE,
    TO_QUESTION_ONLY,
    TO_ZERO_IMAGE,
    ZERO_IMAGE,
    System,
)
from vqa.pairs.pair import Pair, read_pairs
from vqa.pairs.predictions import is_right, read_texts
from vqa.settings import load_settings
from vqa.studies.report import over_seeds, seeds_section
from vqa.studies.results import Record, read_record

METRICS, DETAILS = Path("metrics/evaluate.json"), Path("metrics/details.json")
PHOTOS, VERIFICATION = Path("results/photos"), Path("results/label_checks")
CALIBRATION = {
    title: Path(f"results/calibration/{name}.json")
    for title, name in {"drawings": "drawings", "photographs": "photos"}.items()
}
# Of python src study report
SEEDS = (
    Path("results/studies/seeds.json"),
    Path("results/studies/photos/seeds.json"),
)
PRETRAINED = {  # what the model was pre-trained on: three epochs of LoRA on top of each
    "drawings": "drawings only (`models/blip2-tiny`), 96 px",
    "quarter-64px": "a quarter of the steps on photographs, 64 px",
    "quarter-96px": "a quarter of the steps, 96 px",
    "full-96px": "all steps, 96 px (`models/blip2-small`)",
}
OWN = {"40": "2.5 min", "400": "6 min", "4,000": "12 min"}  # images → processor time of the whole run
PAGES = tuple(
    Path(page)
    for page in (
        "README.md",
        "docs/results/calibration.md",
        "docs/results/evaluation.md",
        "docs/results/label_checks.md",
        "docs/results/own_images.md",
        "docs/results/photos.md",
    )
)
_SIDE, _MARGIN, _WIDTH = 256, 24, 760  # pixels
_INK, _PALE, _GOOD, _BAD = "#1f2328", "#59636e", "#1a7f37", "#b35900"


def run(
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="draw the first answers")] = None,
) -> None:
    if image:
        draw_answers(image)
    else:
        write_pages()


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
    drawings, photographs = read_metrics(METRICS), _photos("evaluate")
    details, seeds = (read_metrics(DETAILS), _photos("details")), list(map(read_record, SEEDS))
    (of_drawings, gains), (of_photographs, gains_there) = map(_over_seeds, seeds)
    both = {
        "drawn catalogue": (drawings, details[0], of_drawings),
        "real photographs": (photographs, details[1], of_photographs),
    }
    return (
        _label_checks()
        | _calibration()
        | {
            "headline": headline_table(both),
            "lead": lead_sentences(gains, gains_there, details[1]),
            "own-images": sizes_table(_own() | {"6,000": ("45 min", photographs, details[1])}),
            "seeds": seeds_section(seeds[0]),
            "photos-seeds": seeds_section(seeds[1]),
            "results": results_table(drawings),
            "format": format_sentence(drawings),
            "rules": rules_sentence(drawings),
            "pretraining": settings_table({PRETRAINED[name]: _photos(name) for name in PRETRAINED}),
            "trained-blind": zero_image_sentence(_photos("against-trained-blind")),
            "replaces": replacement_sentence(_photos("on-drawings"), drawings),
            "photos": results_table(photographs),
            "subsets": subsets_table(details[0]),
            "photos-subsets": subsets_table(details[1]),
            "photos-by-type": types_table(photographs, details[1]),
        }
    )


def _over_seeds(record: Record) -> tuple[dict[str, str], dict[str, str]]:
    """System → share, and lead → points."""
    summary = over_seeds(record)
    of = f", sd {summary.deviation} over {summary.seeds} seeds" if summary.seeds > 1 else ""
    shares = {LORA.key: summary.adapter + of, ZERO_IMAGE.key: summary.zero_image}
    leads = {
        TO_BASELINE: summary.to_base,
        TO_ZERO_IMAGE: summary.to_zero_image,
        TO_QUESTION_ONLY: summary.to_question_only,
    }
    return shares, {lead.key: text for lead, text in leads.items()}


def _calibration() -> dict[str, str]:
    reports = {title: read_json(path) for title, path in CALIBRATION.items()}
    return {"calibration": calibration_table(reports), "coverage": coverage_table(reports)}


def _label_checks() -> dict[str, str]:
    """What was measured of them."""
    return {
        "detection": detection_table(read_json(VERIFICATION / "detection.json")),
        "meanings": meanings_table(read_json(VERIFICATION / "meanings.json")),
        "second-opinion": opinions_table(read_json(VERIFICATION / "opinions.json")),
        "trained": trained_table(read_metrics(VERIFICATION / "trained.json")),
        "photos-support": support_table(_photos("verify")),
        "abo-support": support_table(read_json(VERIFICATION / "abo.json")),
    }


def _own() -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    """What adapters learnt from parts of the photographs."""
    folders = {images: f"own-{images.replace(',', '')}" for images in OWN}
    return {
        images: (OWN[images], _photos(f"{folder}/evaluate"), _photos(f"{folder}/details"))
        for images, folder in folders.items()
    }


def _photos(name: str) -> dict[str, Any]:
    metrics: dict[str, Any] = read_metrics(PHOTOS / f"{name}.json")
    return metrics


def draw_answers(path: Path) -> None:
    """The first held-out image, three questions about it and the answers, as PNG.

    Raises:
        InputError: nothing was answered yet, or the answers are to other pairs.
    """
    pairs = read_pairs(Path("data/vqa/test.csv"))
    texts = {s.key: read_texts(s.answers, pairs, s.stage) for s in (BASELINE, LORA) if s.answers}
    root = read_tree(load_settings().data.root)
    shown = answers_figure(load_image(image_path(root, pairs[0].image_name)), first_answers(pairs, texts))
    with whole(path) as temporary:
        shown.save(temporary, "PNG", optimize=True)
    print(f"wrote {path}")


def first_answers(
    pairs: Sequence[Pair], texts: Mapping[str, Sequence[str]]
) -> list[tuple[Pair, list[tuple[str, str, bool]]]]:
    """The first three pairs of the first image: the choice does not depend on the answers.

    Out: each pair with (title, text, whether it is right) of baseline and LoRA.
    """
    of_first = [i for i, pair in enumerate(pairs) if pair.image_name == pairs[0].image_name][:3]
    return [
        (pairs[i], [_evaluated(system, texts[system.key][i], pairs[i]) for system in (BASELINE, LORA)])
        for i in of_first
    ]


def _evaluated(system: System, text: str, pair: Pair) -> tuple[str, str, bool]:
    return system.title, text, is_right(pair, text)


def answers_figure(
    image: Image.Image, answers: Sequence[tuple[Pair, Sequence[tuple[str, str, bool]]]]
) -> Image.Image:
    """The RGB image on the left, each question with both answers on the right, the right ones in green."""
    canvas = Image.new("RGB", (_WIDTH, _SIDE + 2 * _MARGIN), "white")
    shown = ImageOps.pad(image, (_SIDE, _SIDE), Image.Resampling.LANCZOS, "white")
    canvas.paste(shown, (_MARGIN, _MARGIN))
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(22), ImageFont.load_default(19)
    left, top = _SIDE + 3 * _MARGIN, _MARGIN
    for pair, outcomes in answers:
        draw.text((left, top), pair.question, _INK, large)
        for column, (title, text, is_good) in enumerate(outcomes):
            x = float(left + column * 240)
            draw.text((x, top + 34), f"{title}:", _PALE, small)
            x += draw.textlength(f"{title}: ", small)
            draw.text((x, top + 34), shorten(text or "(nothing)", 18), _GOOD if is_good else _BAD, small)
        top += _SIDE // len(answers)
    return canvas


app = command_line(__doc__, run)

if __name__ == "__main__":
    run_command(app)

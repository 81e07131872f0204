"""Print the last results, or write them into the pages.

    python src results
    python src results --diff HEAD   # beside those of a commit, a tag or an experiment
    python src results --write       # between <!-- name --> and <!-- /name -->
    python src results --image docs/answers.png

In: metrics/evaluate.json and speed.json, dvc.lock; --write: also details.json, metrics/photos and
verification, and reports' seeds.json. Out: the table on standard output below what it is of, and how much of
the gain is format; --image: the first held-out image with the answers of baseline and LoRA.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import load_image
from vqa.catalogue.manifest import read_tree
from vqa.core.cli import command_line
from vqa.core.errors import InputError
from vqa.core.files import read_json, whole, whole_file
from vqa.evaluation.answers_figure import answers_figure, first_answers
from vqa.evaluation.headline import headline_table, lead_sentences, sizes_table
from vqa.evaluation.label_check_tables import (
    detection_table,
    meanings_table,
    opinions_table,
    support_table,
    trained_table,
)
from vqa.evaluation.markdown import (
    diff_table,
    format_sentence,
    points,
    read_metrics,
    replacement_sentence,
    results_table,
    rules_sentence,
    settings_table,
    speed_sentence,
    split_intervals,
    subsets_table,
    types_table,
    zero_image_sentence,
)
from vqa.evaluation.systems import BASELINE, LORA, TO_BASELINE, TO_QUESTION_ONLY, TO_ZERO_IMAGE, ZERO_IMAGE
from vqa.pairs.pair import read_pairs, too_few
from vqa.pairs.predictions import read_texts
from vqa.settings import PARAMS, load_settings
from vqa.studies.record import Record, exact_matches, read_questions, read_record
from vqa.studies.report import change_sentence, over_seeds, seeds_section
from vqa.studies.runs import changes, other_files, settings_at_hand, settings_of_run

LOCK = Path("dvc.lock")
TEST = Path("data/vqa/test.csv")
METRICS, SPEED = Path("metrics/evaluate.json"), Path("metrics/speed.json")
DETAILS = Path("metrics/details.json")
PHOTOS, VERIFICATION = Path("metrics/photos"), Path("metrics/verification")
SEEDS = (Path("reports/seeds.json"), Path("reports/photos/seeds.json"))  # of python src study report
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
        "docs/results/evaluation.md",
        "docs/results/label_checks.md",
        "docs/results/own_images.md",
        "docs/results/photos.md",
    )
)


def run(
    write: Annotated[bool, typer.Option("--write", help="into README.md and docs/ instead")] = False,
    diff: Annotated[str | None, typer.Option(metavar="REV", help="what changed since that commit")] = None,
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="draw the first answers")] = None,
) -> None:
    if write:
        write_pages()
    elif image:
        draw_answers(image)
    elif diff:
        print_diff(diff)
    else:
        print_table()


def print_table() -> None:
    metrics = _evaluated()
    print(*_heading(metrics), results_table(metrics), format_sentence(metrics), sep="\n")
    if SPEED.is_file():
        print(speed_sentence(read_json(SPEED)))
    print("", *last_lines(metrics), sep="\n")


def last_lines(metrics: dict[str, Any]) -> list[str]:
    """What came out, what to open, how to ask, what is next."""
    base, adapted = (metrics[system.key]["exact_match"] for system in (BASELINE, LORA))
    gain = points(metrics[TO_BASELINE.key]["exact_match"])
    root = load_settings().data.root if PARAMS.is_file() else Path("data/demo")
    images = root.with_suffix("") / "images/small"
    return [
        f"came out: exact match {base:.1%} before, {adapted:.1%} with the adapter, {gain} points",
        "open this: metrics/report.html, every answer with its image",
        f'ask so:    python src ask --image {images} --question "What color is it?"',
        "next:      dvc exp run -S lora.r=8 && python src results --diff HEAD; then README.md, Run",
    ]


def print_diff(rev: str) -> None:
    """Exact match of `rev` and now with the paired interval of its change, and the settings that differ.

    Answers to other test questions are not put beside these.

    Raises:
        InputError: there is no such commit or experiment, or it has no metrics.
    """
    from vqa.studies.runs import committed, names  # noqa: PLC0415  # DVC takes a second to load

    metrics, commit = _evaluated(), names("HEAD").get(rev, rev)
    then = split_intervals(json.loads(committed(METRICS.as_posix(), commit)))
    settings = settings_of_run(committed(LOCK.as_posix(), commit))
    changed = changes(settings, settings_of_run(LOCK.read_text(encoding="utf-8")))
    print(*_heading(metrics), sep="\n")
    print(_compared(then, metrics, rev, commit))
    print(f"changed since {rev}: {', '.join(changed) or 'no setting'}")


def _compared(then: dict[str, Any], now: dict[str, Any], rev: str, commit: str) -> str:
    """The table of both, and how sure the adapter's change is; or why they do not stand side by side."""
    from dvc.exceptions import DvcException  # noqa: PLC0415

    from vqa.studies.runs import kept  # noqa: PLC0415

    answers = (LORA.answers or Path()).as_posix()
    try:
        test, theirs = kept(TEST.as_posix(), commit), kept(answers, commit)
    except (DvcException, FileNotFoundError):
        missing = f"no interval of the change: DVC's cache has no answers of {rev}; dvc fetch brings them"
        return f"{diff_table(then, now, rev)}\n{missing}"
    questions, others = (read_questions(text) for text in (TEST.read_text(encoding="utf-8"), test))
    if questions.keys != others.keys:
        counts = f"{len(others.keys):,} questions, here {len(questions.keys):,}"
        return f"{rev} was evaluated on other test pairs ({counts}), so its numbers do not stand beside these"
    ours = Path(answers).read_text(encoding="utf-8")
    before, after = (exact_matches(text, questions, rev) for text in (theirs, ours))
    return f"{diff_table(then, now, rev)}\n{change_sentence(before, after, list(questions.groups.values()))}"


def _evaluated() -> dict[str, Any]:
    if not METRICS.is_file():
        raise InputError(f"{METRICS} is missing; run dvc repro first")
    metrics: dict[str, Any] = read_metrics(METRICS)
    return metrics


def _heading(metrics: dict[str, Any]) -> list[str]:
    """What the table below is of, and whether that is what lies here."""
    ran = settings_of_run(LOCK.read_text(encoding="utf-8")) if LOCK.is_file() else {}
    data, model = ran.get("data.root", "data unknown"), ran.get("model.name", "model unknown")
    questions, images = metrics["data"]["test_pairs"], metrics["data"]["test_images"]
    heading = [f"{data}, {model}: {questions:,} held-out questions on {images:,} images"]
    stale = changes(ran, settings_at_hand(PARAMS.read_text(encoding="utf-8"))) if PARAMS.is_file() else []
    if DETAILS.is_file():
        stale += [f"another {name}" for name in other_files(read_json(DETAILS)["evaluated"])]
    if stale:
        heading.append(
            f"not of what lies here ({', '.join(stale)}): dvc repro, or git checkout . && dvc checkout"
        )
    return [*heading, *too_few(questions), ""]


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


def sections() -> dict[str, str]:
    """What stands between the marks of each name."""
    drawings, photographs = read_metrics(METRICS), _photos("evaluate")
    details, seeds = (read_metrics(DETAILS), _photos("details")), list(map(read_record, SEEDS))
    (of_drawings, gains), (of_photographs, gains_there) = map(_over_seeds, seeds)
    both = {
        "drawn catalogue": (drawings, details[0], of_drawings),
        "real photographs": (photographs, details[1], of_photographs),
    }
    return _label_checks() | {
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


app = command_line(__doc__, run)

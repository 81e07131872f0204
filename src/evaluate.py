"""Compare the baseline, LoRA and other systems on held-out images: predictions → scores → differences.

    python src/evaluate.py
    python src/evaluate.py --predictions FILE [--against FILE]    # any CSV with answer and generated_answer
    python src/evaluate.py --predictions FILE --column answer=label generated_answer=prediction

In: data/vqa/{train,test,support}.csv, data/predictions; images only for the page. Out: metrics/
evaluate.json, details.json (intervals by type and by support level), report.html and plots/evaluate. No model
but BERTScore's encoder is loaded, on the CPU: equal predictions give equal bytes, but for the date on the
page; of BLIP-2 the tokenizer. Two systems use no image.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.catalogue.abo import image_path
from vqa.catalogue.manifest import is_abo, read_tree
from vqa.core.cli import command_line, named_columns
from vqa.core.devices import in_memory
from vqa.core.errors import InputError, named_first, run_command
from vqa.core.files import sha256_file, whole_file, write_json
from vqa.evaluation.comparison import compare_on_subsets, compare_systems, scores_of_file, summary
from vqa.evaluation.guesses import GUESSES
from vqa.evaluation.markdown import minimum_detectable_effect_sentence
from vqa.evaluation.report_page import report_page, write_plots
from vqa.evaluation.report_summary import Subject
from vqa.evaluation.systems import SYSTEMS
from vqa.pairs.pair import Pair, read_pairs, read_support
from vqa.pairs.predictions import NAMEABLE, read_texts
from vqa.scoring import bertscore
from vqa.scoring.bertscore import cpu_scorer
from vqa.scoring.scores import scores_of_systems
from vqa.settings import Settings, load_settings
from vqa.vlm.tokens import answers_over_token_limit, load_prompt_tokens

TRAIN, TEST, SUPPORT_LEVELS = (
    Path("data/vqa/train.csv"),
    Path("data/vqa/test.csv"),
    Path("data/vqa/support.csv"),
)
ADAPTER = Path("models/adapter/best/adapter_model.safetensors")
ANSWERS = {system.key: system.answers for system in SYSTEMS if system.answers}
OTHERS = Path("data/predictions/others")
METRICS, DETAILS = Path("metrics/evaluate.json"), Path("metrics/details.json")
SEED = 0  # of the bootstrap
PAGE, PLOTS = Path("metrics/report.html"), Path("metrics/plots/evaluate")


def run() -> None:
    settings = load_settings()
    train_pairs, test_pairs = read_pairs(TRAIN), read_pairs(TEST)
    _check_inputs(train_pairs, test_pairs)
    texts = {
        system.key: read_texts(system.answers, test_pairs, system.stage)
        if system.answers
        else GUESSES[system.key](train_pairs, test_pairs)
        for system in SYSTEMS
    }
    others = {p.stem: read_texts(p, test_pairs, "answer_others") for p in sorted(OTHERS.glob("*.csv"))}

    scorer = cpu_scorer(settings.evaluate.scorer)
    every = in_memory(
        lambda: scores_of_systems(test_pairs, texts | others, scorer),
        f"BERTScore's encoder {settings.evaluate.scorer}",
        "close other programs, or set evaluate.scorer to minilm in params.yaml where it is another",
    )
    scores = {system: every[system] for system in texts}
    draws = settings.evaluate.bootstrap_draws
    metrics, intervals = compare_systems(test_pairs, scores, draws, SEED)
    metrics["others"] = {name: summary(test_pairs, every[name]) for name in others}
    tokens = load_prompt_tokens(settings.model.name, settings.model.revision, settings.model.prompt)
    limit, answers = settings.decoding.max_new_tokens, [pair.answer for pair in test_pairs]
    metrics["data"]["answers_over_token_limit"] = answers_over_token_limit(tokens.answer_ids, answers, limit)
    metrics["scorer"] = bertscore.description(settings.evaluate.scorer)
    of_test = read_support(SUPPORT_LEVELS, test_pairs)
    intervals["subsets"] = compare_on_subsets(test_pairs, scores, of_test, draws, SEED)
    intervals["evaluated"] = {path.as_posix(): sha256_file(path) for path in (ADAPTER, TRAIN, TEST)}

    write_plots(PLOTS, test_pairs, texts, intervals)
    path_of = partial(image_path, read_tree(settings.data.root))
    is_of_report = is_abo(settings.data)
    subject = Subject(settings.data.root.as_posix(), settings.model.name, datetime.now(UTC).date())
    with whole_file(PAGE) as file:
        file.write(report_page(metrics, intervals, test_pairs, texts, scores, path_of, is_of_report, subject))
    write_json(DETAILS, intervals)
    write_json(METRICS, metrics)
    print(f"evaluated {len(test_pairs)} answers of {len(texts)} systems: see {PAGE}, python src results")
    _print_notes(metrics, settings)


def _print_notes(metrics: dict[str, Any], settings: Settings) -> None:
    if not read_tree(settings.data.root).is_dir():
        print(f"{settings.data.root}, data.root, is not on this machine: {PAGE} shows no images")
    if several := metrics["data"]["test_pairs_with_second_answer"]:
        print(f"{several} questions have a second right answer: the better one counts")
    print(minimum_detectable_effect_sentence(metrics))


def _check_inputs(train_pairs: Sequence[Pair], test_pairs: Sequence[Pair]) -> None:
    """No image is trained on and tested, nor one of its group, and the adapter is there.

    Raises:
        InputError: one is, or it is not.
    """
    for what, of in (("images", attrgetter("image_name")), ("groups of images", attrgetter("together"))):
        if both := sorted({of(pair) for pair in train_pairs} & {of(pair) for pair in test_pairs}):
            raise InputError(
                f"{len(both)} {what} are in {TRAIN} and in {TEST} ({named_first(both)}): no answer on them "
                "tells anything; run dvc repro validate, which keeps what was edited by hand"
            )
    if not ADAPTER.is_file():
        raise InputError(f"{ADAPTER.parent} holds no adapter; run dvc repro train, or dvc pull")


def main(
    predictions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="score this CSV and print JSON")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="and this one, with the difference")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="WHAT=NAME", help="where the files call a column otherwise")
    ] = None,
) -> None:
    if predictions is None:
        run()
    else:
        evaluate = load_settings().evaluate
        named = named_columns(column or [], NAMEABLE)
        load, draws = partial(cpu_scorer, evaluate.scorer), evaluate.bootstrap_draws
        file_scores = scores_of_file(predictions, against, named, load, draws, SEED)
        print(json.dumps(file_scores, indent=2))  # and nothing else on standard output


app = command_line(__doc__, main)

if __name__ == "__main__":
    run_command(app)

"""Write the model with its adapter for others' code, checked.

    python src export --out models/export
    python src export --check           # ask what was exported before, again

In: params.yaml, models/adapter/best, data/predictions/lora.csv, metrics/evaluate.json and details.json
(scores), the model, images for the check. Out: merged/, a plain folder of the model's family for transformers
that lists the images it was made with, and adapter/, PEFT format, with a summary of its training pairs. Both
are asked 20 of the test questions in a process that imports nothing of this project; the cards say how many
answers equal the pipeline's. Refuses when the metrics are of another adapter than the one at hand.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from string import Formatter
from typing import Annotated, Any

import torch
import typer

from vqa.catalogue.abo import image_path
from vqa.catalogue.manifest import read_tree
from vqa.core.cli import command_line
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.files import check_replaceable, commit_at_hand, content_hash, read_json, use_umask, whole
from vqa.evaluation.markdown import read_metrics
from vqa.evaluation.model_card import KINDS, BaseModel, Kind, Provenance, model_card
from vqa.export.export_check import Check, Question, check_export, choose_questions, refuse_unequal
from vqa.inference.answerer import summarize_training, write_training_summary
from vqa.pairs.pair import read_pairs
from vqa.settings import Settings, load_settings
from vqa.validation.declared_splits import read_splits
from vqa.validation.splits import IMAGES_SEEN, images_seen
from vqa.vlm import attached_adapter
from vqa.vlm.adapter_files import Places, copy_adapter
from vqa.vlm.base_model import check_fits, saved_commit, saved_dtype
from vqa.vlm.loading import Pretrained

# The text of the last message, whether it is a string or parts, one of which is the image.
_QUESTION = """\
{%- set asked = namespace(text='') -%}
{%- set content = messages[-1]['content'] -%}
{%- if content is string -%}
{%- set asked.text = content -%}
{%- else -%}
{%- for part in content if part['type'] == 'text' -%}
{%- set asked.text = asked.text ~ (' ' if asked.text else '') ~ part['text'] -%}
{%- endfor -%}
{%- endif -%}
"""


# The prompt of training as a chat template, so that an exported model is asked as it was trained.
def chat_template(prompt: str) -> str:
    """A Jinja template that writes `prompt`, with the text of the last message as its {question}.

    A text that begins as the prompt does is taken as the whole prompt. The processor adds the image.
    """
    parsed = [(literal, name is not None) for literal, name, _, _ in Formatter().parse(prompt)]
    pieces = [_quoted(literal) + ("{{ asked.text }}" if has_field else "") for literal, has_field in parsed]
    begin = parsed[0][0]
    if not begin:
        return _QUESTION + "".join(pieces)
    condition = f"{{%- if asked.text.startswith({json.dumps(begin, ensure_ascii=False)}) -%}}"
    return f"{_QUESTION}{condition}{{{{ asked.text }}}}{{%- else -%}}{''.join(pieces)}{{%- endif -%}}"


def _quoted(literal: str) -> str:
    return f"{{{{ {json.dumps(literal, ensure_ascii=False)} }}}}" if literal else ""


ADAPTER = Path("models/adapter/best")
TRAIN = Path("data/vqa/train.csv")
PREDICTIONS = Path("data/predictions/lora.csv")
SPLITS = Path("data/vqa/splits.json")
METRICS, DETAILS = Path("metrics/evaluate.json"), Path("metrics/details.json")
_LIBRARIES = ("torch", "transformers", "peft")


def run(
    out: Annotated[Path, typer.Option(metavar="FOLDER")] = Path("models/export"),
    check: Annotated[bool, typer.Option("--check", help="only ask what was exported before")] = False,
    pairs: Annotated[int, typer.Option(min=0, help="test questions to ask; 0: none")] = 20,
) -> None:
    settings = load_settings()
    if check:
        _check_again(settings, out, pairs)
        return
    check_replaceable(out, KINDS)
    pretrained = Pretrained.of(settings.model)
    check_fits(ADAPTER, pretrained.identity(torch.device("cpu")))
    questions = _questions(settings, pairs)
    evaluated = _evaluated()
    metrics, details, train = read_metrics(METRICS), read_metrics(DETAILS), read_pairs(TRAIN)
    versions = {name: version(name) for name in _LIBRARIES}
    with whole(out) as folder:
        base, places = _write_merged(settings, pretrained.kind, folder / "merged")
        copy_adapter(ADAPTER, folder / "adapter", places)
        provenance = Provenance(commit_at_hand(), evaluated, versions, base)
        checks = _checks(settings, folder, questions)
        for kind in KINDS:
            card = model_card(kind, settings, metrics, details, provenance, str(checks[kind]))
            (folder / kind / "README.md").write_text(card, encoding="utf-8")
            print(f"{kind}: {checks[kind]}{checks[kind].detail}")
        write_training_summary(folder / "adapter", summarize_training(train, settings.data.root))
    print(f"wrote {out / 'merged'} (transformers) and {out / 'adapter'} (PEFT)")


def _check_again(settings: Settings, out: Path, pairs: int) -> None:
    """Ask what lies in `out`.

    Raises:
        InputError: nothing does, or it answers otherwise.
    """
    missing = [out / kind for kind in KINDS if not (out / kind).is_dir()]
    if missing:
        raise InputError(f"{missing[0]} is not there; run python src export --out {out} first")
    checks = _checks(settings, out, _questions(settings, pairs))
    for kind, result in checks.items():
        print(f"{kind}: {result}{result.detail}")
    refuse_unequal(checks)


def _checks(settings: Settings, folder: Path, questions: Sequence[Question]) -> dict[Kind, Check]:
    """What the two exported folders answer to the questions."""
    if settings.decoding.constrained:
        reason = "the pipeline let only answers of the training pairs be said (decoding.constrained)"
        return {kind: Check(0, 0, problem=reason) for kind in KINDS}
    if not questions:
        return {kind: Check(0, 0, problem="--pairs is 0") for kind in KINDS}
    options = {
        "base": settings.model.name,
        "revision": saved_commit(ADAPTER),
        "dtype": saved_dtype(ADAPTER) or "float32",
        "max_new_tokens": settings.decoding.max_new_tokens,
        "num_beams": settings.decoding.num_beams,
        "is_bare": Pretrained.of(settings.model).kind == "blip-2",
    }
    return {kind: check_export(kind, folder / kind, questions, options) for kind in KINDS}


def _questions(settings: Settings, count: int) -> list[Question]:
    """`count` of the test questions with the pipeline's answers.

    Raises:
        InputError: an image of theirs is not there.
    """
    if not count:
        return []
    root = read_tree(settings.data.root)
    rows = read_rows(PREDICTIONS, ("image_name", "question", "generated_answer"))
    questions = [
        Question(
            image_path(root, row["image_name"]),
            row["question"],
            settings.model.prompt.format(question=row["question"]),
            row["generated_answer"],
        )
        for row in choose_questions(rows, count)
    ]
    if missing := [question.image for question in questions if not question.image.is_file()]:
        raise InputError(
            f"{missing[0]}, about which the export is asked, is not there; restore it with dvc checkout, or "
            "export unchecked: --pairs 0"
        )
    return questions


def _evaluated() -> dict[str, str]:
    """The files that the metrics were made from, by SHA-256, which are those at hand.

    Raises:
        InputError: there are no metrics, or they are of other files.
    """
    if not (METRICS.is_file() and DETAILS.is_file()):
        raise InputError(f"{METRICS} or {DETAILS} is missing; run dvc repro evaluate")
    evaluated: dict[str, str] = read_json(DETAILS)["evaluated"]
    for name, digest in evaluated.items():
        if content_hash(Path(name)) != digest:
            raise InputError(
                f"{METRICS} evaluates another {name} than the one at hand; run dvc repro evaluate"
            )
    return evaluated


def _write_merged(settings: Settings, family: str, folder: Path) -> tuple[BaseModel, Places]:
    """Write the merged model; return what it was made of, and where its parts stand.

    The sum is made in fp32, layer by layer (see `attached_adapter.merge`), in a model of the dtype that
    answers: what a GPU trained and evaluated in bf16 is exported so, though `auto` means fp32 on the CPU that
    does it.
    """
    if settings.model.quantization != "none":
        raise InputError(
            "params.yaml: model.quantization must be none for a merged model; quantised weights cannot take "
            "an adapter in"
        )
    dtype = saved_dtype(ADAPTER) or "float32"
    pretrained, device = replace(Pretrained.of(settings.model), dtype=dtype), torch.device("cpu")
    whole = pretrained.load(device)
    _, live = pretrained.split_model(whole, settings.model.prompt, device, settings.features.level)
    attached_adapter.merge(live, ADAPTER)  # into the modules that `whole` holds
    whole.generation_config.update(
        max_new_tokens=settings.decoding.max_new_tokens,
        num_beams=settings.decoding.num_beams,
        repetition_penalty=1.0,  # with which it was evaluated, whatever the checkpoint came with
    )
    whole.save_pretrained(folder)
    has_template = _save_processor(pretrained.load_processor(), settings.model.prompt, family, folder)
    images = (images_seen(Path(settings.model.name)) or frozenset()) | _trained_on()
    (folder / IMAGES_SEEN).write_text("".join(f"{image}\n" for image in sorted(images)))
    for file in folder.glob("*.safetensors"):
        use_umask(file)
    is_encoder_decoder = bool(whole.config.is_encoder_decoder)
    return BaseModel(family, dtype, saved_commit(ADAPTER), has_template, is_encoder_decoder), live.places


def _save_processor(processor: Any, prompt: str, family: str, folder: Path) -> bool:
    """BLIP-2 has no chat template: it gets one that writes the prompt. Others keep their own.

    Returns whether the base model's processor has one.
    """
    has_template = processor.chat_template is not None
    if family == "blip-2":
        processor.chat_template = chat_template(prompt)
    processor.save_pretrained(folder)
    return has_template


def _trained_on() -> set[str]:
    """Ids of the images that further training from the merged model must not hold out."""
    if not SPLITS.is_file():
        raise InputError(f"{SPLITS} is missing; restore it with git checkout")
    return {image for image, split in read_splits(SPLITS)[1].items() if split == "train"}


app = command_line(__doc__, run)

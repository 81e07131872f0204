"""Write the adapted model for transformers and for PEFT, with cards.

    python src export --out models/export

In: params.yaml, models/adapter/best, metrics/evaluate.json and details.json (scores), the model. Out:
merged/, a plain folder of the model's family for transformers that lists the pictures it was made with, and
adapter/, PEFT format, with what it was taught. Refuses when the metrics judge another adapter than the one at
hand.
"""

import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
import typer

from vqa.catalogue.split_memory import read_splits
from vqa.evaluation.data_sets import is_abo
from vqa.evaluation.model_card import Provenance, model_card
from vqa.foundation.command_line import command_line
from vqa.foundation.errors import InputError
from vqa.foundation.files import content_hash, read_json, whole
from vqa.inference.taught import taught_by, write_taught
from vqa.pairs.pair import read_pairs
from vqa.publication.commit import commit_at_hand
from vqa.settings import Settings, load_settings
from vqa.validation.splits import PICTURES_SEEN, pictures_seen
from vqa.vlm import attached_adapter
from vqa.vlm.base_model import check_fits, dtype_beside
from vqa.vlm.pretrained import Pretrained

ADAPTER = Path("models/adapter/best")
TRAIN = Path("data/vqa/train.csv")
SPLITS = Path("data/vqa/splits.json")
METRICS, DETAILS = Path("metrics/evaluate.json"), Path("metrics/details.json")
_LIBRARIES = ("torch", "transformers", "peft")


def run(out: Annotated[Path, typer.Option(metavar="FOLDER")] = Path("models/export")) -> None:
    settings = load_settings()
    pretrained = Pretrained.of(settings.model)
    check_fits(ADAPTER, pretrained.identity(torch.device("cpu")))
    judged = _judged()
    metrics, details, train = read_json(METRICS), read_json(DETAILS), read_pairs(TRAIN)
    versions = {name: version(name) for name in _LIBRARIES}
    is_of_abo = is_abo(settings.data.root, {pair.image_name for pair in train})
    provenance = Provenance(commit_at_hand(), judged, versions, pretrained.kind, is_of_abo)
    with whole(out) as folder:
        shutil.copytree(ADAPTER, folder / "adapter")
        _write_merged(settings, folder / "merged")
        for kind in ("adapter", "merged"):
            card = model_card(kind, settings, metrics, details, provenance)
            (folder / kind / "README.md").write_text(card, encoding="utf-8")
        write_taught(folder / "adapter", taught_by(train, settings.data.root))
    print(f"wrote {out / 'merged'} (transformers) and {out / 'adapter'} (PEFT)")


def _judged() -> dict[str, str]:
    """The files that the metrics were made from, by SHA-256, which are those at hand.

    Raises:
        InputError: there are no metrics, or they are of other files.
    """
    if not (METRICS.is_file() and DETAILS.is_file()):
        raise InputError(f"{METRICS} or {DETAILS} is missing; run dvc repro evaluate")
    judged: dict[str, str] = read_json(DETAILS)["judged"]
    for name, digest in judged.items():
        if content_hash(Path(name)) != digest:
            raise InputError(f"{METRICS} judges another {name} than the one at hand; run dvc repro evaluate")
    return judged


def _write_merged(settings: Settings, folder: Path) -> None:
    """The sum is made in fp32, layer by layer (see `lora.merge`), in a model of the dtype that answers: what
    a GPU trained and judged in bf16 is exported so, though `auto` means fp32 on the CPU that does it.
    """
    if settings.model.quantization != "none":
        raise InputError(
            "params.yaml: model.quantization must be none for a merged model; quantised weights cannot take "
            "an adapter in"
        )
    asked = Pretrained.of(settings.model)
    pretrained = replace(asked, dtype=dtype_beside(ADAPTER) or asked.dtype)
    device = torch.device("cpu")
    whole = pretrained.load(device)
    _, live = pretrained.halves_of(whole, settings.model.prompt, device, settings.features.level)
    attached_adapter.merge(live, ADAPTER)  # into the modules that `whole` holds
    whole.save_pretrained(folder)
    pretrained.load_processor().save_pretrained(folder)
    seen = (pictures_seen(Path(settings.model.name)) or frozenset()) | _trained_on()
    (folder / PICTURES_SEEN).write_text("".join(f"{picture}\n" for picture in sorted(seen)))


def _trained_on() -> set[str]:
    """Ids of the pictures that whoever goes on from the merged model must not hold out."""
    if not SPLITS.is_file():
        raise InputError(f"{SPLITS} is missing; restore it with git checkout")
    return {picture for picture, split in read_splits(SPLITS)[1].items() if split == "train"}


app = command_line(__doc__, run)

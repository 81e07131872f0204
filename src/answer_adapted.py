"""Answer the held-out questions with the adapter: pairs + cached features → predictions of four systems.

    python src/answer_adapted.py
    torchrun --nproc-per-node 8 src/answer_adapted.py      # or params.yaml: run.launcher

In: data/vqa/test.csv, answer_vocabulary/true.csv where decoding is constrained, data/features,
models/adapter/best, the model. Out: data/predictions/{lora,blind,wrong_image,picture_alone}.csv: the adapted
model with the picture, with features zeroed, with those of a picture of another group (seeded), and with the
picture but no question. The model is loaded once; killed, the next run goes on.
"""

import sys
from pathlib import Path

from vqa.features.store import FeatureStore
from vqa.foundation.devices import default_device, join_processes, leave_processes, rank_and_world
from vqa.foundation.durable import durable_folder
from vqa.foundation.errors import run_stage
from vqa.foundation.files import sha256_of
from vqa.foundation.unfinished import Unfinished, held
from vqa.pairs.answer_vocabulary import read_vocabulary
from vqa.pairs.pair import read_pairs
from vqa.pairs.predictions import write_predictions
from vqa.settings import load_settings
from vqa.vlm import attached_adapter
from vqa.vlm.base_model import check_fits, version_of
from vqa.vlm.generation import (
    Blinded,
    Decoding,
    Features,
    Swapped,
    pictures_of_other_groups,
    texts_for,
    unasked,
)
from vqa.vlm.pretrained import Pretrained

TEST, VOCABULARY = Path("data/vqa/test.csv"), Path("data/vqa/answer_vocabulary")
FEATURES = Path("data/features")
ADAPTER = Path("models/adapter/best")
SEED = 0  # of the pictures that stand for others
NEUTRAL = ("decoding.batch_size",)  # decides no answer, so it makes nothing stale
OUTS = {
    "lora": Path("data/predictions/lora.csv"),
    "blind": Path("data/predictions/blind.csv"),
    "wrong_image": Path("data/predictions/wrong_image.csv"),
    "picture_alone": Path("data/predictions/picture_alone.csv"),
}


def run() -> None:
    settings = load_settings()
    device, level = default_device(), settings.features.level
    join_processes()
    pairs = read_pairs(TEST)
    pretrained = Pretrained.of(settings.model)
    identity = pretrained.identity(device)
    check_fits(ADAPTER, identity)
    store = FeatureStore(FEATURES, identity, level)
    decoding = Decoding(
        settings.decoding.batch_size,
        settings.decoding.max_new_tokens,
        settings.decoding.num_beams,
        read_vocabulary(VOCABULARY, settings.decoding.constrained),
    )
    others = pictures_of_other_groups(pairs, SEED, store.form)
    if len({pair.together for pair in pairs}) == 1:
        print(f"{TEST} has one group of pictures: another picture is one of the same", file=sys.stderr)
    run_of = {
        "model": [identity["fingerprint"], identity["dtype"], settings.model.quantization],
        "adapter": version_of(ADAPTER),
        "prompt": settings.model.prompt,
        "pairs": [sha256_of(TEST), store.key],
        "decoding": decoding.decisive(),
        "others": others,
    }
    views: dict[str, Features] = {"lora": store, "blind": Blinded(store)}
    views["wrong_image"] = Swapped(store, others)
    kept = {system: Unfinished(durable_folder("answers"), run_of | {"system": system}) for system in OUTS}

    is_first = rank_and_world()[0] == 0
    with held([unfinished.folder for unfinished in kept.values()], is_first):
        model = pretrained.load_answer_model(settings.model.prompt, device, level)
        attached_adapter.merge(model, ADAPTER, is_merged=settings.model.quantization == "none")
        texts = {
            system: texts_for(pairs, features, model, decoding, system, kept[system])
            for system, features in views.items()
        }
        alone, (wordless, pictures) = "picture_alone", unasked(pairs)
        said = texts_for(wordless, store, model, decoding, alone, kept[alone])
        texts[alone] = [said[picture] for picture in pictures]
        if is_first:
            for system, path in OUTS.items():
                write_predictions(path, pairs, texts[system])
            for unfinished in kept.values():  # only now: DVC empties all when the stage starts again
                unfinished.remove()
            print(f"wrote the answers to {len(pairs)} questions: looking, blind, another picture, unasked")
    leave_processes()


if __name__ == "__main__":
    run_stage(run)

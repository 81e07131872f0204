"""Answer the held-out questions with the adapter: pairs + cached features → predictions of four systems.

    python src/answer_adapted.py
    torchrun --nproc-per-node 8 src/answer_adapted.py      # or params.yaml: run.launcher

In: data/vqa/test.csv, answer_vocabulary/true.csv where decoding is constrained, data/features,
models/adapter/best, the model. Out: data/predictions/{lora,zero_image,shuffled_image,image_only}.csv: the
model with the adapter on the image, on zeros, on an image of another group (seeded), and on the image without
a question. The model is loaded once; killed, the next run goes on.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqa.core.devices import default_device, join_processes, leave_processes, rank_and_world
from vqa.core.errors import run_stage
from vqa.core.files import sha256_file
from vqa.core.partial_results import PartialResults, lock_run
from vqa.core.state_dir import state_folder
from vqa.features.store import FeatureStore
from vqa.pairs.pair import Pair, read_pairs, read_vocabulary
from vqa.pairs.predictions import write_predictions
from vqa.settings import Settings, load_settings
from vqa.vlm import attached_adapter
from vqa.vlm.base_model import check_fits, model_version
from vqa.vlm.generation import (
    Decoding,
    Features,
    ShuffledImages,
    ZeroImages,
    generate_texts,
    images_of_other_groups,
    without_questions,
)
from vqa.vlm.interfaces import AnswerModel
from vqa.vlm.loading import Pretrained

TEST, VOCABULARY = Path("data/vqa/test.csv"), Path("data/vqa/answer_vocabulary")
FEATURES = Path("data/features")
ADAPTER = Path("models/adapter/best")
SEED = 0  # of the images that stand for others
NEUTRAL = ("decoding.batch_size",)  # decides no answer, so it makes nothing stale
OUTS = {
    "lora": Path("data/predictions/lora.csv"),
    "zero_image": Path("data/predictions/zero_image.csv"),
    "shuffled_image": Path("data/predictions/shuffled_image.csv"),
    "image_only": Path("data/predictions/image_only.csv"),
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
    others = images_of_other_groups(pairs, SEED, store.form)
    if len({pair.together for pair in pairs}) == 1:
        print(f"{TEST} has one group of images: a shuffled image is one of the same", file=sys.stderr)
    run_config = _run_config(settings, identity, store.key) | {
        "decoding": decoding.decisive(),
        "others": others,
    }
    results_by_system = {
        system: PartialResults(state_folder("answers"), run_config | {"system": system}) for system in OUTS
    }

    is_first = rank_and_world()[0] == 0
    with lock_run([partial_results.folder for partial_results in results_by_system.values()], is_first):
        model = pretrained.load_answer_model(settings.model.prompt, device, level)
        attached_adapter.merge(model, ADAPTER, is_merged=settings.model.quantization == "none")
        texts = _answers(pairs, store, others, model, decoding, results_by_system)
        if is_first:
            for system, path in OUTS.items():
                write_predictions(path, pairs, texts[system])
            # Only now: DVC empties all outputs when the stage starts again.
            for partial_results in results_by_system.values():
                partial_results.remove()
            print(f"wrote the answers to {len(pairs)} questions of {', '.join(OUTS)}")
    leave_processes()


def _run_config(settings: Settings, identity: Mapping[str, str | None], features: str) -> dict[str, Any]:
    """What decides the answers beside decoding; `features`: the key of the cached ones."""
    return {
        "model": [identity["fingerprint"], identity["dtype"], settings.model.quantization],
        "adapter": model_version(ADAPTER),
        "prompt": settings.model.prompt,
        "pairs": [sha256_file(TEST), features],
    }


def _answers(
    pairs: Sequence[Pair],
    store: FeatureStore,
    others: Mapping[str, str],
    model: AnswerModel,
    decoding: Decoding,
    results_by_system: Mapping[str, PartialResults],
) -> dict[str, list[str]]:
    """Each system's answer to each pair; `others`: the image that stands for each when they are shuffled."""
    views: dict[str, Features] = {"lora": store, "zero_image": ZeroImages(store)}
    views["shuffled_image"] = ShuffledImages(store, others)
    texts = {
        system: generate_texts(pairs, features, model, decoding, system, results_by_system[system])
        for system, features in views.items()
    }
    alone, (wordless, images) = "image_only", without_questions(pairs)
    image_only_texts = generate_texts(wordless, store, model, decoding, alone, results_by_system[alone])
    return texts | {alone: [image_only_texts[image] for image in images]}


if __name__ == "__main__":
    run_stage(run)

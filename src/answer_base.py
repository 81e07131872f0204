"""Answer the held-out questions with the baseline: pairs + cached features → predictions.

    python src/answer_base.py
    torchrun --nproc-per-node 8 src/answer_base.py      # or params.yaml: run.launcher

In: data/vqa/test.csv, answer_vocabulary/true.csv where decoding is constrained, data/features, the model.
Out: data/predictions/baseline.csv. A stage of its own, so that no change of the adapter runs the baseline
again. Killed, the next run continues. Published weights are first asked three known questions
(`vqa.inference.known_answers`).
"""

from pathlib import Path

from vqa.core.devices import default_device, join_processes, leave_processes, rank_and_world
from vqa.core.errors import run_stage
from vqa.core.files import sha256_file
from vqa.core.partial_results import PartialResults, lock_run
from vqa.core.state_dir import state_folder
from vqa.features.store import FeatureStore
from vqa.inference.known_answers import check_known_answers
from vqa.pairs.pair import read_pairs, read_vocabulary
from vqa.pairs.predictions import write_predictions
from vqa.settings import load_settings
from vqa.vlm.generation import Decoding, generate_texts
from vqa.vlm.loading import Pretrained

TEST, VOCABULARY = Path("data/vqa/test.csv"), Path("data/vqa/answer_vocabulary")
FEATURES = Path("data/features")
OUT = Path("data/predictions/baseline.csv")
NEUTRAL = ("decoding.batch_size",)  # decides no answer, so it makes nothing stale


def run() -> None:
    settings = load_settings()
    device, level = default_device(), settings.features.level
    join_processes()
    pairs = read_pairs(TEST)
    pretrained = Pretrained.of(settings.model)
    identity = pretrained.identity(device)
    store = FeatureStore(FEATURES, identity, level)
    decoding = Decoding(
        settings.decoding.batch_size,
        settings.decoding.max_new_tokens,
        settings.decoding.num_beams,
        read_vocabulary(VOCABULARY, settings.decoding.constrained),
    )
    run_config = {
        "model": [identity["fingerprint"], identity["dtype"], settings.model.quantization],
        "prompt": settings.model.prompt,
        "pairs": [sha256_file(TEST), store.key],
        "decoding": decoding.decisive(),
    }
    partial_results = PartialResults(state_folder("answers"), run_config)

    is_first = rank_and_world()[0] == 0
    with lock_run([partial_results.folder], is_first):
        if is_first:
            tokens = settings.decoding.max_new_tokens
            check_known_answers(pretrained, settings.model.prompt, device, level, tokens)
        model = pretrained.load_answer_model(settings.model.prompt, device, level)
        texts = generate_texts(pairs, store, model, decoding, "baseline", partial_results)
        if is_first:
            write_predictions(OUT, pairs, texts)
            partial_results.remove()
            print(f"wrote the baseline's {len(texts)} answers to {OUT}")
    leave_processes()


if __name__ == "__main__":
    run_stage(run)

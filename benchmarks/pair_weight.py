"""Shall every pair weigh the same, and is plain LoRA the adapter to take? Exact match over three seeds.

    python benchmarks/pair_weight.py --seeds 0 1 2      # train what is missing, then write the table
    python benchmarks/pair_weight.py --table            # write the table from what is there

Molmo weights each of an image's n pairs by sqrt(1/n) (Deitke et al. 2024, https://arxiv.org/abs/2409.17146);
PEFT's own comparison puts rsLoRA of rank 64 and MiSS before plain LoRA. Here a pair's weight multiplies its
token losses, and the weights have mean 1 over the train pairs. Where every image has equally many pairs,
sqrt(1/n) is 1 for all of them: such a training is not run twice. To ask the question nevertheless, the arms
are also trained on `uneven` pairs: the same images, of which each keeps one to five pairs by a seeded draw.

Run it in a project whose data/vqa and data/features are made. Each finished training is a file in the work
folder, so a kill loses one training at most.
"""

import argparse
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

import numpy as np
import peft
import torch
from peft import MissConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import set_seed

from vqa.core.devices import frozen_dtype
from vqa.core.files import read_json, sha256_file, whole_file, write_json
from vqa.core.partial_results import run_folder
from vqa.core.seeding import seeded_rank
from vqa.core.state_dir import state_folder
from vqa.features.store import FeatureStore
from vqa.pairs.pair import Pair, read_pairs, read_vocabulary, without_left_out
from vqa.scoring.bertscore import BertScorer, cpu_scorer
from vqa.scoring.scores import score_texts
from vqa.settings import Settings, load_settings
from vqa.stats.seeds import honest_differences, known_interval
from vqa.training.batches import CachedPairs, collate
from vqa.training.progress import PairsBar, Validator
from vqa.training.trainer import AdapterTrainer, trainer_arguments
from vqa.vlm import lora
from vqa.vlm.batching import IGNORED
from vqa.vlm.generation import Decoding, distinct, generate_texts
from vqa.vlm.interfaces import AnswerModel
from vqa.vlm.loading import Pretrained
from vqa.vlm.lora_targets import module_names

VQA, FEATURES = Path("data/vqa"), Path("data/features")
EVALUATED, PAGE = Path("metrics/evaluate.json"), Path("docs/results/pair_weight.md")
FILES = ("train", "not_trained_on", "val", "test")
CPU = torch.device("cpu")
LORA, RSLORA, MISS = "LoRA r 16", "rsLoRA r 64", "MiSS r 32"
# Adam moves each number by about the learning rate, whatever the scale. So a first step of rsLoRA changes an
# output by some alpha / √64 × 64 parts where LoRA has alpha / 16 × 16: eight times as much. Hence the eighth.
RSLORA_SLOW, SLOWER = "rsLoRA r 64, learning rate ÷ 8", 8
# Of blip2-tiny (width 192, feed-forward 768) MiSS trains 221,184 numbers at rank 32, as LoRA does at 16.
MISS_RANK, RSLORA_RANK = 32, 64
WHOLE, UNEVEN = "as committed", "uneven"
EQUAL, BY_IMAGE = "1", "√(1/n)"
_HEAD = """# Pair weight and adapter

`python benchmarks/pair_weight.py` trains the embedded default with other pair weights and adapters. A weight
multiplies the token losses of its pair; weights have mean 1. All else is as params.yaml has it (learning
rate {rate:g}, {epochs} epochs, alpha {alpha:g}) and was chosen for LoRA r 16. MiSS of rank 32 trains as many
numbers as LoRA of rank 16.

- Machine: {machine}, one thread beside other work; {versions}.
- Date and commit: {day}, {commits} (+: and changes that were not committed yet).
- {questions} test questions, greedy decoding, the best adapter by validation. Exact match in percent.
- Check: weight 1 with LoRA r 16 at seed {seed} has {ours:.1f} %; metrics/evaluate.json has {theirs:.1f} %.
- Train pairs as committed: {said}.
- Uneven train pairs: {uneven} of these. Each image keeps one to {most} of its pairs by a seeded draw.
- Difference: to weight 1 with LoRA r 16 on the same pairs, paired by seed and question, with a 95 % interval
  over seeds and groups of images; of one seed it is over groups alone. Seed noise: Tukey's bound; a smaller
  difference may be the seeds' alone. With so few seeds the interval can be too narrow, so both count.

| train pairs | weight | adapter | trained | validation | test | test, seed: | difference | seed noise |
|---|---|---|---|---|---|---|---|---|
"""
MOST, DRAW = 5, 0  # pairs that an image keeps of the uneven ones, and the seed of their draw


Results = dict[int, dict[str, Any]]  # of one arm, by seed


@dataclass(frozen=True)
class Arm:
    """A cell of the grid."""

    data: str
    weight: str
    adapter: str

    def file(self, seed: int) -> str:
        return re.sub(r"\W+", "-", f"{self.data} {self.weight} {self.adapter} {seed}") + ".json"

    @property
    def reference(self) -> "Arm":
        """What it is compared with."""
        return Arm(self.data, EQUAL, LORA)


# Of each seed, and then what is compared with them where the time reaches.
FIRST = [Arm(WHOLE, EQUAL, LORA), Arm(WHOLE, EQUAL, MISS)]
FIRST += [Arm(UNEVEN, EQUAL, LORA), Arm(UNEVEN, BY_IMAGE, LORA)]
LATER = [Arm(WHOLE, EQUAL, RSLORA_SLOW), Arm(WHOLE, EQUAL, RSLORA)]


class Project:
    """The project's pairs, features and model, read once for all trainings."""

    def __init__(self, work: Path) -> None:
        self.settings: Settings = load_settings()
        self.pretrained = Pretrained.of(self.settings.model)
        identity = self.pretrained.identity(CPU)
        whole = without_left_out(VQA / "not_trained_on.csv", read_pairs(VQA / "train.csv"))
        self.train = {WHOLE: whole, UNEVEN: uneven_pairs(whole)}
        self.val, self.test = (read_pairs(VQA / f"{split}.csv") for split in ("val", "test"))
        self.features = FeatureStore(FEATURES, identity, self.settings.features.level)
        self.scorer = cpu_scorer(self.settings.evaluate.scorer)
        decisive = [asdict(self.settings.lora), asdict(self.settings.train), asdict(self.settings.decoding)]
        run = {
            "inputs": [sha256_file(VQA / f"{name}.csv") for name in FILES] + [self.features.key],
            "model": [identity["fingerprint"], self.settings.model.prompt, self.settings.evaluate.scorer],
            "settings": decisive,
            "grid": [MISS_RANK, RSLORA_RANK, MOST, DRAW],
        }
        self.folder = run_folder(work, run)

    def result(self, arm: Arm, seed: int) -> dict[str, Any] | None:
        path = self.folder / arm.file(seed)
        return read_json(path) if path.is_file() else None


def uneven_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Of each image one to `MOST` of its pairs, in their order; as many images keep one as two, and so on."""
    images = sorted({pair.image_name for pair in pairs}, key=lambda name: seeded_rank(DRAW, name))
    room = {name: 1 + place % MOST for place, name in enumerate(images)}
    kept = set()
    for pair in sorted(pairs, key=lambda pair: seeded_rank(DRAW, f"{pair.image_name} {pair.question}")):
        if room[pair.image_name]:
            room[pair.image_name] -= 1
            kept.add(pair.key)
    return [pair for pair in pairs if pair.key in kept]


def weights_by_image(pairs: Sequence[Pair]) -> Tensor:
    """sqrt(1/n) for each of an image's n pairs, of mean 1 over all, `[pairs]` fp32."""
    counts = Counter(pair.image_name for pair in pairs)
    raw = np.array([counts[pair.image_name] ** -0.5 for pair in pairs])
    return torch.tensor(raw / raw.mean(), dtype=torch.float32)


class WeightedTrainer(AdapterTrainer):
    """The project's trainer with a weight for each pair; it keeps its best adapter in memory."""

    def __init__(self, *, weights: Tensor | None, **named: Any) -> None:
        """`weights` `[train pairs]`; None: the project's own loss, untouched."""
        super().__init__(**named)
        self._weights = weights
        self.best: dict[str, Tensor] = {}

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        numbers, labels = inputs["numbers"], inputs["labels"]
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if self._weights is not None:
            assert num_items_in_batch is not None
            pairs = [self.train_dataset.pairs[i] for i in numbers]
            total = weighted_sum(self._answer_model, pairs, self._weights[numbers], labels, outputs["logits"])
            loss = total / num_items_in_batch
        return (loss, outputs) if return_outputs else loss

    def _save_best(self) -> None:
        named = self._answer_model.named_parameters()
        self.best = {name: p.detach().clone() for name, p in named if p.requires_grad}

    def _save_checkpoint(self, *_: Any, **__: Any) -> None:
        """A killed training begins again."""


def weighted_sum(
    model: AnswerModel, pairs: Sequence[Pair], weights: Tensor, labels: Tensor, logits: Tensor
) -> Tensor:
    """The sum of token losses, each times its pair's weight.

    `weights` `[B]`; `labels` `[R, T]`; `logits` `[labelled, vocabulary]` in the order of the labels, row by
    row. A shared row holds an image's pairs side by side, so the labels stand by image, then by pair.
    """
    images = distinct([pair.image_name for pair in pairs])[1]
    order = sorted(range(len(pairs)), key=images.__getitem__) if model.shares_prefix else range(len(pairs))
    lengths = torch.tensor([len(model.tokens.answer_ids(pairs[i].answer)) + 1 for i in order])
    wanted = labels[labels != IGNORED]
    of_token = weights[list(order)].repeat_interleave(lengths)
    losses = functional.cross_entropy(logits.float(), wanted, reduction="none")
    return (losses * of_token).sum()


def check_weighting(model: AnswerModel, rows: CachedPairs, weights: Tensor) -> None:
    """Of a batch the weighted sum is that of its pairs, each read alone and weighted: else the run ends."""
    model.eval()
    batch = collate(model, is_shared=True)
    # Pairs of several images in turn, so that a shared row has them in another order.
    numbers = [place for start in range(3) for place in range(start, 24, 3)]

    def read(chosen: Sequence[int]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        inputs = batch([rows[i] for i in chosen])
        del inputs["numbers"]
        return inputs, model(**inputs, num_items_in_batch=1)

    with torch.no_grad():
        inputs, found = read(numbers)
        pairs = [rows.pairs[i] for i in numbers]
        ours = weighted_sum(model, pairs, weights[numbers], inputs["labels"], found["logits"])
        alone = torch.stack([weights[i] * read([i])[1]["loss"] for i in numbers]).sum()
    if not torch.allclose(ours, alone, rtol=1e-4):
        raise RuntimeError(f"weighted together {ours.item()}, alone {alone.item()}")


def add_adapter(model: AnswerModel, adapter: str, settings: Settings) -> None:
    """A fresh adapter of the kind, into the same modules, with the same dropout."""
    if adapter != MISS:
        of = settings.lora if adapter == LORA else replace(settings.lora, r=RSLORA_RANK, rslora=True)
        lora.add_adapter(model, of, settings.model.name)
        return
    model.requires_grad_(False)
    config = MissConfig(
        task_type=lora.task_type(model.language_model),
        r=MISS_RANK,
        miss_dropout=settings.lora.dropout,
        target_modules=module_names(model.language_model, settings.lora.targets),
    )
    model.put_language_model(get_peft_model(model.language_model, config))


def train(project: Project, arm: Arm, seed: int, work: Path) -> dict[str, Any]:
    """One training, answered on the test questions by its best adapter, as the stages do it."""
    settings, began = project.settings, time.perf_counter()
    rate = settings.train.learning_rate / (SLOWER if arm.adapter == RSLORA_SLOW else 1)
    of_train = replace(settings.train, seed=seed, learning_rate=rate)
    pairs = project.train[arm.data]
    set_seed(seed)
    model = project.pretrained.load_answer_model(settings.model.prompt, CPU, settings.features.level)
    add_adapter(model, arm.adapter, settings)
    weights = weights_by_image(pairs) if arm.weight == BY_IMAGE else None
    rows = CachedPairs(pairs, project.features)
    if weights is not None:
        check_weighting(model, rows, weights)
    bar = PairsBar(of_train.batch_size)
    trainer = WeightedTrainer(
        weights=weights,
        model=model,
        validation=_validator(project, model),
        settings=of_train,
        train_dataset=rows,
        eval_dataset=CachedPairs(project.val, project.features),
        callbacks=[bar],
        args=trainer_arguments(work, of_train, len(pairs), CPU, frozen_dtype(settings.model.dtype, CPU)),
    )
    with closing(bar):
        trainer.train_whole(None)
    metrics = trainer.metrics()  # before the adapter is merged: it counts what trains
    texts = _answer(project, model.eval(), trainer.best)
    return metrics | {
        "right": score_texts(project.test, texts, project.scorer).exact_match.tolist(),
        "texts": texts,
        "pairs_per_second": round(bar.pairs_per_second, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "commit": _commit(),
    }


def _validator(project: Project, model: AnswerModel) -> Validator:
    size, most = project.settings.train.eval_batch_size, project.settings.decoding.max_new_tokens
    scorer: BertScorer = project.scorer
    return Validator(project.val, project.features, model, size, most, scorer)


def _answer(project: Project, model: AnswerModel, best: dict[str, Tensor]) -> list[str]:
    """The texts of the best adapter, merged into the weights as answer_adapted has it."""
    with torch.no_grad():
        parameters = dict(model.named_parameters())
        for name, tensor in best.items():
            parameters[name].copy_(tensor)
    model.put_language_model(model.language_model.merge_and_unload())
    of = project.settings.decoding
    vocabulary = read_vocabulary(VQA / "answer_vocabulary", of.constrained)
    decoding = Decoding(of.batch_size, of.max_new_tokens, of.num_beams, vocabulary)
    return generate_texts(project.test, project.features, model, decoding, "test")


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty=+"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def train_missing(project: Project, seeds: Sequence[int]) -> None:
    """Train what no file is there of, and say how fast it goes and when it ends."""
    todo = [(arm, seed) for seed in seeds for arm in FIRST] + [(arm, seed) for arm in LATER for seed in seeds]
    todo = [(arm, seed) for arm, seed in todo if project.result(arm, seed) is None]
    left = sum(len(project.train[arm.data]) for arm, _ in todo)
    done, began = 0, time.perf_counter()
    for number, (arm, seed) in enumerate(todo, start=1):
        with tempfile.TemporaryDirectory() as work:
            found = train(project, arm, seed, Path(work))
        project.folder.mkdir(parents=True, exist_ok=True)
        write_json(project.folder / arm.file(seed), found)
        size = len(project.train[arm.data])
        done, left = done + size, left - size
        rate = (time.perf_counter() - began) / done
        print(
            f"{datetime.now(UTC):%H:%M:%S} {number} of {len(todo)}: {arm.data}, weight {arm.weight}, "
            f"{arm.adapter}, seed {seed}: test {np.mean(found['right']):.4f}, validation "
            f"{found['best_val_exact_match']:.4f}, {found['seconds']:.0f} s; "
            f"{60 / (rate * done / number):.2f} trainings a minute, {rate * left / 60:.0f} minutes left",
            flush=True,
        )


def write_page(project: Project, seeds: Sequence[int]) -> None:
    """The table of what is there: of each data set the seeds that have all of its first trainings, and of
    these what has been trained later.
    """
    rows: list[str] = []
    told: list[str] = []  # the differences whose intervals leave zero out
    late: list[str] = []
    for data in (WHOLE, UNEVEN):
        first, later = ([arm for arm in arms if arm.data == data] for arms in (FIRST, LATER))
        whole = [seed for seed in seeds if all(project.result(arm, seed) for arm in first)]
        found = {
            arm: {seed: of for seed in whole if (of := project.result(arm, seed))} for arm in first + later
        }
        of_data, of_told = _rows(project.test, {arm: results for arm, results in found.items() if results})
        rows, told = rows + of_data, told + of_told
        late += [
            f"{data}, {arm.weight}, {arm.adapter}, seed {seed}"
            for arm in first + later
            for seed in seeds
            if seed not in found[arm]
        ]
    page = _head(project) + "\n".join(rows)
    page += f"\n\nIntervals that leave zero out: {'; '.join(told) or 'none'}.\n"
    if late:
        page += f"\nNot all trained when this was written, and so not in the table: {'; '.join(late)}.\n"
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(PAGE) as file:
        file.write(page)
    print(page)


def _head(project: Project) -> str:
    """What stands over the rows."""
    of = project.settings
    counts = Counter(Counter(pair.image_name for pair in project.train[WHOLE]).values())
    said = ", ".join(f"{images} images with {pairs} pairs" for pairs, images in sorted(counts.items()))
    if len(counts) == 1:
        said += ". So √(1/n) of mean 1 is 1 for every pair, the same training, which was not run twice"
    reference = project.result(Arm(WHOLE, EQUAL, LORA), of.train.seed)
    named = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return _HEAD.format(
        rate=of.train.learning_rate,
        epochs=of.train.epochs,
        alpha=of.lora.alpha,
        machine=named[1] if named else platform.machine(),
        versions=", ".join(f"{library.__name__} {library.__version__}" for library in (torch, peft)),
        day=f"{datetime.now(UTC):%d %B %Y}",
        commits=", ".join(sorted({read_json(path)["commit"] for path in project.folder.glob("*.json")})),
        questions=len(project.test),
        seed=of.train.seed,
        ours=100 * np.mean(reference["right"]) if reference else float("nan"),
        theirs=100 * read_json(EVALUATED)["lora"]["exact_match"],
        said=said,
        uneven=len(project.train[UNEVEN]),
        most=MOST,
    )


def _rows(test: Sequence[Pair], found: Mapping[Arm, Results]) -> tuple[list[str], list[str]]:
    """The rows of one data set, and which of their intervals leave zero out."""
    order = sorted(range(len(test)), key=lambda i: test[i].together)
    sizes = list(Counter(test[i].together for i in order).values())
    right = {
        arm: {seed: np.array(of["right"])[order] for seed, of in results.items()}
        for arm, results in found.items()
    }
    shares = {arm: [100 * float(of.mean()) for of in by_seed.values()] for arm, by_seed in right.items()}
    bounds = honest_differences(list(shares.values()))
    rows, told = [], []
    for place, (arm, results) in enumerate(found.items()):
        shown, noise = "", ""
        if arm != arm.reference:
            leads = np.array([of - right[arm.reference][seed] for seed, of in right[arm].items()])
            low, high = known_interval(leads, sizes) or (float("nan"), float("nan"))
            shown = f"{100 * leads.mean():+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]".replace("-", "−")
            is_known = bounds is not None and np.isfinite(bounds[place, 0])
            noise = f"{bounds[place, 0]:.1f}" if bounds is not None and is_known else "not known"
            if low > 0 or high < 0:
                told.append(f"{arm.adapter}, weight {arm.weight}, {arm.data}: {shown}, seed noise {noise}")
        trained = [of["trainable_parameters"] for of in results.values()]
        validation = 100 * np.mean([of["best_val_exact_match"] for of in results.values()])
        cells = [arm.data, arm.weight, arm.adapter, f"{trained[0]:,}", f"{validation:.1f}"]
        cells += [f"{np.mean(shares[arm]):.1f}"]
        cells += [", ".join(f"{seed}: {of:.1f}" for seed, of in zip(results, shares[arm], strict=True))]
        rows.append(f"| {' | '.join([*cells, shown, noise])} |")
    return rows, told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=state_folder("pair_weight"))
    parser.add_argument("--table", action="store_true", help="train nothing, write the page")
    given = parser.parse_args()
    project = Project(given.work)
    if not given.table:
        train_missing(project, given.seeds)
    write_page(project, given.seeds)


if __name__ == "__main__":
    main()

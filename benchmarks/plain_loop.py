"""A plain PEFT loop from pixels beside the pipeline's training: accuracy and time on the same pairs.

    dvc repro train                        # with train.images: 200 in params.yaml, say
    python benchmarks/plain_loop.py        # needs that run's models/adapter/best; prints two rows
    python benchmarks/plain_loop.py --write    # into docs/results/pretrained_model.md

In: params.yaml, the pairs and the adapter that `train` made of them. The plain loop is what transformers' and
PEFT's documentation lead to: the processor makes tokens and pixels of each pair, the whole BLIP-2 runs, the
loss is on the answer. It has the same layers, rank, learning rate, schedule, batch and pairs; its order and
dropout are its own. Both adapters then answer the same test questions by `generate`, from pixels. Seconds are
of this process, or of the training stage as metrics/train.json has its rate (without encoding the images).
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")]

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from result_pages import RESULTS, report
from torch import Tensor
from tqdm.auto import tqdm
from transformers import (
    AutoProcessor,
    Blip2ForConditionalGeneration,
    get_linear_schedule_with_warmup,
    set_seed,
)

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import load_image
from vqa.catalogue.manifest import read_tree
from vqa.core.files import read_json
from vqa.core.seeding import seeded_rank
from vqa.pairs.pair import Pair, read_pairs
from vqa.pairs.predictions import is_right
from vqa.settings import load_settings
from vqa.training.batches import pairs_of_images

IGNORED = -100
ADAPTER = Path("models/adapter/best")
TITLES = ("training", "pairs", "s a pair", "test questions", "exact match")


class PlainLoop:
    """Everything by transformers and PEFT, nothing cached, nothing shared."""

    def __init__(self) -> None:
        self.settings = load_settings()
        self.root = read_tree(self.settings.data.root)
        self.processor: Any = AutoProcessor.from_pretrained(self.settings.model.name)
        self.processor.tokenizer.padding_side = "right"

    def base(self) -> Any:
        return Blip2ForConditionalGeneration.from_pretrained(self.settings.model.name)

    def inputs(self, pairs: Sequence[Pair], with_answer: bool) -> dict[str, Tensor]:
        """Tokens and pixels; with labels on each answer and its end where `with_answer`."""
        images = [load_image(image_path(self.root, pair.image_name)) for pair in pairs]
        prompts = [self.settings.model.prompt.format(question=pair.question) for pair in pairs]
        if not with_answer:
            return dict(self.processor(images=images, text=prompts, return_tensors="pt"))
        end = self.processor.tokenizer.eos_token
        texts = [f"{prompt} {pair.answer}{end}" for prompt, pair in zip(prompts, pairs, strict=True)]
        batch = dict(self.processor(images=images, text=texts, return_tensors="pt", padding=True))
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
        for row, prompt in enumerate(prompts):
            asked = self.processor(images=images[row], text=prompt, return_tensors="pt")["input_ids"]
            labels[row, : asked.shape[1]] = IGNORED
        return batch | {"labels": labels}

    def train(self, pairs: Sequence[Pair]) -> Any:
        """The whole BLIP-2 with a LoRA of its language model, trained on `pairs`."""
        train, lora = self.settings.train, self.settings.lora
        set_seed(train.seed)
        targets = read_json(ADAPTER / "adapter_config.json")["target_modules"]
        model = get_peft_model(
            self.base(),
            LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets),
        ).train()
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], train.learning_rate)
        steps = train.epochs * -(-len(pairs) // train.batch_size)
        schedule = get_linear_schedule_with_warmup(optimizer, round(train.warmup_share * steps), steps)
        for _ in range(train.epochs):
            order = torch.randperm(len(pairs)).tolist()
            for start in tqdm(range(0, len(pairs), train.batch_size), "training"):
                batch = [pairs[i] for i in order[start : start + train.batch_size]]
                model(**self.inputs(batch, with_answer=True)).loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
        return model

    @torch.inference_mode()
    def right(self, model: Any, pairs: Sequence[Pair]) -> int:
        """How many of `pairs` the model answers right, greedily."""
        model.eval()
        count = 0
        for pair in tqdm(pairs, "answering"):
            inputs = self.inputs([pair], with_answer=False)
            ids = model.generate(**inputs, max_new_tokens=self.settings.decoding.max_new_tokens)
            new = ids[:, inputs["input_ids"].shape[1] :]
            count += is_right(pair, self.processor.batch_decode(new, skip_special_tokens=True)[0].strip())
        return count


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=300, help="test questions")
    parser.add_argument("--write", action="store_true", help="into docs/results/pretrained_model.md")
    arguments = parser.parse_args()
    loop, page = PlainLoop(), RESULTS / "pretrained_model.md" if arguments.write else None
    train = loop.settings.train
    learnt = pairs_of_images(read_pairs(Path("data/vqa/train.csv")), train.images, train.seed)
    ranked = sorted(
        read_pairs(Path("data/vqa/test.csv")), key=lambda pair: seeded_rank(0, "/".join(pair.key))
    )
    test = ranked[: arguments.pairs]

    rate = read_json(Path("metrics/train.json"))["pairs_per_second"]
    ours = PeftModel.from_pretrained(loop.base(), ADAPTER)
    rows = {"the pipeline's": (1 / rate, loop.right(ours, test))}
    start = time.process_time()
    model = loop.train(learnt)
    seconds = (time.process_time() - start) / (len(learnt) * train.epochs)
    rows["a plain loop"] = (seconds, loop.right(model, test))
    for name, (each, right) in rows.items():
        row = [name, f"{len(learnt)}", f"{each:.3f}", f"{len(test)}", f"{right / len(test):.1%}"]
        report(TITLES, row, "cpu", page, "plain loop")


if __name__ == "__main__":
    main()

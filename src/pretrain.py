"""Pre-train the embedded BLIP-2 on captions and a little question answering of drawn pictures.

    python src/pretrain.py --steps 3600 --seed 0 --out models/blip2-tiny

In: nothing, pictures are drawn as they are needed. Out: a folder that loads exactly as
Salesforce/blip2-opt-2.7b does, with its loss curve. Costs about 45 minutes on 2 cores; killed, it
continues from its last checkpoint when started again. Not a stage: the result is kept in git.
"""

import argparse
import csv
import math
import os
import random
import shutil
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from embedded import texts
from embedded.drawing import Item, picture
from embedded.model import processor_for, untrained_model
from vqa.blip2 import AnswerModel, ImageEncoder, default_device

PICTURE_SIZE = 128  # pixels, as in the demo catalogue
PICTURES_PER_STEP = 32
CAPTIONS, QUESTIONS = 2, 2  # texts a picture
PEAK_LEARNING_RATE = 1.5e-3
WARM_UP_STEPS = 200
CHECKPOINT_EVERY = 200


class DrawnPictures(Dataset[tuple[torch.Tensor, list[tuple[str, str]]]]):
    """Picture number i and its texts, a pure function of (seed, i): any step can be drawn again."""

    def __init__(self, encoder: ImageEncoder, seed: int, count: int) -> None:
        self._encoder, self._seed, self._count = encoder, seed, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, list[tuple[str, str]]]:
        rng = random.Random(f"{self._seed}/{index}")
        item = texts.random_item(rng)
        pixels = self._encoder.pixels([picture(item, PICTURE_SIZE, rng)])[0]
        return pixels, _texts_of(item, rng)


def _texts_of(item: Item, rng: random.Random) -> list[tuple[str, str]]:
    """(prompt, continuation) pairs; a caption has the empty prompt."""
    captions = [("", texts.caption(item, rng)) for _ in range(CAPTIONS)]
    return captions + [texts.question_and_answer(item, rng) for _ in range(QUESTIONS)]


def _learning_rate(step: int, steps: int) -> float:
    """Linear warm-up, then cosine to zero."""
    if step < WARM_UP_STEPS:
        return PEAK_LEARNING_RATE * (step + 1) / WARM_UP_STEPS
    progress = (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)
    return PEAK_LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * progress))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=3600, help=f"of {PICTURES_PER_STEP} pictures each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("models/blip2-tiny"))
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    device = default_device()

    rng = random.Random(arguments.seed)
    corpus = (f"{p} {t}" for _ in range(4000) for p, t in _texts_of(texts.random_item(rng), rng))
    processor = processor_for(corpus)
    model = untrained_model(processor).to(device).train()
    encoder = ImageEncoder(model, processor, device)
    reader = AnswerModel(model, processor, prompt="{question}", device=device)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.02, betas=(0.9, 0.98))

    work = arguments.out.with_name(arguments.out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    checkpoint, first_step, curve = work / "checkpoint.pt", 0, []
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first_step, curve = state["step"], state["curve"]

    pictures = DrawnPictures(encoder, arguments.seed, arguments.steps * PICTURES_PER_STEP)
    remaining = range(first_step * PICTURES_PER_STEP, len(pictures))
    loader = DataLoader(pictures, PICTURES_PER_STEP, sampler=remaining, num_workers=1, collate_fn=list)
    steps = range(first_step, arguments.steps)
    progress = tqdm(zip(steps, loader, strict=True), total=arguments.steps, initial=first_step)
    for step, batch in progress:
        features = encoder.features(torch.stack([pixels for pixels, _ in batch]))
        features = features.repeat_interleave(CAPTIONS + QUESTIONS, dim=0)
        prompts, continuations = zip(*(pair for _, pairs in batch for pair in pairs), strict=True)
        inputs = reader.forward(reader.training_batch(prompts, continuations), features)
        loss = model.language_model(**inputs).loss
        optimizer.param_groups[0]["lr"] = _learning_rate(step, arguments.steps)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 20 == 0:
            curve.append((step, round(loss.item(), 4)))
            progress.set_postfix(loss=f"{loss.item():.3f}")
        if (step + 1) % CHECKPOINT_EVERY == 0:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state | {"step": step + 1, "curve": curve}, work / "checkpoint.tmp")
            os.replace(work / "checkpoint.tmp", checkpoint)

    model.half().save_pretrained(arguments.out)
    processor.save_pretrained(arguments.out)
    with (arguments.out / "loss.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("step", "loss"), *curve])
    shutil.rmtree(work)


if __name__ == "__main__":
    main()

"""Pre-training of the embedded BLIP-2 on drawn images, in two stages as BLIP-2 was.

1. Sight: ViT and Q-Former learn to tell every attribute value apart, by linear probes that are thrown
   away. They stand in for the pre-training of a real image encoder.
2. Language: the whole model learns captions and a little question answering (captions.py).
"""

import csv
import random
import shutil
from collections.abc import Callable
from dataclasses import astuple
from multiprocessing import Pool
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from small_blip2 import captions
from small_blip2.loop import LossOf, chosen, minimise
from small_blip2.small_model import HIDDEN_SIZE, processor_for, untrained_model
from vqa.core.devices import default_device
from vqa.core.errors import end_at_interrupt
from vqa.core.files import whole_file
from vqa.core.progress import progress_bar
from vqa.core.seeding import seeded_generator
from vqa.synthetic.drawing import ATTRIBUTES, Item, image
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder

IMAGES = 24_000
IMAGE_SIZE = 128  # pixels, as in the demo catalogue
BATCH = 32  # images a step
SIGHT_STEPS, SIGHT_LEARNING_RATE = 3000, 1e-3
LANGUAGE_STEPS, LANGUAGE_LEARNING_RATE = 1000, 1e-3

FeaturesOf = Callable[[Tensor, int], Tensor]  # of image numbers `[BATCH]` and the step


def pretrain(out: Path, seed: int) -> None:
    """Write the folder `out`, which loads exactly as Salesforce/blip2-opt-2.7b does, with its loss curve.

    Killed, it continues from its last checkpoint when called again.
    """
    torch.manual_seed(seed)
    device = default_device()
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)

    rng = random.Random(seed)
    corpus = (f"{p} {t}" for _ in range(4000) for p, t in captions.texts_of(captions.random_item(rng), rng))
    processor = processor_for(corpus)
    model = untrained_model(processor).to(device).train()
    encoder = Blip2ImageEncoder(model, processor, device)
    items, pixels = drawn(IMAGES, seed, encoder)

    def features(numbers: Tensor, step: int) -> Tensor:
        batch = pixels[numbers].float()
        return encoder.features(batch.flip(3) if step % 2 else batch)  # mirrored every other step

    probes = nn.ModuleDict({name: nn.Linear(HIDDEN_SIZE, len(t)) for name, t in ATTRIBUTES.items()})
    everything = nn.ModuleList([model, probes]).to(device)
    sight = _sight_loss(probes, items, features, device)
    curve = minimise(everything, "sight", SIGHT_STEPS, SIGHT_LEARNING_RATE, sight, work)
    reader = Blip2AnswerModel(model, processor, prompt="{question}", device=device)
    language = _language_loss(reader, items, features, seed)
    curve += minimise(model, "language", LANGUAGE_STEPS, LANGUAGE_LEARNING_RATE, language, work)

    model.half().save_pretrained(out)
    processor.save_pretrained(out)
    with whole_file(out / "loss.csv") as file:
        rows = [("stage", "step", "loss"), *curve]
        csv.writer(file, lineterminator="\n").writerows(rows)
    shutil.rmtree(work)


def _sight_loss(
    probes: nn.ModuleDict, items: list[Item], features: FeaturesOf, device: torch.device
) -> LossOf:
    """Cross-entropy of every attribute's probe on the mean query output, summed."""
    classes = [list(table) for table in ATTRIBUTES.values()]
    labels = torch.tensor([[c.index(w) for c, w in zip(classes, astuple(i), strict=True)] for i in items])

    def loss(step: int) -> Tensor:
        numbers = chosen(IMAGES, BATCH, step)
        features_mean = features(numbers, step).mean(dim=1)
        losses = [
            nn.functional.cross_entropy(probe(features_mean), labels[numbers, column].to(device))
            for column, probe in enumerate(probes.values())
        ]
        return torch.stack(losses).sum()

    return loss


def _language_loss(reader: Blip2AnswerModel, items: list[Item], features: FeaturesOf, seed: int) -> LossOf:
    """The language model's loss on captions and answers."""

    def loss(step: int) -> Tensor:
        rng = seeded_generator(seed, step)
        numbers = chosen(IMAGES, BATCH, step)
        pairs = [pair for i in numbers.tolist() for pair in captions.texts_of(items[i], rng)]
        prompts, continuations = zip(*pairs, strict=True)
        repeated = features(numbers, step).repeat_interleave(captions.TEXTS, dim=0)
        batch = reader.training_batch(prompts, continuations)
        return reader(**batch, features=repeated)["loss"]

    return loss


def drawn(count: int, seed: int, encoder: Blip2ImageEncoder) -> tuple[list[Item], Tensor]:
    """`count` random items and their pixels `[count, 3, H, W]` fp16, as the model's processor gives them."""
    items, rows = [], []
    with Pool(initializer=end_at_interrupt) as pool, progress_bar(count, "image", "drawing") as progress:
        drawings = pool.imap(_draw, ((seed, number) for number in range(count)), chunksize=50)
        for item, image in drawings:
            items.append(item)
            rows.append(encoder.pixels([image])[0].half())
            progress.update()
    return items, torch.stack(rows)


def _draw(numbered: tuple[int, int]) -> tuple[Item, Image.Image]:
    rng = seeded_generator(*numbered)
    item = captions.random_item(rng)
    return item, image(item, IMAGE_SIZE, rng)

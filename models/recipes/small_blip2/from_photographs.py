"""Further pre-training of the embedded BLIP-2, on real product photographs.

Two stages as in from_drawings.py, starting from the image encoder of models/blip2-tiny. The first trains the
encoder on words of the listings and on coarse colours of the image itself, the second trains the whole model
on captions and questions made of listing attributes. Drawn images are mixed in.
"""

import csv
import random
import shutil
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import interpolate
from transformers import Blip2ForConditionalGeneration

from small_blip2 import captions, photographs
from small_blip2.from_drawings import drawn
from small_blip2.lessons import Images, Sight, language_loss, sight_loss, texts_of
from small_blip2.loop import minimise
from small_blip2.photographs import Photograph
from small_blip2.small_model import IMAGE_SIZE, processor_for, untrained_model
from vqa.core.devices import default_device
from vqa.core.errors import InputError
from vqa.core.files import whole_file
from vqa.validation.declared_splits import read_splits
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder
from vqa.vlm.loading import Pretrained

VOCABULARY_SIZE = 2000
SYNTHETIC_IMAGES = 6000
SIGHT_STEPS, SIGHT_LEARNING_RATE = 6000, 7e-4
LANGUAGE_STEPS, LANGUAGE_LEARNING_RATE = 2000, 1e-3


def pretrain(
    root: Path, splits: Path, start: str, out: Path, seed: int, image_size: int = IMAGE_SIZE, share: float = 1
) -> None:
    """Write the folder `out`, which loads exactly as Salesforce/blip2-opt-2.7b does, with its loss curve and
    the ids of the photographs it has seen. Killed, it continues when called again.

    Only images that `splits` has in `train` are seen, so the adapter's validation and test images are new
    to the base model too. `image_size`: pixels a side, a multiple of 8; `share`: of the steps, to see what
    time is worth.

    Raises:
        InputError: `root` (a tree in ABO's layout) holds none of those images.
    """
    torch.manual_seed(seed)
    device = default_device()
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    train = [image for image, split in read_splits(splits)[1].items() if split == "train"]
    shot = photographs.read_photographs(root, set(train))
    if not shot:
        raise InputError(f"{root} holds none of the train images of {splits}; run dvc repro validate on it")

    rng = random.Random(seed)
    processor = processor_for((f"{p} {t}" for p, t in _corpus(shot, rng)), VOCABULARY_SIZE, image_size)
    model = untrained_model(processor)
    _copy_vision(Pretrained(start, dtype="float32").load(device), model)
    model = model.to(device).train()
    encoder = Blip2ImageEncoder(model, processor, device)
    items, drawn_pixels = drawn(SYNTHETIC_IMAGES, seed, encoder)
    shot_pixels = photographs.pixels_of(shot, root, encoder, image_size)
    images = Images(shot, shot_pixels, items, drawn_pixels, image_size)

    words = photographs.frequent_words(shot)
    sight = Sight(words)
    everything = nn.ModuleList([model, sight]).to(device)
    sight_steps, language_steps = round(share * SIGHT_STEPS), round(share * LANGUAGE_STEPS)
    see = sight_loss(sight, words, images, encoder)
    curve = minimise(everything, "sight", sight_steps, SIGHT_LEARNING_RATE, see, work)
    reader = Blip2AnswerModel(model, processor, prompt="{question}", device=device)
    speak = language_loss(reader, images, encoder, seed, sight_steps)
    curve += minimise(model, "language", language_steps, LANGUAGE_LEARNING_RATE, speak, work)

    model.half().save_pretrained(out)
    processor.save_pretrained(out)
    with whole_file(out / "loss.csv") as file:
        csv.writer(file, lineterminator="\n").writerows([("stage", "step", "loss"), *curve])
    with whole_file(out / "photographs.txt") as file:
        file.writelines(sorted(f"{photograph.image}\n" for photograph in shot))
    shutil.rmtree(work)


def _corpus(shot: list[Photograph], rng: random.Random) -> list[tuple[str, str]]:
    pairs = [pair for photograph in shot for pair in texts_of(photograph, rng)]
    return pairs + [pair for _ in range(1000) for pair in captions.texts_of(captions.random_item(rng), rng)]


def _copy_vision(source: nn.Module, target: Blip2ForConditionalGeneration) -> None:
    """ViT, Q-Former and queries of `source`; the language model is another, with another vocabulary."""
    seeing = ("vision_model.", "qformer.", "query_tokens", "layernorm.")
    state = {
        name.removeprefix("model."): tensor
        for name, tensor in source.state_dict().items()
        if name.removeprefix("model.").startswith(seeing)
    }
    kernel = next(name for name in state if name.endswith("patch_embedding.weight"))
    side = target.config.vision_config.patch_size
    # As many patches whatever the size of the image: the kernel is stretched, its sums stay.
    scale = state[kernel].shape[-1] ** 2 / side**2
    state[kernel] = scale * interpolate(state[kernel].float(), (side, side), mode="bilinear")
    missing, unexpected = target.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert not [name for name in missing if name.startswith(seeing)], missing

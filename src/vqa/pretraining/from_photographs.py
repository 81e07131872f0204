"""Further pre-training of the embedded BLIP-2, on real product photographs.

As from_drawings.py, in two stages, starting from the eyes of models/blip2-tiny: sight learns from the words
of the listings (and from the coarse colours of the picture itself), language from captions and questions
made of listing attributes. Drawn pictures are mixed in.
"""

import csv
import random
import shutil
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import interpolate
from transformers import Blip2ForConditionalGeneration

from vqa.catalogue.split_memory import read_splits
from vqa.foundation.devices import default_device
from vqa.foundation.errors import InputError
from vqa.foundation.files import whole_file
from vqa.pretraining import captions, photographs
from vqa.pretraining.from_drawings import drawn
from vqa.pretraining.lessons import Pictures, Sight, language_loss, sight_loss, texts_of
from vqa.pretraining.loop import minimise
from vqa.pretraining.photographs import Photograph
from vqa.pretraining.small_model import IMAGE_SIZE, processor_for, untrained_model
from vqa.vlm.blip2 import AnswerModel, ImageEncoder
from vqa.vlm.pretrained import Pretrained

VOCABULARY_SIZE = 2000
DRAWN_PICTURES = 6000
SIGHT_STEPS, SIGHT_LEARNING_RATE = 6000, 7e-4
LANGUAGE_STEPS, LANGUAGE_LEARNING_RATE = 2000, 1e-3


def pretrain(
    root: Path, splits: Path, start: str, out: Path, seed: int, image_size: int = IMAGE_SIZE, share: float = 1
) -> None:
    """Write the folder `out`, which loads exactly as Salesforce/blip2-opt-2.7b does, with its loss curve and
    the ids of the photographs it has seen. Killed, it continues when called again.

    Only pictures that `splits` has in `train` are seen, so the adapter's validation and test pictures are new
    to the base model too. `image_size`: pixels a side, a multiple of 8; `share`: of the steps, to see what
    time is worth.

    Raises:
        InputError: `root` (a tree in ABO's layout) holds none of those pictures.
    """
    torch.manual_seed(seed)
    device = default_device()
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    train = [picture for picture, split in read_splits(splits)[1].items() if split == "train"]
    shot = photographs.read_photographs(root, set(train))
    if not shot:
        raise InputError(f"{root} holds none of the train pictures of {splits}; run dvc repro validate on it")

    rng = random.Random(seed)
    processor = processor_for((f"{p} {t}" for p, t in _corpus(shot, rng)), VOCABULARY_SIZE, image_size)
    model = untrained_model(processor)
    _copy_eyes(Pretrained(start, dtype="float32").load(device), model)
    model = model.to(device).train()
    encoder = ImageEncoder(model, processor, device)
    items, drawn_pixels = drawn(DRAWN_PICTURES, seed, encoder)
    shot_pixels = photographs.pixels_of(shot, root, encoder, image_size)
    pictures = Pictures(shot, shot_pixels, items, drawn_pixels, image_size)

    words = photographs.frequent_words(shot)
    sight = Sight(words)
    everything = nn.ModuleList([model, sight]).to(device)
    sight_steps, language_steps = round(share * SIGHT_STEPS), round(share * LANGUAGE_STEPS)
    see = sight_loss(sight, words, pictures, encoder)
    curve = minimise(everything, "sight", sight_steps, SIGHT_LEARNING_RATE, see, work)
    reader = AnswerModel(model, processor, prompt="{question}", device=device)
    speak = language_loss(reader, pictures, encoder, seed, sight_steps)
    curve += minimise(model, "language", language_steps, LANGUAGE_LEARNING_RATE, speak, work)

    model.half().save_pretrained(out)
    processor.save_pretrained(out)
    with whole_file(out / "loss.csv") as file:
        csv.writer(file, lineterminator="\n").writerows([("stage", "step", "loss"), *curve])
    with whole_file(out / "photographs.txt") as file:
        file.writelines(sorted(f"{photograph.picture}\n" for photograph in shot))
    shutil.rmtree(work)


def _corpus(shot: list[Photograph], rng: random.Random) -> list[tuple[str, str]]:
    pairs = [pair for photograph in shot for pair in texts_of(photograph, rng)]
    return pairs + [pair for _ in range(1000) for pair in captions.texts_of(captions.random_item(rng), rng)]


def _copy_eyes(source: nn.Module, target: Blip2ForConditionalGeneration) -> None:
    """ViT, Q-Former and queries of `source`; the language model is another, with another vocabulary."""
    eyes = ("vision_model.", "qformer.", "query_tokens", "layernorm.")
    state = {
        name.removeprefix("model."): tensor
        for name, tensor in source.state_dict().items()
        if name.removeprefix("model.").startswith(eyes)
    }
    kernel = next(name for name in state if name.endswith("patch_embedding.weight"))
    side = target.config.vision_config.patch_size
    # As many patches whatever the size of the picture: the kernel is stretched, its sums stay.
    scale = state[kernel].shape[-1] ** 2 / side**2
    state[kernel] = scale * interpolate(state[kernel].float(), (side, side), mode="bilinear")
    missing, unexpected = target.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert not [name for name in missing if name.startswith(eyes)], missing

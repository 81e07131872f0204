"""Pre-train the embedded BLIP-2 further, on real product photographs.

    python src/pretrain_photos.py --root data/abo --splits data/vqa/splits.json

As pretrain.py, in two stages, starting from the eyes of models/blip2-tiny: sight learns from the words of
the listings (and from the coarse colours of the picture itself), language from captions and questions made
of listing attributes. Drawn pictures are mixed in. Only pictures that splits.json has in `train` are
seen, so the adapter's validation and test pictures are new to the base model too.

In: a tree in ABO's layout, splits.json. Out: a folder that loads exactly as Salesforce/blip2-opt-2.7b
does, with its loss curve and the ids of the photographs it has seen. About two hours on two cores; killed,
it continues when started again. Not a stage: the result is kept in git.
"""

import argparse
import csv
import random
import shutil
from dataclasses import astuple
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

import pretrain
from embedded import photographs, texts
from embedded.concepts import ATTRIBUTES
from embedded.drawing import Item
from embedded.model import HIDDEN_SIZE, IMAGE_SIZE, processor_for, untrained_model
from embedded.photographs import Photograph
from embedded.pretraining import chosen, trained
from vqa.blip2 import AnswerModel, ImageEncoder
from vqa.checkpoint import Checkpoint
from vqa.devices import default_device
from vqa.errors import InputError, run_command
from vqa.files import read_json

VOCABULARY_SIZE = 2000
DRAWN_PICTURES = 6000
PHOTOGRAPHS, DRAWINGS = 28, 8  # of each a step
CAPTIONS, QUESTIONS = 2, 2  # texts a picture and step
SIGHT_STEPS, SIGHT_LEARNING_RATE = 6000, 7e-4
LANGUAGE_STEPS, LANGUAGE_LEARNING_RATE = 2000, 1e-3
GRID = 4  # colours of 4×4 places are learnt too


class Sight(nn.Module):
    """Linear probes on the mean query output, thrown away in the end."""

    def __init__(self, words: list[str]) -> None:
        super().__init__()
        values = {name: len(table) for name, table in ATTRIBUTES.items()}
        self.attributes = nn.ModuleDict({name: nn.Linear(HIDDEN_SIZE, n) for name, n in values.items()})
        self.words = nn.Linear(HIDDEN_SIZE, len(words))
        self.grid = nn.Linear(HIDDEN_SIZE, 3 * GRID * GRID)


class Pictures:
    """What a step sees: photographs first, then drawings."""

    def __init__(
        self, shot: list[Photograph], shot_pixels: Tensor, items: list[Item], drawn_pixels: Tensor
    ) -> None:
        self._shot, self._shot_pixels = shot, shot_pixels
        self._items, self._drawn_pixels = items, drawn_pixels

    def at(self, step: int) -> tuple[list[Photograph], list[Item], Tensor]:
        """Photographs, drawn items and the pixels `[PHOTOGRAPHS + DRAWINGS, 3, H, W]` of both."""
        shot = chosen(len(self._shot), PHOTOGRAPHS, step)
        drawn = chosen(len(self._items), DRAWINGS, step)
        flipped = self._drawn_pixels[drawn].float()
        pixels = [
            photographs.seen(self._shot_pixels[shot], IMAGE_SIZE, step),
            flipped.flip(3) if step % 2 else flipped,
        ]
        return [self._shot[i] for i in shot], [self._items[i] for i in drawn], torch.cat(pixels)


def run(root: Path, splits: Path, start: str, out: Path, seed: int) -> None:
    torch.manual_seed(seed)
    device = default_device()
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    train = [picture for picture, split in read_json(splits)["pictures"].items() if split == "train"]
    shot = photographs.read_photographs(root, set(train))
    if not shot:
        raise InputError(f"{root} holds none of the train pictures of {splits}; run dvc repro validate on it")

    rng = random.Random(seed)
    processor = processor_for((f"{p} {t}" for p, t in _corpus(shot, rng)), VOCABULARY_SIZE)
    model = untrained_model(processor)
    _copy_eyes(Checkpoint(start, dtype="float32").load(device), model)
    model = model.to(device).train()
    encoder = ImageEncoder(model, processor, device)
    items, drawn_pixels = pretrain.drawn(DRAWN_PICTURES, seed, encoder)
    pictures = Pictures(shot, photographs.pixels_of(shot, root, encoder), items, drawn_pixels)

    words = photographs.frequent_words(shot)
    sight = Sight(words)
    everything = nn.ModuleList([model, sight]).to(device)
    see = _sight_loss(sight, words, pictures, encoder)
    curve = trained(everything, "sight", SIGHT_STEPS, SIGHT_LEARNING_RATE, see, work)
    reader = AnswerModel(model, processor, prompt="{question}", device=device)
    speak = _language_loss(reader, pictures, encoder, seed)
    curve += trained(model, "language", LANGUAGE_STEPS, LANGUAGE_LEARNING_RATE, speak, work)

    model.half().save_pretrained(out)
    processor.save_pretrained(out)
    with (out / "loss.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("stage", "step", "loss"), *curve])
    (out / "photographs.txt").write_text("".join(sorted(f"{photograph.picture}\n" for photograph in shot)))
    shutil.rmtree(work)


def _sight_loss(sight: Sight, words: list[str], pictures: Pictures, encoder: ImageEncoder):  # type: ignore[no-untyped-def]
    """Words of the listing, coarse colours of the pixels, attributes of the drawings, summed."""
    classes = [list(table) for table in ATTRIBUTES.values()]

    def loss(step: int) -> Tensor:
        shot, items, pixels = pictures.at(step)
        output = encoder.features(pixels).mean(dim=1)  # [B, D]
        said = torch.tensor([[float(word in photograph.words) for word in words] for photograph in shot])
        named = functional.binary_cross_entropy_with_logits(
            sight.words(output[: len(shot)]), said.to(output.device), reduction="none"
        )
        colors = functional.adaptive_avg_pool2d(pixels, GRID).flatten(1).to(output.device)
        total = named.sum(dim=1).mean() * 0.3 + functional.mse_loss(sight.grid(output), colors)
        labels = torch.tensor([[c.index(w) for c, w in zip(classes, astuple(i), strict=True)] for i in items])
        for column, probe in enumerate(sight.attributes.values()):
            logits = probe(output[len(shot) :])
            total = total + 0.3 * functional.cross_entropy(logits, labels[:, column].to(output.device))
        return total

    return loss


def _language_loss(reader: AnswerModel, pictures: Pictures, encoder: ImageEncoder, seed: int):  # type: ignore[no-untyped-def]
    def loss(step: int) -> Tensor:
        rng = random.Random(f"{seed}/{step}")
        shot, items, pixels = pictures.at(SIGHT_STEPS + step)
        pairs = [pair for photograph in shot for pair in _texts_of(photograph, rng)]
        pairs += [pair for item in items for pair in pretrain.texts_of(item, rng)]
        prompts, continuations = zip(*pairs, strict=True)
        repeated = encoder.features(pixels).repeat_interleave(CAPTIONS + QUESTIONS, dim=0)
        batch = reader.training_batch(prompts, continuations)
        return reader(**batch, features=repeated)["loss"]

    return loss


def _texts_of(photograph: Photograph, rng: random.Random) -> list[tuple[str, str]]:
    captions = [("", photographs.caption(photograph.product, rng)) for _ in range(CAPTIONS)]
    return captions + [photographs.question_and_answer(photograph.product, rng) for _ in range(QUESTIONS)]


def _corpus(shot: list[Photograph], rng: random.Random) -> list[tuple[str, str]]:
    pairs = [pair for photograph in shot for pair in _texts_of(photograph, rng)]
    return pairs + [pair for _ in range(1000) for pair in pretrain.texts_of(texts.random_item(rng), rng)]


def _copy_eyes(source: nn.Module, target: nn.Module) -> None:
    """ViT, Q-Former and queries of `source`; the language model is another, with another vocabulary."""
    eyes = ("vision_model.", "qformer.", "query_tokens", "layernorm.")
    state = {
        name.removeprefix("model."): tensor
        for name, tensor in source.state_dict().items()
        if name.removeprefix("model.").startswith(eyes)
    }
    missing, unexpected = target.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert not [name for name in missing if name.startswith(eyes)], missing


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("data/abo"))
    parser.add_argument("--splits", type=Path, default=Path("data/vqa/splits.json"))
    parser.add_argument("--start", default="models/blip2-tiny")
    parser.add_argument("--out", type=Path, default=Path("models/blip2-small"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = vars(parser.parse_args())
    run_command(lambda: run(**arguments))


if __name__ == "__main__":
    main()

"""Both stages on the photographs that blip2-small has seen, and the folder that comes of them."""

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import Blip2Config

from blip2_smollm2 import texts
from blip2_smollm2.features import VisionRows, encode
from blip2_smollm2.folder import QFORMER, write_index
from blip2_smollm2.loop import Measured, Stage, batch_numbers, minimise
from blip2_smollm2.stage_one import StageOne, Texts, minilm_folder
from blip2_smollm2.stage_two import StageTwo
from small_blip2.photographs import Photograph, read_photographs
from vqa.catalogue.images import ID_LENGTH
from vqa.core.devices import default_device
from vqa.core.errors import InputError
from vqa.core.files import locked, whole, whole_file
from vqa.core.seeding import seeded_generator

HELD_OUT = 96  # photographs whose losses are measured, never trained on
ONE_STEPS, ONE_BATCH = 600, 32  # four and a half epochs
ONE_LEARNING_RATE, ONE_NEW_LEARNING_RATE = 1e-4, 4e-4  # of what came from MiniLM, and of what is new
MATCH_EVERY = 4  # steps
PATCHES_SHOWN = 0.5
TWO_STEPS, TWO_BATCH = 1000, 8  # two epochs
TWO_LEARNING_RATE, TWO_PROJECTION_LEARNING_RATE = 1e-4, 5e-4


@dataclass(frozen=True)
class Lesson:
    """Photographs, their features by the ViT, and which of them are trained on."""

    photographs: Sequence[Photograph]
    rows: VisionRows
    seed: int
    device: torch.device

    def batch(self, size: int, step: int) -> Tensor:
        """Numbers of the photographs that a step learns from, `[size]`."""
        return self._order[batch_numbers(len(self.photographs) - HELD_OUT, size, step, self.seed)]

    @property
    def held_out(self) -> Tensor:
        """Numbers of the photographs that no step learns from, `[HELD_OUT]`."""
        return self._order[-HELD_OUT:]

    def images(self, numbers: Tensor, patches: Tensor | None = None) -> Tensor:
        """Features of the photographs by the ViT, `[B, rows, width]`."""
        return self.rows.of(numbers, patches).to(self.device)

    @cached_property
    def _order(self) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randperm(len(self.photographs), generator=generator)


def train(root: Path, seen: Path, parts: Path, work: Path, out: Path, seed: int) -> None:
    """Write `qformer.safetensors`, the curve and the photographs' ids into `out`.

    Killed, it goes on from its last checkpoint in `work` when called again.

    Raises:
        InputError: `parts` is not written, `root` lacks photographs of `seen`, or another run has `work`.
    """
    if not (parts / "language_model.safetensors").is_file():
        raise InputError(f"{parts} lacks the pretrained parts; run python models/recipes smollm2-parts")
    device = default_device()
    with locked(work / "run.lock"):
        photographs = seen_photographs(root, seen)
        rows = encode(photographs, root, parts, work, device)
        lesson = Lesson(photographs, rows, seed, device)
        one, curve = _stage_one(lesson, parts, work)
        two, more = _stage_two(lesson, one, parts, work)
        _write(two, [*curve, *more], photographs, out)


def seen_photographs(root: Path, seen: Path) -> list[Photograph]:
    """The photographs that the file `seen` names by their hashes, in the order of their names.

    Raises:
        InputError: `root` does not hold them all.
    """
    ids = {line[:ID_LENGTH] for line in seen.read_text(encoding="utf-8").split()}
    found = read_photographs(root, ids)
    if len(found) < len(ids):
        raise InputError(f"{root} holds {len(found)} of the {len(ids)} photographs that {seen} names")
    return found


def _stage_one(lesson: Lesson, parts: Path, work: Path) -> tuple[dict[str, Tensor], list[dict[str, object]]]:
    """The trained module's tensors, and its curve."""
    minilm = minilm_folder()
    config = Blip2Config.from_pretrained(parts)
    torch.manual_seed(lesson.seed)
    module = StageOne(config.qformer_config, config.num_query_tokens, minilm).to(lesson.device)
    words = Texts(minilm)
    products = [photograph.product for photograph in lesson.photographs]
    shown = round(PATCHES_SHOWN * lesson.rows.patches)

    def inputs(numbers: Tensor, rng: random.Random) -> tuple[Tensor, Tensor]:
        chosen = [products[number] for number in numbers.tolist()]
        said = words.ids([texts.description(product) for product in chosen])
        captions = words.caption_ids([texts.caption(product, rng) for product in chosen])
        return said.to(lesson.device), captions.to(lesson.device)

    def losses(step: int) -> dict[str, Tensor]:
        numbers = lesson.batch(ONE_BATCH, step)
        images = lesson.images(numbers, torch.randperm(lesson.rows.patches)[:shown])
        said, captions = inputs(numbers, seeded_generator(lesson.seed, step))
        found, likeness = module.losses(images, said, captions)
        if step % MATCH_EVERY == 0:
            found["match"] = module.match_loss(images, said, likeness)
        return found

    def measure() -> Measured:
        said, captions = inputs(lesson.held_out, random.Random(0))
        found, likeness = module.losses(lesson.images(lesson.held_out), said, captions)
        nearest = likeness.argmax(dim=1)
        is_own = (said[nearest] == said).all(dim=1).float().mean()
        return {f"held-out {name}": loss.item() for name, loss in found.items()} | {
            "held-out recall@1": is_own.item()
        }

    groups = [(module.old_parameters, ONE_LEARNING_RATE), (module.new_parameters, ONE_NEW_LEARNING_RATE)]
    stage = Stage("one", ONE_STEPS, groups, losses, measure, measure_every=100)
    curve = minimise(module, stage, work, lesson.seed)
    return module.state_dict(), curve


def _stage_two(
    lesson: Lesson, stage_one: dict[str, Tensor], parts: Path, work: Path
) -> tuple[StageTwo, list[dict[str, object]]]:
    torch.manual_seed(lesson.seed)  # also where stage one was trained by an earlier run
    module = StageTwo(parts, lesson.device).to(lesson.device)
    module.start_from(stage_one)
    products = [photograph.product for photograph in lesson.photographs]

    def loss_on(numbers: Tensor, rng: random.Random) -> Tensor:
        said = [texts.texts_of(products[number], products, rng) for number in numbers.tolist()]
        return module.loss(lesson.images(numbers), said)

    def losses(step: int) -> dict[str, Tensor]:
        numbers = lesson.batch(TWO_BATCH, step)
        return {"text": loss_on(numbers, seeded_generator(lesson.seed, step))}

    def measure() -> Measured:
        rng = random.Random(0)
        batches = lesson.held_out.split(TWO_BATCH)
        found = torch.stack([loss_on(batch, rng) for batch in batches])
        return {"held-out text": found.mean().item(), "held-out color": _colors_right(lesson, module)}

    queries, projection = (list(part.parameters()) for part in (module.queries, module.reader.projection))
    groups = [(queries, TWO_LEARNING_RATE), (projection, TWO_PROJECTION_LEARNING_RATE)]
    stage = Stage("two", TWO_STEPS, groups, losses, measure, measure_every=100)
    return module, minimise(module, stage, work, lesson.seed)


def _colors_right(lesson: Lesson, module: StageTwo) -> float:
    """Share of held-out photographs with a stated colour whose colour is answered right."""
    known = {
        number: color
        for number in lesson.held_out.tolist()
        if (color := texts.attributes(lesson.photographs[number].product).get("color"))
    }
    prompt = texts.ONE_WORD_PROMPT.format(question="What is the main color of the product?")
    images = lesson.images(torch.tensor(list(known)))
    answers = module.answers(images, [prompt] * len(known), max_new_tokens=4)
    right = [answer.split()[:1] == [color] for answer, color in zip(answers, known.values(), strict=True)]
    return sum(right) / len(right)


def _write(
    module: StageTwo, curve: Sequence[dict[str, object]], photographs: Sequence[Photograph], out: Path
) -> None:
    state = {name: tensor.bfloat16().cpu().contiguous() for name, tensor in module.made_here().items()}
    with whole(out / QFORMER) as temporary:
        save_file(dict(sorted(state.items())), temporary, metadata={"format": "pt"})
    names = list(dict.fromkeys(name for entry in curve for name in entry))
    with whole_file(out / "loss.csv") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(curve)
    with whole_file(out / "photographs.txt") as file:
        file.writelines(sorted(f"{photograph.image}\n" for photograph in photographs))
    write_index(out)

"""What a cached image is worth with each image-text family, and that it changes nothing.

    python benchmarks/image_text_model.py                # toy size, as the tests have it
    python benchmarks/image_text_model.py --layers 2     # the published widths, random weights; about 6 GB
    python benchmarks/image_text_model.py --layers 2 --families llava      # one alone

Out: a Markdown table on standard output. `loss`, `gradient`: the largest difference between a pair's step
from cached features and from pixels, of gradients relative to the largest number in each; `tokens`: greedy
answers that are equal, of all; `an image`: on disk in bf16. `live` and `cached`: seconds of a training step
on four pairs about four images, with and without the image encoder: the fastest of several in turns, in time
of this process. `--layers`: of the language model; the vision tower is cut in proportion. Needs torch,
transformers and peft.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("src", "models/recipes", "tests/helpers")]

import torch
from tabulate import tabulate
from torch import Tensor
from transformers import (
    CLIPImageProcessorPil,
    Idefics3ImageProcessorPil,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
)

from toy_image_text import FAMILIES, toy_image_text
from vqa.core.seeding import seeded_generator
from vqa.features.shards import OpenShards, Recipe, part_of, write_shard
from vqa.memory_estimate.meta_device import at_most, published_config
from vqa.settings import load_settings
from vqa.synthetic.catalogue import draw_items
from vqa.synthetic.drawing import image
from vqa.vlm import image_text_model, lora
from vqa.vlm.families import ImageTextFamily, ImageTextProcessor
from vqa.vlm.image_features import ImageFeatures

CPU = torch.device("cpu")
_ASKED = ["What color is the lamp?", "What is it made of?", "How many legs are there?", "Which shape is it?"]
_SAID = ["blue", "wood", "4", "round"]
_ROUNDS = 5
_PUBLISHED: dict[str, tuple[str, Callable[[], Any]]] = {
    "llava": (
        "llava-1.5-7b",
        lambda: CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}),
    ),
    "paligemma": ("paligemma2-3b", SiglipImageProcessorPil),
    "idefics3": (
        "smolvlm-256m",
        lambda: Idefics3ImageProcessorPil(size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}),
    ),
    "qwen2_5_vl": ("qwen2.5-vl-3b", Qwen2VLImageProcessorPil),
}


def models(families: Sequence[str], layers: int | None) -> Iterator[tuple[str, Any, ImageTextProcessor]]:
    """Name, model and processor of each family."""
    for family in families:
        model, theirs = toy_image_text(family)
        image_processor = theirs.image_processor
        name = family
        if layers is not None:
            if family not in _PUBLISHED:
                continue
            name, image_processor_of = _PUBLISHED[family]
            model, image_processor = published(name, layers, model.config), image_processor_of()
        yield name, model, ImageTextProcessor(theirs.tokenizer, image_processor, theirs.chat_template, ())


def published(name: str, layers: int, toy: Any) -> Any:
    """The published widths with the tokens of a toy of its family."""
    torch.manual_seed(0)
    config = at_most(published_config(name), layers)
    config.image_token_id = toy.image_token_id
    for mark in ("vision_start_token_id", "vision_end_token_id", "video_token_id"):
        if hasattr(toy, mark):
            setattr(config, mark, getattr(toy, mark))
    return ImageTextFamily(config).model_class(config).eval()


def row_of(name: str, model: Any, processor: ImageTextProcessor) -> list[str]:
    """A line of the table."""
    family = ImageTextFamily(model.config)
    encoder = image_text_model.ImageTextEncoder(model, processor.image_processor, CPU)
    answers = family.answer_model(model, processor, "{question} Answer in one word.", CPU, "qformer")
    assert isinstance(answers, image_text_model.ImageTextAnswerModel)
    settings = load_settings(ROOT / "params.yaml").lora
    lora.add_adapter(answers, settings, name)
    answers.eval()  # dropout would draw anew
    for parameter in answers.parameters():  # an adapter starts as zero
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.02)
    images = [
        image(item, 256, seeded_generator(0, i)) for i, item in enumerate(draw_items(len(_ASKED), seed=1))
    ]
    pixels = encoder.pixels(images)
    with torch.inference_mode():
        looks = encoder.features(pixels)
    kept = through_a_shard(looks)
    differences = [differences_of(answers, pair) for pair in zip(_ASKED, _SAID, kept, pixels, strict=True)]
    equal = [is_equal(answers, pair) for pair in zip(_ASKED, kept, pixels, strict=True)]
    live, cached = seconds(encoder, answers, pixels, kept)
    return [
        name,
        f"{max(loss for loss, _ in differences):.1g}",
        f"{max(gradient for _, gradient in differences):.1g}",
        f"{sum(equal)} of {len(equal)}",
        f"{max(image.rows.nbytes for image in looks) / 2000:.1f} KB",  # in bf16
        f"{live:.3f} s",
        f"{cached:.3f} s",
        f"{live / cached:.2f}",
    ]


def through_a_shard(looks: Sequence[ImageFeatures]) -> list[ImageFeatures]:
    """What a store gives back of them."""
    made_by: dict[str, str | None] = dict.fromkeys(("name", "fingerprint", "processor", "dtype"), "toy")
    recipe = Recipe(made_by, "qformer", "float32")
    shard = part_of([f"{i}" for i in range(len(looks))], recipe)[0]
    with tempfile.TemporaryDirectory() as folder:
        write_shard(Path(folder), shard, looks, recipe)
        there = OpenShards()
        rows = (there.row(Path(folder) / shard.file, i) for i in range(len(looks)))
        return [ImageFeatures(row.rows.clone(), row.grid) for row in rows if isinstance(row, ImageFeatures)]


def on_pixels(
    answers: image_text_model.ImageTextAnswerModel, ids: Tensor, look: ImageFeatures, is_answer: Tensor
) -> dict[str, Tensor]:
    """What the whole model takes beside ids and pixels."""
    seen = answers._seen(ids, answers._projected([look]), is_answer)
    return {key: value for key, value in seen.items() if key != "mm_encoder_outputs"}


def differences_of(
    answers: image_text_model.ImageTextAnswerModel,
    pair: tuple[str, str, ImageFeatures, image_text_model.Pixels],
) -> tuple[float, float]:
    """Of the loss and of the gradients of one pair, cached against from pixels."""
    question, answer, look, pixels = pair
    batch = answers.training_batch([question], [answer], [look])
    ours = answers(**batch, features=[look])["loss"]
    cached = gradients_of(answers, ours)
    kinds = on_pixels(answers, batch["input_ids"], look, batch["labels"] >= 0)
    theirs = answers.whole(**batch, **(kinds | pixels.tensors), use_cache=False).loss
    live = gradients_of(answers, theirs)
    relative = [float((cached[n] - g).abs().max() / g.abs().max()) for n, g in live.items()]
    return abs(ours.item() - theirs.item()), max(relative)


def gradients_of(answers: image_text_model.ImageTextAnswerModel, loss: Tensor) -> dict[str, Tensor]:
    answers.zero_grad()
    loss.backward()
    named = answers.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None and bool(p.grad.any())}


def is_equal(
    answers: image_text_model.ImageTextAnswerModel, pair: tuple[str, ImageFeatures, image_text_model.Pixels]
) -> bool:
    """Whether the same is answered from cached features and from pixels."""
    question, look, pixels = pair
    ids = torch.tensor([answers.tokens.prompt_ids(question, look)])
    kinds = on_pixels(answers, ids, look, torch.zeros_like(ids, dtype=torch.bool))
    said = answers.whole.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        **(kinds | pixels.tensors),
        max_new_tokens=6,
        do_sample=False,
        repetition_penalty=1.0,
    )
    text = answers.tokens.tokenizer.decode(said[0, ids.shape[1] :], skip_special_tokens=True).strip()
    return answers.texts([question], [look], 6) == [text]


def seconds(
    encoder: image_text_model.ImageTextEncoder,
    answers: image_text_model.ImageTextAnswerModel,
    pixels: list[image_text_model.Pixels],
    kept: list[ImageFeatures],
) -> tuple[float, float]:
    """Of a training step with the image encoder at work, and from cached features."""
    optimizer = torch.optim.AdamW([p for p in answers.parameters() if p.requires_grad], 1e-6)

    def step(looks: list[ImageFeatures]) -> None:
        batch = answers.training_batch(_ASKED, _SAID, looks)
        answers(**batch, features=looks)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()

    def live() -> None:
        with torch.no_grad():
            looks = encoder.features(pixels)
        step(looks)

    took: dict[str, list[float]] = {"live": [], "cached": []}
    for _ in range(1 + _ROUNDS):
        for name, work in (("live", live), ("cached", lambda: step(kept))):
            start = time.process_time()
            work()
            took[name].append(time.process_time() - start)
    return min(took["live"][1:]), min(took["cached"][1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--layers", type=int, help="of published widths; none: toy size")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    given = parser.parse_args()
    titles = ["model", "loss", "gradient", "tokens", "an image", "live", "cached", "times as fast"]
    rows = [row_of(*model) for model in models(given.families, given.layers)]
    print(tabulate(rows, titles, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()

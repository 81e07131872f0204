"""The pipeline on a language model that has read: what random weights cannot test.

    python benchmarks/pretrained_model.py                        # every way, 300 test questions
    python benchmarks/pretrained_model.py --ways habit merged    # some of them
    python benchmarks/pretrained_model.py --write                # into docs/results/pretrained_model.md

In: params.yaml, data/vqa/test.csv, data/features, models/adapter/best, and the images at data.root. Each way
answers the same questions: `pipeline` as answer_adapted does (cached features, adapter merged); `habit`
transformers and PEFT as their documentation shows them, from pixels, one question after the other; `merged`
the same after merge_and_unload; `bf16` the pipeline with the frozen weights in bfloat16; `constrained` and
`beams` two settings of decoding; `base, …` the model without the adapter, asked by one of `PROMPTS`. `equal`
counts the answers that are letter for letter those of `pipeline`; seconds are of this process, features not
counted where they are cached.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")]

import torch
from peft import PeftModel
from result_pages import RESULTS, report
from transformers import AutoProcessor, Blip2ForConditionalGeneration

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import load_image
from vqa.catalogue.manifest import read_tree
from vqa.core.seeding import seeded_rank
from vqa.features.store import FeatureStore
from vqa.pairs.pair import Pair, read_pairs, read_vocabulary
from vqa.pairs.predictions import is_right
from vqa.settings import load_settings
from vqa.vlm import attached_adapter
from vqa.vlm.generation import Decoding, generate_texts
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")
ADAPTER = Path("models/adapter/best")
PROMPTS = {
    "base, one word": "Question: {question} Answer in one word:",
    "base, answer": "Question: {question} Answer:",
    "base, chat": "<|im_start|>user\n{question} Answer in one word.<|im_end|>\n<|im_start|>assistant\n",
}
TITLES = ("way", "questions", "equal to the pipeline's", "exact match", "s an answer")


class Bench:
    """The test questions, and each way to answer them."""

    def __init__(self, count: int) -> None:
        self.settings = load_settings()
        test = read_pairs(Path("data/vqa/test.csv"))
        ranked = sorted(test, key=lambda pair: seeded_rank(0, "/".join(pair.key)))
        self.pairs: Sequence[Pair] = ranked[:count]
        self.vocabulary = read_vocabulary(Path("data/vqa/answer_vocabulary"), True)
        self.root = read_tree(self.settings.data.root)
        self.ways: dict[str, Callable[[], list[str]]] = {
            "pipeline": self.pipeline,
            "habit": self.habit,
            "merged": lambda: self.habit(is_merged=True),
            "bf16": lambda: self.pipeline(dtype="bfloat16"),
            "constrained": lambda: self.pipeline(answers=self.vocabulary),
            "beams": lambda: self.pipeline(beams=3),
        }
        for name, prompt in PROMPTS.items():
            self.ways[name] = partial(self.pipeline, prompt=prompt, adapter=None)

    def pipeline(
        self,
        dtype: Literal["float32", "bfloat16"] = "float32",
        prompt: str | None = None,
        adapter: Path | None = ADAPTER,
        answers: tuple[str, ...] = (),
        beams: int = 1,
    ) -> list[str]:
        """Features are those cached in fp32, whatever `dtype` the language model is held in."""
        settings, level = self.settings, self.settings.features.level
        cached = FeatureStore(Path("data/features"), Pretrained.of(settings.model).identity(CPU), level)
        pretrained = Pretrained.of(replace(settings.model, dtype=dtype))
        model = pretrained.load_answer_model(prompt or settings.model.prompt, CPU, level)
        if adapter:
            attached_adapter.merge(model, adapter)
        decoding = replace(settings.decoding, num_beams=beams)
        how = Decoding(decoding.batch_size, decoding.max_new_tokens, decoding.num_beams, answers)
        return generate_texts(self.pairs, cached, model, how, "answers")

    @torch.inference_mode()
    def habit(self, is_merged: bool = False) -> list[str]:
        """As a reader of both libraries' documentation would write it; nothing of this project."""
        processor: Any = AutoProcessor.from_pretrained(self.settings.model.name)
        model: Any = Blip2ForConditionalGeneration.from_pretrained(self.settings.model.name).eval()
        model = PeftModel.from_pretrained(model, ADAPTER).eval()
        if is_merged:
            model = model.merge_and_unload()
        texts = []
        for pair in self.pairs:
            image = load_image(image_path(self.root, pair.image_name))
            prompt = self.settings.model.prompt.format(question=pair.question)
            inputs = processor(images=image, text=prompt, return_tensors="pt")
            ids = model.generate(**inputs, max_new_tokens=self.settings.decoding.max_new_tokens)
            new = ids[:, inputs["input_ids"].shape[1] :]
            texts += [text.strip() for text in processor.batch_decode(new, skip_special_tokens=True)]
        return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--ways", nargs="+", help="some of them, by the first word of their names")
    parser.add_argument("--write", action="store_true", help="into docs/results/pretrained_model.md")
    arguments = parser.parse_args()
    bench, page = Bench(arguments.pairs), RESULTS / "pretrained_model.md" if arguments.write else None
    expected: list[str] | None = None
    for name, answer in bench.ways.items():
        if name != "pipeline" and arguments.ways and name.split(",")[0] not in arguments.ways:
            continue
        start = time.process_time()
        texts = answer()
        seconds = (time.process_time() - start) / len(texts)
        expected = expected or texts
        equal = sum(text == known for text, known in zip(texts, expected, strict=True))
        right = sum(is_right(pair, text) for text, pair in zip(texts, bench.pairs, strict=True))
        row = [name, f"{len(texts)}", f"{equal}", f"{right / len(texts):.1%}", f"{seconds:.3f}"]
        report(TITLES, row, "cpu", page, "answers")


if __name__ == "__main__":
    main()

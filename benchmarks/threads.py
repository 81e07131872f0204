"""How many threads a small model gains from: training on one against two, quiet and beside other work.

    python benchmarks/threads.py

Trains the embedded model (an adapter on cached features, as the train stage does) in processes of their
own, by turns, alone and beside as many processes as there are cores that multiply matrices with all
threads. Prints pairs a second and the ratio that src/vqa/core/devices.py chooses by.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

ROUNDS, STEPS = 3, 100  # the fastest round counts

BUSY = """
import torch
while True:
    torch.randn(600, 600) @ torch.randn(600, 600)
"""


def trained_pairs_per_second(threads: int) -> float:
    """In this process, which must not have used torch's threads yet."""
    import torch

    from vqa.settings import load_settings
    from vqa.vlm import lora
    from vqa.vlm.blip2 import Blip2AnswerModel
    from vqa.vlm.loading import Pretrained

    settings = load_settings(ROOT / "params.yaml")
    cpu = torch.device("cpu")
    pretrained = Pretrained(str(ROOT / settings.model.name))
    model = pretrained.load_answer_model(settings.model.prompt, cpu, "qformer").train()
    lora.add_adapter(model, settings.lora, "bench")
    torch.set_num_threads(threads)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-4)
    size = settings.train.batch_size
    texts = model.training_batch(["What color is the lamp?"] * size, ["dark-blue"] * size)
    assert isinstance(model, Blip2AnswerModel)
    features = torch.randn(size, model.num_query_tokens, model.feature_size)
    start = 0.0
    for step in range(STEPS + 10):
        if step == 10:  # the first ones warm up
            start = time.perf_counter()
        model(**texts, features=features)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    return STEPS * size / (time.perf_counter() - start)


@contextmanager
def other_work() -> Iterator[None]:
    workers = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def fastest(threads: tuple[int, ...]) -> dict[int, float]:
    """Pairs a second by number of threads, taken in turn."""
    found = dict.fromkeys(threads, 0.0)
    for _ in range(ROUNDS):
        for count in threads:
            command = [sys.executable, __file__, "--threads", str(count)]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found[count] = max(found[count], float(printed))
    return found


def main() -> None:
    if "--threads" in sys.argv:
        print(trained_pairs_per_second(int(sys.argv[-1])))
        return
    threads = (1, max(2, os.cpu_count() or 2))
    print("| | 1 thread | all threads | 1 : all |\n|---|---|---|---|")
    for label, attached in (("quiet", nullcontext()), ("beside other work", other_work())):
        with attached:
            one, every = fastest(threads).values()
        print(f"| {label} | {one:.1f} pairs/s | {every:.1f} | {one / every:.2f} |", flush=True)


if __name__ == "__main__":
    main()

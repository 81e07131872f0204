"""Read a ledger of 100,000 and of 400,000 answers, each in a process of its own.

    python benchmarks/ledger.py

Prints the seconds of CPU time until it is open, until every answer was looked up, and until DVC's copy is
written; with the peak memory of the whole process. An entry holds five pairs, 900 bytes.
"""

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from vqa.annotators.ledger import Entry, Ledger

SIZES = (100_000, 400_000)
_PAIR = {"question": "What color is the armrest?", "answer": "brown", "type": "color", "difficulty": "easy"}


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def write(path: Path, size: int) -> None:
    """A ledger as `size` answers leave it."""
    text = json.dumps([_PAIR] * 5)
    with path.open("w") as file:
        for number in range(size):
            image, model = f"{number:08x}.jpg", "gemini-3.1-flash-lite"
            entry = Entry(
                key(number), image, "answered", text, "STOP", model, model, 600, 200, 0.00045, 1.2, 1, "2026"
            )
            file.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")


def measure(folder: Path, size: int) -> None:
    imports = peak()
    start = time.process_time()
    ledger = Ledger(folder / "ledger.jsonl", folder / "copy.jsonl")
    assert len(ledger) == size
    opened, peak_opened = time.process_time() - start, peak()
    start = time.process_time()
    assert all(ledger.get(key(number)) for number in range(size))
    looked_up = time.process_time() - start
    start = time.process_time()
    ledger.write_copy(key(number) for number in range(size))
    written = time.process_time() - start
    size_mb = (folder / "ledger.jsonl").stat().st_size / 1e6
    print(f"{size:,} answers, {size_mb:.0f} MB: open {opened:.1f} s, peak {peak_opened:.0f} MB ", end="")
    print(f"({imports:.0f} of them imports); all looked up {looked_up:.1f} s; ", end="")
    print(f"copy written {written:.1f} s, peak {peak():.0f} MB", flush=True)


def peak() -> float:
    """MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "ledger.jsonl", size)
            for _ in ("without a copy", "with the copy that the first wrote"):
                subprocess.run([sys.executable, __file__, folder, str(size)], check=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        measure(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()

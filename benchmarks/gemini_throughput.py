"""Ask 1,000 requests at concurrency 32 of a local server that takes 200 ms for each.

    python benchmarks/gemini_throughput.py [google-genai|google-generativeai]

Prints the time against the ideal 1,000 / 32 × 0.2 s (and 0.2 s for the first, which goes alone), the client's
CPU time and its peak memory. The server is a process of its own (tests/helpers/gemini_server.py); every
answer goes through the fsynced ledger.
"""

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("src", "models/recipes", "tests/helpers")]

from vqa.annotators.gemini import build_client
from vqa.annotators.ledger import Ledger
from vqa.annotators.paid_requests import ask_missing
from vqa.annotators.scheduler import Request
from vqa.settings import load_settings
from vqa.synthetic.catalogue import draw_items, write_catalogue

REQUESTS, CONCURRENCY, LATENCY, PORT = 1000, 32, 0.2, 18765


def main() -> None:
    sdk: Any = sys.argv[1] if len(sys.argv) > 1 else "google-genai"
    settings = replace(
        load_settings(ROOT / "params.yaml").generate,
        sdk=sdk,
        thinking=None,  # which the old package cannot send
        media_resolution=None,
        api_endpoint=f"http://127.0.0.1:{PORT}",
        concurrency=CONCURRENCY,
        requests_per_minute=1e6,
        tokens_per_minute=1e9,
    )
    server = [
        sys.executable,
        str(ROOT / "tests/helpers/gemini_server.py"),
        str(PORT),
        "--latency",
        str(LATENCY),
    ]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(server) as process:
        write_catalogue(Path(folder), draw_items(50, seed=0), seed=0)
        images = sorted((Path(folder) / "images/small").glob("*/*"))
        requests = [
            Request(str(i), images[i % 50].name, images[i % 50], "Ask about this.") for i in range(REQUESTS)
        ]
        client = build_client(settings, "no-key-needed-here")
        time.sleep(1.0)  # the server starts
        used = resource.getrusage(resource.RUSAGE_SELF)
        start = time.perf_counter()
        ask_missing(requests, Ledger(Path(folder) / "ledger.jsonl"), client.send, settings)
        wall = time.perf_counter() - start
        process.kill()
    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    ideal = (REQUESTS / CONCURRENCY + 1) * LATENCY
    print(f"{sdk}: {wall:.2f} s, ideal {ideal:.2f} s, ratio {wall / ideal:.3f}")
    peak, imports = now.ru_maxrss / 1024, used.ru_maxrss / 1024
    print(f"client CPU {cpu:.2f} s, peak memory {peak:.0f} MB (of which {imports:.0f} imports)")


if __name__ == "__main__":
    main()

"""What was paid for outlives DVC's checkouts and kills: in clones, with real dvc and a local Gemini."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clone import Clone, git
from gemini_server import GeminiServer, Response, well

IMAGES = 24
CONCURRENCY = 2
COPY = "data/ledger/ledger.jsonl"


class Shop(GeminiServer):
    """Sells `stock` answers, counted by image and prompt; then holds requests until it is refilled."""

    def __init__(self) -> None:
        super().__init__(self._sell)
        self.sold: Counter[str] = Counter()
        self._stock, self._open, self._asked = 0, threading.Event(), threading.Condition()
        self.refill()

    def refill(self, stock: int = 10**6) -> None:
        with self._asked:
            self._stock = stock
        self._open.set()
        self._open = threading.Event()

    @property
    def bought_twice(self) -> int:
        return sum(count - 1 for count in self.sold.values())

    def _sell(self, number: int, body: dict[str, Any]) -> Response:
        with self._asked:
            if self._stock > 0:
                self._stock -= 1
                self.sold[hashlib.sha256(str(body["contents"]).encode()).hexdigest()] += 1
                return well(number, body)
            opens = self._open
        opens.wait(60)
        return Response(resets=True)


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    with shop:
        yield shop
        shop.refill()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the catalogue is drawn and nothing was asked; copy it, never change it."""
    clone = Clone(tmp_path_factory.mktemp("drawn"))
    clone.change("demo.images", IMAGES)
    clone.change("generate.images", IMAGES)
    clone.change("generate.annotator", "gemini")
    clone.change("generate.concurrency", CONCURRENCY)
    clone.change("generate.requests_per_minute", 1e6)
    clone.change("generate.tokens_per_minute", 1e9)
    clone.dvc("repro", "demo")
    git(clone.folder, "add", "-A")
    clone.commit("drawn")
    return clone


@pytest.fixture
def customer(drawn: Clone, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A copy of that clone which buys at the shop."""
    monkeypatch.setenv("GOOGLE_API_KEY", "K-very-secret")
    clone = Clone.copy(drawn, tmp_path / "customer")
    clone.change("generate.api_endpoint", shop.url)
    clone.commit("shop")
    return clone


def arrived(shop: Shop, count: int) -> bool:
    return len(shop.received) >= count


def answers(clone: Clone) -> int:
    ledger = clone.folder / ".state/ledger/ledger.jsonl"
    return ledger.read_bytes().count(b"\n") if ledger.exists() else 0


def started(clone: Clone, *command: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.Popen(
        command,
        cwd=clone.folder,
        env={**os.environ, "PATH": path},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 120  # seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def killed_when(happened: Callable[[], bool], clone: Clone, *command: str) -> None:
    """Run a command and SIGKILL it with all its children as soon as this happened, or it ended."""
    process = started(clone, *command)
    try:
        wait_until(lambda: happened() or process.poll() is not None)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def killed_after(shop: Shop, clone: Clone, count: int, *command: str) -> None:
    """Run a command and kill it once it has bought and written `count` answers.

    It has when as many more requests wait as it sends at once: each follows an answer that was written.
    """
    enough = len(shop.received) + count + CONCURRENCY
    shop.refill(count)
    killed_when(partial(arrived, shop, enough), clone, *command)
    shop.refill()


def test_a_preview_and_what_killed_experiments_bought_outlive_checkouts(customer: Clone, shop: Shop) -> None:
    assert customer.run("python", "src/generate.py", "--preview", "4").returncode == 0
    killed_after(shop, customer, 5, "dvc", "exp", "run", "generate")
    killed_after(shop, customer, 5, "dvc", "exp", "run", "--temp", "generate")
    customer.dvc("checkout", "--force", "--allow-missing")
    customer.dvc("exp", "run", "generate")
    assert (shop.sold.total(), shop.bought_twice) == (IMAGES, 0)
    assert (customer.folder / COPY).read_bytes().count(b"\n") == IMAGES


def test_ten_kills_at_any_moment_lose_nothing_that_was_written(customer: Clone, shop: Shop) -> None:
    rng = random.Random(0)
    for _ in range(10):
        written, enough = answers(customer), len(shop.received) + rng.randint(1, 2)
        killed_when(partial(arrived, shop, enough), customer, "dvc", "exp", "run", "generate")
        assert answers(customer) >= written
    customer.dvc("exp", "run", "generate")
    assert answers(customer) == len(shop.sold) == IMAGES
    assert shop.bought_twice <= 10 * CONCURRENCY  # what was on its way when the killer came
    assert (customer.folder / COPY).read_bytes().count(b"\n") == IMAGES


def test_an_experiment_in_the_queue_finds_what_was_bought_and_what_it_buys_is_found(
    customer: Clone, shop: Shop
) -> None:
    killed_after(shop, customer, 5, "python", "src/generate.py")
    customer.dvc("exp", "run", "--queue", "-S", "generate.images=12", "generate")
    customer.dvc("queue", "start")
    wait_until(lambda: shop.sold.total() == 12)
    wait_until(lambda: "Success" in customer.dvc("queue", "status"))
    customer.dvc("exp", "run", "generate")
    assert (shop.sold.total(), shop.bought_twice) == (IMAGES, 0)


def test_a_second_run_in_a_copy_of_the_project_asks_nothing_while_the_first_one_does(
    customer: Clone, shop: Shop
) -> None:
    shop.refill(3)
    first = started(customer, "python", "src/generate.py")
    wait_until(partial(arrived, shop, 3 + CONCURRENCY))
    second = customer.run("dvc", "exp", "run", "--temp", "generate")
    assert "another run is writing" in second.stderr
    assert len(shop.received) == 3 + CONCURRENCY
    shop.refill()
    assert first.wait() == 0
    assert (shop.sold.total(), shop.bought_twice) == (IMAGES, 0)


def test_jobs_under_way_are_collected_by_a_later_experiment_and_not_handed_over_again(
    customer: Clone, shop: Shop
) -> None:
    customer.change("generate.sdk", "google-genai")
    customer.change("generate.mode", "batch")
    customer.commit("in batches")
    handing_over = customer.run("dvc", "exp", "run", "generate")
    assert f"{IMAGES} requests are under way in 1 batch jobs" in handing_over.stderr
    customer.dvc("exp", "run", "--temp", "generate")
    assert (len(shop.jobs), shop.sold.total(), shop.bought_twice) == (1, IMAGES, 0)


def test_a_colleague_who_pulls_has_every_answer_that_the_branch_ever_had(
    customer: Clone, shop: Shop, tmp_path: Path
) -> None:
    customer.dvc("remote", "add", "-d", "disk", str(tmp_path / "disk"))
    assert customer.run("python", "src/generate.py").returncode == 0
    customer.change("generate.images", 12)
    customer.dvc("repro", "generate")
    git(customer.folder, "add", "-A")
    customer.commit("half of the images")
    customer.dvc("push")
    colleague = Clone.of(customer, tmp_path / "colleague")
    colleague.dvc("pull", "generate", "demo")
    colleague.dvc("exp", "run", "-S", f"generate.images={IMAGES}", "generate")
    assert (shop.sold.total(), answers(colleague)) == (IMAGES, IMAGES)


def test_a_run_by_hand_writes_nothing_into_dvc_s_cache(customer: Clone) -> None:
    customer.dvc("config", "cache.type", "hardlink")
    customer.change("generate.images", 12)
    customer.dvc("repro", "generate")
    customer.change("generate.images", IMAGES)
    by_hand = customer.run("python", "src/generate.py")
    assert by_hand.returncode == 0, by_hand.stderr
    for cached in (customer.folder / ".dvc/cache/files/md5").glob("*/*"):
        digest = hashlib.md5(cached.read_bytes()).hexdigest()
        assert digest == cached.parent.name + cached.name.removesuffix(".dir")

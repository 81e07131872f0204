import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from vqa.annotators.scheduler import Dispatcher, Limits, Progress, Request, Response, TryAgain

LIMITS = Limits(8, 6e6, 6e9, 2, None, 1.0, 0.001, 100)
RESPONSE = Response("answered", "[]", "STOP", "m", 1, 1)
REQUESTS = [Request(str(number), f"{number}.jpg", Path(f"{number}.jpg"), "Ask.") for number in range(12)]


def recorded(request: Request, response: Response, seconds: float, attempts: int) -> float:
    return 0.001


def lost(request: Request, reason: TryAgain, attempts: int) -> float:
    return 0.01


def full_disk(*_: object) -> float:
    raise OSError("No space left on device")


def ask(
    send: object, record: object = recorded, retry_later: object = lost, limits: Limits = LIMITS
) -> Progress:
    return Dispatcher(send, record, retry_later, limits).ask(REQUESTS)  # type: ignore[arg-type]  # each test's own


def test_the_first_request_goes_alone_and_the_others_together() -> None:
    under_way, most, lock = 0, [0], threading.Lock()
    others = threading.Barrier(8, timeout=30)

    def send(request: Request) -> Response:
        nonlocal under_way
        with lock:
            under_way += 1
            most.append(under_way)
        if 0 < int(request.key) <= 8:
            others.wait()
        with lock:
            under_way -= 1
        return RESPONSE

    assert ask(send).recorded == 12
    assert most[1:3] == [1, 1]  # the second began after the first had ended
    assert max(most) == 8


def test_what_cannot_be_written_down_ends_the_run_instead_of_hanging_it() -> None:
    def fail(request: Request) -> Response:
        raise TryAgain("time-out", wait=0, may_be_paid=True)

    with pytest.raises(OSError, match="No space left"):
        ask(lambda request: RESPONSE, record=full_disk)
    with pytest.raises(OSError, match="No space left"):
        ask(fail, retry_later=full_disk)


def test_lost_answers_count_against_the_budget() -> None:
    def fail(request: Request) -> Response:
        raise TryAgain("time-out", wait=0, may_be_paid=True)

    progress = ask(fail, limits=replace(LIMITS, max_usd=0.045))
    assert progress.stopped_by == "generate.max_cost_usd"
    assert progress.usd == pytest.approx(0.05)  # each counted 0.01, though 0.001 was thought the most
    assert progress.recorded == 0


def test_a_request_that_fails_every_time_is_left_with_its_last_reason() -> None:
    sent = Counter[str]()

    def send(request: Request) -> Response:
        sent[request.key] += 1
        if request.key == "3":
            raise TryAgain("500 internal", wait=0)
        return RESPONSE

    progress = ask(send, retry_later=lambda *_: 0.0)
    assert progress.unanswered == {REQUESTS[3]: "500 internal"}
    assert progress.recorded == 11
    assert sent == {request.key: 1 for request in REQUESTS} | {"3": 2}


MANY = [Request(str(number), f"{number}.jpg", Path(f"{number}.jpg"), "Ask.") for number in range(500)]


def test_asking_ends_when_nothing_comes_back_any_more() -> None:
    attempts: list[str] = []

    def send(request: Request) -> Response:
        attempts.append(request.key)
        if len(attempts) <= 3:
            return RESPONSE
        raise TryAgain("ConnectError", wait=0)

    progress = Dispatcher(send, recorded, lost, LIMITS).ask(MANY)
    assert "none of the last 20 requests was answered (last: ConnectError)" in progress.outage
    assert (progress.recorded, len(attempts) < 400) == (3, True)


def test_images_that_the_service_fails_are_no_outage_once_it_has_answered() -> None:
    def send(request: Request) -> Response:
        if request.key == "0":
            return RESPONSE
        raise TryAgain("500 internal", wait=0, is_reached=True)

    progress = Dispatcher(send, recorded, lambda *_: 0.0, LIMITS).ask(MANY[:60])
    assert progress.outage == ""
    assert len(progress.unanswered) == 59

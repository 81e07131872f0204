"""Requests → responses, many at once, within limits of concurrency, rate and budget, for any vendor.

The first request goes alone: a wrong key, model or price shows before the second is sent. From then on
concurrency follows the service: halved when it says "too many", raised by one after as many successes
(additive increase, multiplicative decrease). A request to be retried later is never dropped. No library
combines a budget, adaptive concurrency and this.
"""

import heapq
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

_LONGEST_BACKOFF = 60.0  # seconds
_LONGEST_HOLD = 10.0  # seconds that all requests wait while nothing comes back
_IN_VAIN = 20  # so many failed requests in a row are an outage

# Outcomes that the code refers to; the service or an image's problem names all others.
ANSWERED = "answered"
REFUSED = "bad_request"  # this image or prompt, by the service
NOT_UNDERSTOOD = "not_understood"  # the response is not the service's
UNANSWERED = "unanswered"  # the service failed, in two runs


@dataclass(frozen=True)
class Request:
    """One image and what to ask of it."""

    key: str  # of the ledger
    image_name: str
    image_path: Path | None  # None: it is asked without the image
    prompt: str


@dataclass(frozen=True)
class Response:
    """A text, or the reason why there is none; both are final and may be paid for."""

    outcome: str  # "answered", or a reason such as "blocked_prompt"
    text: str  # the model's; the whole response where it has none
    finish_reason: str
    model: str
    prompt_tokens: int
    output_tokens: int
    notice: str = ""  # what the service says of the model, such as that it retires

    @property
    def is_from_service(self) -> bool:
        """Whether the service replied, in contrast to a problem of the image or a page of a proxy."""
        return self.prompt_tokens > 0 or self.outcome in (ANSWERED, REFUSED)


class TryAgain(Exception):  # noqa: N818  # an instruction more than an error
    """The service could not answer now.

    `is_throttled`: because of too many requests. `may_be_paid`: the request arrived, but its answer was lost;
    `text` is the part that came. `is_reached`: the service itself said so.
    """

    def __init__(
        self,
        reason: str,
        wait: float | None = None,
        is_throttled: bool = False,
        may_be_paid: bool = False,
        text: str = "",
        is_reached: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.wait, self.is_throttled = reason, wait, is_throttled
        self.may_be_paid, self.text, self.is_reached = may_be_paid, text, is_reached


@dataclass(frozen=True)
class Limits:
    concurrency: int
    requests_per_minute: float
    tokens_per_minute: float
    max_attempts: int
    max_requests: int | None
    max_usd: float  # that may still be spent
    usd_per_request: float  # the most one request can cost
    tokens_per_request: float


@dataclass
class Progress:
    """Counts so far."""

    recorded: int = 0
    responses: int = 0  # how many of these came from the service
    usd: float = 0.0
    unanswered: dict[Request, str] = field(default_factory=dict)  # with the last reason
    stopped_by: str | None = None  # the limit that ended asking
    is_reached: bool = False  # the service took a request, whatever became of it
    outage: str = ""  # why asking ended early: no responses any more


class Dispatcher:
    """Sends requests until all are recorded, a limit is reached, or an error stops it."""

    def __init__(
        self,
        send: Callable[[Request], Response],
        record: Callable[[Request, Response, float, int], float],
        retry_later: Callable[[Request, TryAgain, int], float],
        limits: Limits,
    ) -> None:
        """
        Args:
            send: asks once; raises TryAgain to be asked later, InputError to stop everything.
            record: `(request, response, seconds, attempts)` → USD paid; has the response on disk first.
            retry_later: `(request, reason, attempts)` → USD to count for an attempt without an answer.
        """
        self._send, self._record, self._count, self._limits = send, record, retry_later, limits
        self._state = threading.Condition()
        self._waiting: list[tuple[float, int, int, Request]] = []  # heap: not before, order, attempts
        self._in_flight = 0
        self._started = 0
        self._allowed = 1.0  # until the first response
        self._next_start = 0.0
        self._in_vain = set[Request]()  # failed since the last response; many at once count as one
        self._last_in_vain = 0.0  # when
        self._error: BaseException | None = None
        self.progress = Progress()

    def ask(self, requests: Sequence[Request]) -> Progress:
        """Settle `requests`.

        Raises:
            InputError: the service refuses in a way that no waiting mends (key, model, permission).
        """
        self._waiting = [(0.0, order, 0, request) for order, request in enumerate(requests)]
        # The pool starts threads as they are needed: as many as the rates times the service's pace. Leaving
        # it, also after Ctrl-C or an error, waits until what is under way is settled; nothing new is sent.
        with ThreadPoolExecutor(self._limits.concurrency) as pool:
            while taken := self._take():
                pool.submit(self._ask_once, *taken)
        if self._error:
            try:
                raise self._error
            finally:  # its traceback refers to this frame: a cycle that would keep our files open
                self._error = None
        return self.progress

    def _ask_once(self, order: int, attempts: int, request: Request) -> None:
        try:
            self._attempt(order, attempts + 1, request)
        except BaseException as error:
            self._error = self._error or error
            raise
        finally:
            with self._state:
                self._in_flight -= 1
                self._state.notify_all()

    def _attempt(self, order: int, attempts: int, request: Request) -> None:
        start = time.monotonic()
        try:
            response = self._send(request)
        except TryAgain as reason:
            usd = self._count(request, reason, attempts)
            self._retry_later(order, attempts, request, reason, usd, start)
            return
        usd = self._record(request, response, time.monotonic() - start, attempts)
        with self._state:
            most, is_first = float(self._limits.concurrency), not self.progress.recorded
            self._allowed = most if is_first else min(most, self._allowed + 1 / self._allowed)
            self.progress.recorded += 1
            self.progress.usd += usd
            if response.is_from_service:
                self.progress.responses += 1
                self.progress.is_reached = True
                self._in_vain.clear()

    def _take(self) -> tuple[int, int, Request] | None:
        """The next request, once a slot and the rates allow it; None when there is nothing left to do."""
        with self._state:
            while True:
                nothing_left = not self._waiting and not self._in_flight
                if self._error or nothing_left or self.progress.outage or self._is_at_a_limit():
                    return None
                now = time.monotonic()
                ready = max(self._waiting[0][0], self._next_start) if self._waiting else None
                has_slot = self._in_flight < int(self._allowed) and self._can_pay()
                if ready is not None and has_slot and ready <= now:
                    _, order, attempts, request = heapq.heappop(self._waiting)
                    self._in_flight += 1
                    self._started += 1
                    self._next_start = max(self._next_start, now) + self._seconds_a_request()
                    return order, attempts, request
                self._state.wait(max(0.001, ready - now) if ready is not None and has_slot else None)

    def _retry_later(
        self, order: int, attempts: int, request: Request, reason: TryAgain, usd: float, start: float
    ) -> None:
        with self._state:
            self.progress.usd += usd
            backoff = min(_LONGEST_BACKOFF, 0.5 * 2**attempts) * random.uniform(0.5, 1.0)
            later = time.monotonic() + (backoff if reason.wait is None else reason.wait)
            if reason.is_throttled:  # halve what was used, which may be less than was allowed
                self._allowed = max(1.0, min(self._allowed, self._in_flight) / 2)
                self._next_start = max(self._next_start, later)
            self._note_in_vain(request, reason, start)
            if attempts < self._limits.max_attempts:
                if (
                    len(self._in_vain) > 1 or not self.progress.responses
                ):  # more than one request is affected: all wait
                    hold = min(_LONGEST_HOLD, 0.5 * 2 ** len(self._in_vain)) * random.uniform(0.5, 1.0)
                    wait = hold if reason.wait is None else reason.wait
                    self._next_start = max(self._next_start, time.monotonic() + wait)
                heapq.heappush(self._waiting, (later, order, attempts, request))
            else:
                self.progress.unanswered[request] = reason.reason

    def _note_in_vain(self, request: Request, reason: TryAgain, start: float) -> None:
        """Count a failure of a request that began after the last one counted; enough of them are an outage.

        Once the service has replied, only what does not reach it any more is: the rest may be of images.
        """
        is_reached = reason.is_reached or reason.may_be_paid
        self.progress.is_reached |= is_reached
        if start < self._last_in_vain:
            return
        self._in_vain.add(request)
        self._last_in_vain = time.monotonic()
        if len(self._in_vain) >= _IN_VAIN and not (is_reached and self.progress.responses):
            self.progress.unanswered |= dict.fromkeys(self._in_vain, reason.reason)
            self.progress.outage = (
                f"none of the last {_IN_VAIN} requests was answered (last: {reason.reason}): the network, a "
                "proxy or the service is down; what was answered is kept, run the same command again later"
            )

    def _can_pay(self) -> bool:
        """Whether one more request, at its most expensive, stays below the budget."""
        at_most = (self._in_flight + 1) * self._limits.usd_per_request
        return self.progress.usd + at_most <= self._limits.max_usd

    def _is_at_a_limit(self) -> bool:
        most = self._limits.max_requests
        if self._waiting and most is not None and self._started >= most:
            self.progress.stopped_by = "generate.max_requests"
        elif self._waiting and not self._in_flight and not self._can_pay():
            self.progress.stopped_by = "generate.max_cost_usd"
        return self.progress.stopped_by is not None

    def _seconds_a_request(self) -> float:
        return max(
            60 / self._limits.requests_per_minute,
            60 * self._limits.tokens_per_request / self._limits.tokens_per_minute,
        )

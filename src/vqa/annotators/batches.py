"""Batch mode: requests handed over in jobs now, their answers collected by a later run at half the price.

A job is written down before it is submitted and again with its name, so that neither a crash nor a lost
connection submits it twice.
"""

import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from vqa.asking import UNANSWERED, Limits, Reply, Request
from vqa.images import ImageError
from vqa.ledger import Job, Jobs

MOST_REQUESTS = 2000  # a job
MOST_BYTES = 200_000_000  # of a job's file, pictures inside: a tenth of what the service takes

Settle = Callable[[str, str, str, Reply], None]  # key, image name, model, reply


class BatchClient(Protocol):
    def line(self, request: Request, /) -> bytes: ...
    def submit(self, lines: bytes, label: str, /) -> str: ...
    def job_labelled(self, label: str, /) -> str | None: ...
    def collect(self, name: str, /) -> dict[str, Reply] | None: ...


def collect_finished(jobs: Jobs, client: BatchClient, settle: Settle) -> None:
    """Settle (key, image name, model, reply) of every finished job, also what is not asked for any more.

    It is paid for. A failed job's requests become missing again; one that a job left out is `unanswered`.
    """
    for job in jobs.open():
        name = job.name or client.job_labelled(job.label)
        if name is None:  # we died before it was submitted
            jobs.record(replace(job, state="failed"))
            continue
        if job.name is None:
            jobs.record(replace(job, name=name, state="submitted"))
        replies = client.collect(name)
        if replies is None:
            continue
        if not replies:
            print(f"{name} failed: its {len(job.keys)} requests go out again", file=sys.stderr)
        image_names = dict(zip(job.keys, job.image_names, strict=False))
        for key in job.keys if replies else ():
            replies.setdefault(key, Reply(UNANSWERED, "", f"not in the result of {name}", job.model, 0, 0))
        for key, reply in replies.items():
            settle(key, image_names.get(key, ""), job.model, reply)
        jobs.record(replace(job, name=name, state="collected" if replies else "failed"))


def submit_missing(
    jobs: Jobs,
    missing: Sequence[Request],
    client: BatchClient,
    settle: Settle,
    limits: Limits,
    model: str,
) -> int:
    """Submit what is not under way, within the budget; returns how many were left out.

    A picture that cannot be decoded is settled with its reason, unpaid.
    """
    under_way = {key for job in jobs.open() for key in job.keys}
    missing = [request for request in missing if request.key not in under_way]
    affordable = len(missing)
    if limits.usd_per_request:
        affordable = int(limits.max_usd / limits.usd_per_request) - len(under_way)
    if limits.max_requests is not None:
        affordable = min(affordable, limits.max_requests)
    chosen = missing[: max(0, affordable)]
    for requests, lines in _files(chosen, client, lambda r, reply: settle(r.key, r.image_name, model, reply)):
        keys, names = tuple(r.key for r in requests), tuple(r.image_name for r in requests)
        job = Job(f"abo-vqa-{uuid.uuid4().hex}", keys, None, "submitting", names, model)
        jobs.record(job)
        jobs.record(replace(job, name=client.submit(lines, job.label), state="submitted"))
    return len(missing) - len(chosen)


def _files(
    requests: Sequence[Request], client: BatchClient, refuse: Callable[[Request, Reply], None]
) -> Iterator[tuple[list[Request], bytes]]:
    """Jobs that are neither too many requests nor too many bytes, one at a time in memory."""
    held: list[Request] = []
    lines = bytearray()
    for request in requests:
        try:
            line = client.line(request)
        except ImageError as error:
            refuse(request, Reply(error.reason, "", error.detail, "", 0, 0))
            continue
        if held and (len(held) >= MOST_REQUESTS or len(lines) + len(line) > MOST_BYTES):
            yield held, bytes(lines)
            held, lines = [], bytearray()
        held.append(request)
        lines += line
    if held:
        yield held, bytes(lines)

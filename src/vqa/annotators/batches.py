"""Batch mode: requests handed over in jobs now, their answers collected by a later run at half the price.

A job is written down before it is submitted and again with its name, so that neither a crash nor a lost
connection submits it twice.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from vqa.asking import Limits, Reply, Request
from vqa.ledger import Job, Jobs, Ledger

MOST_REQUESTS = 2000  # a job; keeps its file below the service's limit with pictures inside


class BatchClient(Protocol):
    def submit(self, requests: Sequence[Request], label: str, /) -> str: ...
    def job_labelled(self, label: str, /) -> str | None: ...
    def collect(self, name: str, /) -> dict[str, Reply] | None: ...


def collect_finished(jobs: Jobs, client: BatchClient, settle: Callable[[str, str, str, Reply], None]) -> None:
    """Settle (key, image name, model, reply) of every finished job, also what is not asked for any more.

    It is paid for. A failed job's requests become missing again, and so do single ones that may yet pass.
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
        image_names = dict(zip(job.keys, job.image_names, strict=False))
        for key, reply in replies.items():
            settle(key, image_names.get(key, ""), job.model, reply)
        jobs.record(replace(job, name=name, state="collected" if replies else "failed"))


def submit_missing(
    jobs: Jobs,
    requests: Sequence[Request],
    ledger: Ledger,
    client: BatchClient,
    limits: Limits,
    model: str,
) -> int:
    """Submit what is neither settled nor under way, within the budget; returns how many were left out.

    The budget is that of all runs together: each answer takes two, one to submit and one to collect.
    """
    under_way = {key for job in jobs.open() for key in job.keys}
    by_key = {r.key: r for r in requests if ledger.get(r.key) is None and r.key not in under_way}
    missing = list(by_key.values())
    affordable = len(missing)
    if limits.usd_per_request:
        settled = {r.key: entry.usd for r in requests if (entry := ledger.get(r.key))}
        left = limits.max_usd - sum(settled.values())
        affordable = int(left / limits.usd_per_request) - len(under_way)
    if limits.max_requests is not None:
        affordable = min(affordable, limits.max_requests)
    chosen = missing[: max(0, affordable)]
    for start in range(0, len(chosen), MOST_REQUESTS):
        chunk = chosen[start : start + MOST_REQUESTS]
        keys, names = tuple(r.key for r in chunk), tuple(r.image_name for r in chunk)
        job = Job(f"abo-vqa-{uuid.uuid4().hex}", keys, None, "submitting", names, model)
        jobs.record(job)
        jobs.record(replace(job, name=client.submit(chunk, job.label), state="submitted"))
    return len(missing) - len(chosen)

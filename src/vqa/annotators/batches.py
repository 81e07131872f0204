"""Batch mode: requests are submitted in jobs, and a later run collects their answers at half the price.

A job is written down before it is submitted and again with its name, so that neither a crash nor a lost
connection submits it twice. Its result is kept before it is read, and trusted only where it accounts for
every request: a proxy's page or half a file must not make us buy them again.
"""

import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from vqa.annotators.ledger import Job, Jobs
from vqa.annotators.scheduler import UNANSWERED, Limits, Request, Response, TryAgain
from vqa.catalogue.images import ImageError
from vqa.core.errors import InputError

MOST_REQUESTS = 2000  # a job
MOST_BYTES = 200_000_000  # of a job's file, images inside: a tenth of what the service takes

_FAILURES = 3  # so many jobs in a row that cannot be read: the service is down

Settle = Callable[[str, str, str, Response], None]  # key, image name, model, response


@dataclass(frozen=True)
class Result:
    """The result of a job that has ended."""

    content: bytes | None  # its file; None: it failed as a whole
    is_partial: bool = False  # it was cancelled or the like, so some requests have no answer
    reason: str = ""  # of a failure


class Uncollectable(Exception):  # noqa: N818  # of one job; others go on
    """The service does not return a job: it is too old, or another project's."""


class BatchClient(Protocol):
    def line(self, request: Request, /) -> bytes: ...
    def submit(self, lines: bytes, label: str, /) -> str: ...
    def job_labelled(self, label: str, /) -> str | None: ...
    def result(self, name: str, /) -> Result | None: ...
    def cancel(self, name: str, /) -> None: ...
    def read_responses(self, content: bytes, name: str, /) -> tuple[dict[str, Response], bool]: ...


def collect_finished(
    jobs: Jobs, client: BatchClient, record: Settle, hours: float, now: datetime | None = None
) -> dict[str, str]:
    """Record the responses of every finished job, also those no longer asked for: they are paid for.

    A failed job's requests become missing again; a request that a job left out is `unanswered`. A job that is
    not over after `hours` is cancelled, and nothing of it is bought again before the service says that it has
    ended. Returns why jobs could not be collected, by label; these stay open.
    """
    problems: dict[str, str] = {}
    failures = 0
    for job in jobs.open():
        try:
            problem = _collect(job, jobs, client, record) or _cancel_late(
                job, jobs, client, record, hours, now
            )
            failures = 0
        except TryAgain as error:
            failures += 1
            problem = (
                f"Gemini's batch service could not be reached ({error.reason}); run the same command again"
            )
        if problem:
            problems[job.label] = problem
        if failures == _FAILURES:
            break
    return problems


def give_up(jobs: Jobs, name: str) -> str:
    """Close a job whose answers will not come; returns a sentence about it.

    Raises:
        InputError: no open job has this name or label.
    """
    open_jobs = [job for job in jobs.open() if name in (job.name, job.label)]
    if not open_jobs:
        names = ", ".join(job.name or job.label for job in jobs.open()) or "none"
        raise InputError(f"no batch job named {name} is open; open are: {names}")
    for job in open_jobs:
        jobs.record(replace(job, state="cancelled" if job.state == "cancelling" else "failed"))
    count = sum(len(job.keys) for job in open_jobs)
    return f"{name} is given up: the next run asks its {count} requests again where it needs them"


def _collect(job: Job, jobs: Jobs, client: BatchClient, record: Settle) -> str:
    """Record the responses of one job if it is over. Returns why that failed, or ""."""
    name = job.name or _found_name(job, jobs, client)
    if name is None:  # our process died before it was submitted
        jobs.record(replace(job, state="failed"))
        return ""
    if job.name is None:
        job = replace(job, name=name, state="submitted")
        jobs.record(job)
    try:
        result = client.result(name)
    except Uncollectable as error:
        since = f", handed over on {job.time[:10]}," if job.time else ""
        return (
            f"{name}{since} cannot be collected ({error}): a job belongs to the project of the key "
            "that handed it over, and is not kept for ever; set that key, or give the job up with "
            f"python src/generate.py --forget {name}, so that its {len(job.keys)} requests are asked again"
        )
    if result is None:
        return ""
    if result.content is None and job.state == "cancelling":
        return _settle_answered(job, jobs, {}, record)
    if result.content is None:
        _note_failure(job, jobs, result.reason)
        return ""
    return _record_all(job, jobs, result, client, record)


def _record_all(job: Job, jobs: Jobs, result: Result, client: BatchClient, record: Settle) -> str:
    """As `_collect`, of a job that has a result."""
    name, content = str(job.name), result.content or b""
    is_as_before = jobs.keep_result(job, content)
    responses, is_torn = client.read_responses(content, name)
    answered = len(responses.keys() & set(job.keys))
    is_complete = not is_torn and (answered == len(job.keys) or bool(answered and result.is_partial))
    if not is_complete and not (is_as_before and (answered or (result.is_partial and not content.strip()))):
        return (
            f"the result of {name} ({jobs.result_path(job)}) answers {answered} of its {len(job.keys)} "
            "requests, so it may be cut short or not the service's; nothing is bought again, run the same "
            f"command again later, or give the job up with python src/generate.py --forget {name}"
        )
    if job.state == "cancelling":
        return _settle_answered(job, jobs, responses, record)
    if answered < len(job.keys):
        left_out = len(job.keys) - answered
        print(
            f"{name} left {left_out} of {len(job.keys)} requests out: they are asked again", file=sys.stderr
        )
    image_names = dict(zip(job.keys, job.image_names, strict=False))
    for key in job.keys:
        responses.setdefault(key, Response(UNANSWERED, "", f"not in the result of {name}", job.model, 0, 0))
    for key, response in responses.items():
        record(key, image_names.get(key, ""), job.model, response)
    jobs.record(replace(job, state="collected"))
    if is_complete:
        jobs.result_path(job).unlink(missing_ok=True)
    return ""


def _cancel_late(
    job: Job, jobs: Jobs, client: BatchClient, record: Settle, hours: float, now: datetime | None
) -> str:
    """Cancel a job that is not over after `hours`. Returns why it still holds its requests, or nothing."""
    job = next(
        (one for one in jobs.open() if one.label == job.label), job
    )  # its name may just have been found
    waited = (now or datetime.now(UTC)) - datetime.fromisoformat(job.time) if job.time else timedelta()
    if not job.is_open or job.name is None or waited < timedelta(hours=hours):
        return ""
    if job.state != "cancelling":
        try:
            client.cancel(job.name)
        except Uncollectable as error:
            return (
                f"{job.name} is not over after {hours:g} h and cannot be cancelled ({error}); run the same "
                f"command again, or give it up with python src/generate.py --forget {job.name}"
            )
        job = replace(job, state="cancelling")
        jobs.record(job)
        if problem := _collect(job, jobs, client, record):
            return problem
    if all(one.label != job.label for one in jobs.open()):
        return ""
    return (
        f"{job.name} is not over after {hours:g} h (generate.batch_hours) and was cancelled; run the same "
        "command again: once the service says that it has ended, what it answered is collected and the rest "
        f"goes by flex. python src/generate.py --forget {job.name} does not wait for that, though it may "
        "still be billed"
    )


def _settle_answered(job: Job, jobs: Jobs, responses: dict[str, Response], record: Settle) -> str:
    """Close a cancelled job: what it did answer is paid for, and the rest was never tried."""
    image_names = dict(zip(job.keys, job.image_names, strict=False))
    answered = {key: response for key, response in responses.items() if response.outcome != UNANSWERED}
    for key, response in answered.items():
        record(key, image_names.get(key, ""), job.model, response)
    jobs.record(replace(job, state="cancelled"))
    left = len(set(job.keys) - answered.keys())
    print(f"{job.name} took too long and was cancelled: {left} of {len(job.keys)} requests go by flex")
    return ""


def _found_name(job: Job, jobs: Jobs, client: BatchClient) -> str | None:
    try:
        return client.job_labelled(job.label)
    except TryAgain as error:
        # `{}` is an empty listing, but a broken gateway also sends it: it counts when it comes twice.
        if error.text and jobs.keep_result(job, error.text.encode()):
            jobs.result_path(job).unlink()
            return None
        raise


def _note_failure(job: Job, jobs: Jobs, reason: str) -> None:
    because = f" ({reason})" if reason else ""
    print(f"{job.name} failed{because}: its {len(job.keys)} requests go out again", file=sys.stderr)
    jobs.record(replace(job, state="failed"))


def submit_missing(
    jobs: Jobs,
    missing: Sequence[Request],
    client: BatchClient,
    record: Settle,
    limits: Limits,
    model: str,
) -> int:
    """Submit the requests that no open job holds, within the budget; returns how many were left out.

    An image that cannot be decoded is recorded with its reason and costs nothing.
    """
    under_way = {key for job in jobs.open() for key in job.keys}
    missing = [request for request in missing if request.key not in under_way]
    affordable = len(missing)
    if limits.usd_per_request:
        affordable = int(limits.max_usd / limits.usd_per_request) - len(under_way)
    if limits.max_requests is not None:
        affordable = min(affordable, limits.max_requests)
    chosen = missing[: max(0, affordable)]
    for requests, lines in _files(
        chosen, client, lambda r, response: record(r.key, r.image_name, model, response)
    ):
        keys, names = tuple(r.key for r in requests), tuple(r.image_name for r in requests)
        job = Job(f"abo-vqa-{uuid.uuid4().hex}", keys, None, "submitting", names, model, _now())
        jobs.record(job)
        jobs.record(replace(job, name=client.submit(lines, job.label), state="submitted"))
    return len(missing) - len(chosen)


def _files(
    requests: Sequence[Request], client: BatchClient, refuse: Callable[[Request, Response], None]
) -> Iterator[tuple[list[Request], bytes]]:
    """The requests and file of each job, within the limits of requests and bytes, one job at a time."""
    held: list[Request] = []
    lines = bytearray()
    for request in requests:
        try:
            line = client.line(request)
        except ImageError as error:
            refuse(request, Response(error.reason, "", error.detail, "", 0, 0))
            continue
        if held and (len(held) >= MOST_REQUESTS or len(lines) + len(line) > MOST_BYTES):
            yield held, bytes(lines)
            held, lines = [], bytearray()
        held.append(request)
        lines += line
    if held:
        yield held, bytes(lines)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

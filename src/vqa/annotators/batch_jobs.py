"""Batch mode: requests handed over in jobs now, their answers collected by a later run at half the price.

A job is written down before it is submitted and again with its name, so that neither a crash nor a lost
connection submits it twice. Its result is kept before it is read, and believed only where it accounts for
every request: a proxy's page or half a file must not buy them again.
"""

import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from vqa.annotators.dispatcher import UNANSWERED, Limits, Request, Response, TryAgain
from vqa.annotators.ledger import Job, Jobs
from vqa.catalogue.pictures import ImageError
from vqa.foundation.errors import InputError

MOST_REQUESTS = 2000  # a job
MOST_BYTES = 200_000_000  # of a job's file, pictures inside: a tenth of what the service takes

_FAILURES = 3  # so many jobs in a row that cannot be looked at: the service is down

Settle = Callable[[str, str, str, Response], None]  # key, image name, model, response


@dataclass(frozen=True)
class Result:
    """What a job that is over left behind."""

    content: bytes | None  # its file; None: it failed as a whole
    is_partial: bool = False  # it was cancelled or so: some requests have no answer
    reason: str = ""  # of a failure


class Uncollectable(Exception):  # noqa: N818  # of one job; others go on
    """The service does not give a job out: it is too old, or another project's."""


class BatchClient(Protocol):
    def line(self, request: Request, /) -> bytes: ...
    def submit(self, lines: bytes, label: str, /) -> str: ...
    def job_labelled(self, label: str, /) -> str | None: ...
    def result(self, name: str, /) -> Result | None: ...
    def responses_in(self, content: bytes, name: str, /) -> tuple[dict[str, Response], bool]: ...


def collect_finished(jobs: Jobs, client: BatchClient, settle: Settle) -> dict[str, str]:
    """Settle (key, image name, model, response) of every finished job, also what is not asked for any more.

    It is paid for. A failed job's requests become missing again; one that a job left out is `unanswered`.
    Returns why a job could not be collected, by label; it stays open.
    """
    problems: dict[str, str] = {}
    failures = 0
    for job in jobs.open():
        try:
            problem = _collect(job, jobs, client, settle)
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
    found = [job for job in jobs.open() if name in (job.name, job.label)]
    if not found:
        names = ", ".join(job.name or job.label for job in jobs.open()) or "none"
        raise InputError(f"no batch job named {name} is open; open are: {names}")
    for job in found:
        jobs.record(replace(job, state="failed"))
    count = sum(len(job.keys) for job in found)
    return f"{name} is given up: the next run asks its {count} requests again where it needs them"


def _collect(job: Job, jobs: Jobs, client: BatchClient, settle: Settle) -> str:
    """Settle one job if it is over. Returns why that could not be, or nothing."""
    name = job.name or _found_name(job, jobs, client)
    if name is None:  # we died before it was submitted
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
    if result.content is None:
        _note_failure(job, jobs, result.reason)
        return ""
    return _settle_all(job, jobs, result, client, settle)


def _settle_all(job: Job, jobs: Jobs, result: Result, client: BatchClient, settle: Settle) -> str:
    """As `_collect`, of a job that has a result."""
    name, content = str(job.name), result.content or b""
    is_as_before = jobs.keep_result(job, content)
    responses, is_torn = client.responses_in(content, name)
    found = len(responses.keys() & set(job.keys))
    is_complete = not is_torn and (found == len(job.keys) or bool(found and result.is_partial))
    if not is_complete and not (is_as_before and (found or (result.is_partial and not content.strip()))):
        return (
            f"the result of {name} ({jobs.result_path(job)}) answers {found} of its {len(job.keys)} "
            "requests, so it may be cut short or not the service's; nothing is bought again, run the same "
            f"command again later, or give the job up with python src/generate.py --forget {name}"
        )
    if found < len(job.keys):
        left_out = len(job.keys) - found
        print(
            f"{name} left {left_out} of {len(job.keys)} requests out: they are asked again", file=sys.stderr
        )
    image_names = dict(zip(job.keys, job.image_names, strict=False))
    for key in job.keys:
        responses.setdefault(key, Response(UNANSWERED, "", f"not in the result of {name}", job.model, 0, 0))
    for key, response in responses.items():
        settle(key, image_names.get(key, ""), job.model, response)
    jobs.record(replace(job, state="collected"))
    if is_complete:
        jobs.result_path(job).unlink(missing_ok=True)
    return ""


def _found_name(job: Job, jobs: Jobs, client: BatchClient) -> str | None:
    try:
        return client.job_labelled(job.label)
    except TryAgain as error:
        # `{}` is an empty listing, but also what a broken gateway says: believed when it comes twice.
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
    for requests, lines in _files(
        chosen, client, lambda r, response: settle(r.key, r.image_name, model, response)
    ):
        keys, names = tuple(r.key for r in requests), tuple(r.image_name for r in requests)
        job = Job(f"abo-vqa-{uuid.uuid4().hex}", keys, None, "submitting", names, model, _now())
        jobs.record(job)
        jobs.record(replace(job, name=client.submit(lines, job.label), state="submitted"))
    return len(missing) - len(chosen)


def _files(
    requests: Sequence[Request], client: BatchClient, refuse: Callable[[Request, Response], None]
) -> Iterator[tuple[list[Request], bytes]]:
    """Jobs that are neither too many requests nor too many bytes, one at a time in memory."""
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

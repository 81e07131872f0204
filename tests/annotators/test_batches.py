"""Batch mode: google-genai against a local server that speaks uploads and batch jobs."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import generate
from gemini_faults import FAULTS
from gemini_server import GeminiServer, Response, answer, error, well
from vqa.annotators import batches
from vqa.annotators.ledger import Job, Jobs
from vqa.core.errors import InputError
from vqa.pairs.pair import read_pairs

STATE = Path(".state/ledger")
JOBS = STATE / "jobs.jsonl"
LEDGER = STATE / "ledger.jsonl"


@pytest.fixture
def hand_over(project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run the generate stage in batch mode against a server."""
    monkeypatch.setenv("GEMINI_API_KEY", "K-very-secret")

    def run(server: GeminiServer, root: Path | None = None, **changes: Any) -> None:
        gemini = {"annotator": "gemini", "sdk": "google-genai", "mode": "batch", "images": 10}
        data = {"root": str(root)} if root else {}
        project(data=data, generate={**gemini, "api_endpoint": server.url, **changes})
        generate.run()

    return run


def outcomes() -> dict[str, int]:
    read: dict[str, int] = json.loads(Path("metrics/generate.json").read_text())["outcomes"]
    return read


def test_jobs_are_handed_over_once_and_collected_by_a_later_run(
    hand_over: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_REQUESTS", 4)
    with GeminiServer() as server:
        server.looks_until_done = 1
        for _ in range(2):  # handed over, then still running
            with pytest.raises(InputError, match="10 requests are under way in 3 batch jobs"):
                hand_over(server)
        assert not generate.GENERATED.exists()
        hand_over(server)
        assert [len(job.requests) for job in server.jobs.values()] == [4, 4, 2]
    pairs = read_pairs(generate.GENERATED)
    assert len(pairs) == 20
    assert outcomes() == {"answered": 10}
    request = next(iter(server.jobs.values())).requests[0]["request"]
    assert request["contents"][0]["parts"][0]["inlineData"]["mimeType"] == "image/jpeg"
    assert "K-very-secret" not in generate.LEDGER.read_text() + JOBS.read_text()


def test_batch_answers_equal_online_answers(hand_over: Callable[..., None]) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        hand_over(server)
        handed_over = generate.GENERATED.read_bytes()
        generate.LEDGER.unlink()
        shutil.rmtree(STATE)
        hand_over(server, mode="online", requests_per_minute=1e6, tokens_per_minute=1e9)
    assert generate.GENERATED.read_bytes() == handed_over


def test_a_job_that_was_submitted_but_not_written_down_is_found_by_its_label(
    hand_over: Callable[..., None],
) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        lines = JOBS.read_text().splitlines()
        JOBS.write_text(lines[0] + "\n" + lines[1][:30])  # we died while writing the job's name
        hand_over(server)
        assert len(server.jobs) == 1
    assert outcomes() == {"answered": 10}


def test_requests_of_a_failed_or_never_submitted_job_are_submitted_again(
    hand_over: Callable[..., None],
) -> None:
    with GeminiServer() as server:
        server.final_state, server.has_output = "BATCH_STATE_FAILED", False
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        with pytest.raises(InputError, match="under way"):  # the first failed, its requests go out again
            hand_over(server)
        Jobs(JOBS).record(Job("never-sent", ("x",), None, "submitting"))
        server.final_state, server.has_output = "BATCH_STATE_SUCCEEDED", True
        hand_over(server)
        assert len(server.jobs) == 2
    assert outcomes() == {"answered": 10}


def test_one_refused_request_of_a_batch_is_a_reason(hand_over: Callable[..., None]) -> None:
    def picky(number: int, body: dict[str, Any]) -> Response:
        return error(400, "Unable to process input image") if number == 3 else well(number, body)

    with GeminiServer(picky) as server:
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        hand_over(server)
    assert outcomes() == {"answered": 9, "bad_request": 1}


def test_the_budget_holds_in_batch_mode_too(
    hand_over: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="3 requests are under way"):
            hand_over(server, max_requests=3)
        assert "7 images not submitted" in capsys.readouterr().out
        assert len(server.jobs["batches/0"].requests) == 3


def test_answers_are_kept_also_of_what_is_not_asked_for_any_more(hand_over: Callable[..., None]) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        hand_over(server, images=2)
        hand_over(server)
        assert len(server.jobs) == 1
    entries = [json.loads(line) for line in (STATE / "ledger.jsonl").read_text().splitlines()]
    assert len(entries) == 10
    assert all(entry["image_name"].endswith(".jpg") for entry in entries)


def test_nothing_is_asked_online_while_jobs_are_under_way(hand_over: Callable[..., None]) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        with pytest.raises(
            InputError, match=r"batch jobs are under way and paid for; set generate\.mode to batch"
        ):
            hand_over(server, mode="online")


def test_the_budget_is_that_of_all_runs_together(hand_over: Callable[..., None]) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="under way"):
            hand_over(server, max_cost_usd=0.008)
        bought = len(server.jobs["batches/0"].requests)
        assert 0 < bought < 10
        for _ in range(4):
            try:
                hand_over(server, max_cost_usd=0.008)
            except InputError as error:
                assert "under way" in str(error)
    spent = [json.loads(line)["usd"] for line in (STATE / "ledger.jsonl").read_text().splitlines()]
    assert sum(spent) <= 0.008
    assert spent[0] == pytest.approx((500 * 0.25 + 100 * 1.50) / 1e6 / 2)


def test_a_request_that_a_batch_could_not_serve_is_asked_again(hand_over: Callable[..., None]) -> None:
    def busy(number: int, body: dict[str, Any]) -> Response:
        return error(503, "overloaded") if number == 3 else well(number, body)

    with GeminiServer(busy) as server:
        for _ in range(2):
            with pytest.raises(InputError, match="under way"):
                hand_over(server)
        hand_over(server)
        assert [len(job.requests) for job in server.jobs.values()] == [10, 1]
    assert outcomes() == {"answered": 10}


def test_the_old_package_says_that_it_has_no_batch_mode(hand_over: Callable[..., None]) -> None:
    with (
        GeminiServer() as server,
        pytest.raises(
            InputError, match=r"cannot send generate\.mode \(is batch\); set generate\.sdk to google-genai"
        ),
    ):
        hand_over(server, sdk="google-generativeai", thinking=None, media_resolution=None)


@pytest.mark.parametrize("state", ["BATCH_STATE_PAUSED", "JOB_STATE_NEW", 12, None])
def test_an_unknown_state_is_under_way(hand_over: Callable[..., None], state: object) -> None:
    with GeminiServer() as server:
        server.looks_until_done, server.running_state = 1, state
        for _ in range(2):
            with pytest.raises(InputError, match="10 requests are under way"):
                hand_over(server)
        hand_over(server)
        assert len(server.jobs) == 1
    assert outcomes() == {"answered": 10}


@pytest.mark.parametrize("state", ["PARTIALLY_SUCCEEDED", "CANCELLED"])
def test_what_a_job_did_answer_is_collected_and_the_rest_is_asked_once_more(
    hand_over: Callable[..., None], state: str
) -> None:
    with GeminiServer() as server:
        server.final_state, server.left_out_of_results = f"BATCH_STATE_{state}", 2
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        with pytest.raises(InputError, match="2 requests are under way"):
            hand_over(server)
        server.left_out_of_results = 1
        hand_over(server)
        assert [len(job.requests) for job in server.jobs.values()] == [10, 2]
    assert outcomes() == {"answered": 9, "unanswered": 1}


def test_whatever_a_batch_brings_back_is_in_the_ledger_and_is_bought_once(
    hand_over: Callable[..., None],
) -> None:
    faults = list(FAULTS.values())

    def odd(number: int, body: dict[str, Any]) -> Response:
        return faults[number].response if number < len(faults) else well(number, body)

    with GeminiServer(odd) as server:
        with pytest.raises(InputError, match="30 requests are under way"):
            hand_over(server, images=30)
        hand_over(server, images=30)
        assert len(server.jobs) == 1
    good = ["answered"] * (30 - len(faults))
    assert outcomes() == Counter([*good, *(fault.outcome for fault in faults)])
    kept = [json.loads(line)["text"] for line in (STATE / "ledger.jsonl").read_text().splitlines()]
    assert len(kept) == 30
    assert all(any(fault.kept in text for text in kept) for fault in faults if fault.kept)


def test_a_job_is_split_by_the_bytes_of_its_file_too(
    hand_over: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="in 1 batch jobs"):
            hand_over(server)
        (file,) = server.files.values()
        monkeypatch.setattr(batches, "MOST_BYTES", len(file) // 2)
        with pytest.raises(InputError, match=r"in \d batch jobs"):
            hand_over(server, questions_per_image=4)  # other requests
        sizes = [len(content) for content in list(server.files.values())[1:]]
    assert len(sizes) >= 2
    assert max(sizes) <= len(file) // 2
    assert sum(sizes) > 0.9 * len(file)


def test_an_image_that_cannot_be_decoded_is_not_submitted(
    hand_over: Callable[..., None], catalogue: Path, tmp_path: Path
) -> None:
    root = tmp_path / "broken"
    shutil.copytree(catalogue, root)
    for image in sorted((root / "images/small").glob("*/*"))[:15]:
        image.write_bytes(image.read_bytes()[:100])
    with GeminiServer() as server:
        with pytest.raises(InputError, match="under way"):
            hand_over(server, root, images=30)
        assert len(server.jobs["batches/0"].requests) == 15
        hand_over(server, root, images=30)
    assert outcomes()["answered"] == 15
    assert sum(number for name, number in outcomes().items() if name.startswith("image_")) == 15


def test_another_model_stops_before_the_next_job(hand_over: Callable[..., None]) -> None:
    def rerouted(number: int, body: dict[str, Any]) -> Response:
        return answer("[]", model="gemini-3.8-flash")

    with GeminiServer(rerouted) as server:
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        for _ in range(2):
            with pytest.raises(InputError, match=r"gemini-3\.8-flash answers"):
                hand_over(server, images=20)
        assert len(server.jobs) == 1
    assert (STATE / "ledger.jsonl").read_text().count("\n") == 10


def test_a_job_whose_collecting_was_killed_is_collected_again_and_counted_once(
    hand_over: Callable[..., None],
) -> None:
    faults = {3: error(503, "overloaded"), 4: answer("withheld", finish="SAFETY"), 5: error(400, "unusable")}

    def odd(number: int, body: dict[str, Any]) -> Response:
        return faults.get(number) or well(number, body)

    with GeminiServer(odd) as server:
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        submitted = JOBS.read_bytes()
        with pytest.raises(InputError, match="1 requests are under way"):
            hand_over(server)
        once = LEDGER.read_text()
        JOBS.write_bytes(submitted)  # as if killed before the job was noted as collected
        with pytest.raises(InputError, match="1 requests are under way"):
            hand_over(server)
        assert LEDGER.read_text() == once


@pytest.mark.parametrize(
    "page", [b"<html>Log in</html>", b"", b"[]", b'{"error": {"code": 503, "message": "x"}}', b"{}"]
)
def test_a_result_that_names_no_request_buys_nothing_again(
    hand_over: Callable[..., None], page: bytes
) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        server.instead["download"] = Response(page)
        for _ in range(3):
            with pytest.raises(InputError, match=r"answers 0 of its 10 requests, .* nothing is bought again"):
                hand_over(server)
        assert [path.read_bytes() for path in (STATE / "results").iterdir()] == [page]
        server.instead.clear()
        hand_over(server)
        assert len(server.jobs) == 1
    assert outcomes() == {"answered": 10}
    assert not list((STATE / "results").iterdir())


def test_half_a_result_is_looked_at_again_before_its_rest_is_bought(hand_over: Callable[..., None]) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        whole = server.jobs["batches/0"].answers()
        server.instead["download"] = Response(whole[:1500])
        with pytest.raises(InputError, match=r"answers [1-9] of its 10 requests"):
            hand_over(server)
        server.instead.clear()
        hand_over(server)
        assert len(server.jobs) == 1
    assert outcomes() == {"answered": 10}


def test_a_result_that_comes_short_twice_alike_is_collected_and_its_rest_asked_again(
    hand_over: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        server.left_out_of_results = 2
        with pytest.raises(InputError, match="answers 8 of its 10 requests"):
            hand_over(server)
        with pytest.raises(InputError, match="2 requests are under way"):
            hand_over(server)
        assert "left 2 of 10 requests out: they are asked again" in capsys.readouterr().err
        assert [len(job.requests) for job in server.jobs.values()] == [10, 2]


@pytest.mark.parametrize("listing", [{"error": {"code": 503}}, {"jobs": []}, {"unreachable": ["eu"]}, []])
def test_a_listing_that_is_none_submits_nothing_again(
    hand_over: Callable[..., None], listing: object
) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        JOBS.write_text(JOBS.read_text().splitlines()[0] + "\n")  # we died before its name was written down
        server.instead["list"] = Response(listing)
        for _ in range(3):
            with pytest.raises(InputError, match="could not be reached"):
                hand_over(server)
        server.instead.clear()
        hand_over(server)
        assert len(server.jobs) == 1


def test_an_empty_listing_is_believed_when_it_comes_twice(hand_over: Callable[..., None]) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        JOBS.write_text(JOBS.read_text().splitlines()[0] + "\n")
        server.instead["list"] = Response({})
        with pytest.raises(InputError, match="an empty listing of batch jobs"):
            hand_over(server)
        assert len(server.jobs) == 1
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        assert len(server.jobs) == 2


@pytest.mark.parametrize("kind", ["look", "download"])
@pytest.mark.parametrize("status", [403, 404])
def test_a_job_that_is_given_out_no_more_is_named_and_can_be_given_up(
    hand_over: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    kind: str,
    status: int,
) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        server.instead[kind] = error(status, "no such job")
        sentence = (
            rf"batches/0, handed over on 2\d{{3}}-\d\d-\d\d, cannot be collected \({status} no such job"
        )
        with pytest.raises(InputError, match=sentence):
            hand_over(server)
        with pytest.raises(InputError, match=r"or give them up with --forget \(batches/0\)"):
            hand_over(server, mode="online")
        generate.run(forget="batches/0")
        assert "batches/0 is given up: the next run asks its 10 requests" in capsys.readouterr().out
        hand_over(server, mode="online", requests_per_minute=1e6, tokens_per_minute=1e9)
    assert outcomes() == {"answered": 10}


def test_only_an_open_job_can_be_given_up(project: Callable[..., Path]) -> None:
    project()
    jobs = Jobs(JOBS)
    jobs.record(Job("one", ("k1",), "batches/1", "submitted"))
    with pytest.raises(InputError, match="no batch job named batches/7 is open; open are: batches/1"):
        batches.give_up(jobs, "batches/7")


def test_a_job_that_cannot_be_collected_holds_up_no_other_experiment(
    hand_over: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        server.instead["look"] = error(404, "gone")
        with pytest.raises(InputError, match=r"10 requests are under way in 1 batch jobs \(batches/1\)"):
            hand_over(server, questions_per_image=4)
        assert "batches/0, handed over on" in capsys.readouterr().err
        hand_over(
            server, mode="online", questions_per_image=3, requests_per_minute=1e6, tokens_per_minute=1e9
        )
    assert outcomes() == {"answered": 10}


def test_a_job_that_is_done_with_an_error_has_failed(
    hand_over: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        over = {"name": "batches/0", "done": True, "error": {"code": 3, "message": "bad input file"}}
        server.instead["look"] = Response(over)
        with pytest.raises(InputError, match=r"10 requests are under way in 1 batch jobs \(batches/1\)"):
            hand_over(server)
    assert "batches/0 failed (bad input file): its 10 requests go out again" in capsys.readouterr().err


def test_a_job_that_is_done_with_a_result_is_collected_whatever_its_state_is_called(
    hand_over: Callable[..., None],
) -> None:
    with GeminiServer() as server:
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        over = {"name": "batches/0", "done": True, "response": {"responsesFile": "files/out-0"}}
        server.instead["look"] = Response({**over, "metadata": {"state": "BATCH_STATE_COMPLETE"}})
        hand_over(server)
    assert outcomes() == {"answered": 10}


def test_an_answer_of_no_use_that_is_asked_for_again_in_a_batch_gives_way_to_the_new_one(
    hand_over: Callable[..., None],
) -> None:
    def prose(number: int, body: dict[str, Any]) -> Response:
        return answer("prose") if number == 3 else well(number, body)

    with GeminiServer(prose) as server:
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        hand_over(server)
        assert outcomes() == {"answered": 9, "not_parsable": 1}
        server.behaviour = well
        with pytest.raises(InputError, match="1 requests are under way"):
            generate.run(retry=True)
        hand_over(server)
    assert outcomes() == {"answered": 10}


def test_an_error_inside_a_batch_s_response_is_that_error(hand_over: Callable[..., None]) -> None:
    def busy(number: int, body: dict[str, Any]) -> Response:
        failed = Response({"error": {"code": 503, "message": "busy"}})
        return failed if number == 3 else well(number, body)

    with GeminiServer(busy) as server:
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server)
        with pytest.raises(InputError, match="1 requests are under way"):
            hand_over(server)


def hours_pass(hours: float) -> None:
    """As if every open job had been handed over so much earlier."""
    for job in Jobs(JOBS).open():
        earlier = datetime.fromisoformat(job.time) - timedelta(hours=hours)
        Jobs(JOBS).record(replace(job, time=earlier.isoformat()))


def of_flex(server: GeminiServer) -> list[str]:
    """The tiers of what was asked one by one."""
    return [body.get("serviceTier", "standard") for _, _, body in server.received]


def test_what_a_job_that_hangs_has_not_answered_goes_by_flex_and_is_bought_once(
    hand_over: Callable[..., None],
) -> None:
    fast = {"requests_per_minute": 1e6, "tokens_per_minute": 1e9}
    with GeminiServer() as server:
        server.looks_until_done = 1000  # it hangs
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server, **fast)
        hours_pass(23)
        with pytest.raises(InputError, match="10 requests are under way"):
            hand_over(server, **fast)
        assert server.jobs["batches/0"].cancelled_at is None
        hours_pass(2)
        server.left_out_of_results = 4
        hand_over(server, **fast)
        assert len(server.jobs) == 1
        assert of_flex(server) == ["flex"] * 4
        hand_over(server, **fast)  # settled: nothing more is asked
        assert len(server.received) == 4
    assert outcomes() == {"answered": 10}
    entries = [json.loads(line) for line in LEDGER.read_text().splitlines()]
    assert len({entry["key"] for entry in entries}) == len(entries) == 10
    bill = json.loads(Path("metrics/generate.json").read_text())["bill"]
    assert bill["usd"] == pytest.approx(10 * (500 * 0.25 + 100 * 1.50) / 1e6 / 2)


def test_nothing_of_a_cancelled_job_is_bought_before_the_service_says_that_it_has_ended(
    hand_over: Callable[..., None],
) -> None:
    with GeminiServer() as server:
        server.looks_until_done, server.looks_until_cancelled = 1000, 1
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        hours_pass(25)
        with pytest.raises(InputError, match=r"batches/0 is not over after 24 h .* and was cancelled"):
            hand_over(server)
        assert server.received == []
        server.has_output, server.left_out_of_results = False, 10  # and it answered nothing
        hand_over(server)
        assert of_flex(server) == ["flex"] * 10
        assert len(server.jobs) == 1
    assert outcomes() == {"answered": 10}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (error(503, "down"), "Gemini's batch service could not be reached"),
        (error(400, "cannot be cancelled now"), "is not over after 24 h and cannot be cancelled"),
    ],
)
def test_a_job_that_the_service_does_not_cancel_is_not_bought_again(
    hand_over: Callable[..., None], said: Response, sentence: str
) -> None:
    with GeminiServer() as server:
        server.looks_until_done = 3
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        hours_pass(25)
        server.instead["cancel"] = said
        with pytest.raises(InputError, match=sentence):
            hand_over(server)
        assert (len(server.jobs), server.received) == (1, [])
        server.looks_until_done = 0  # it was late, and is done
        hand_over(server)
        assert (len(server.jobs), server.received) == (1, [])
    assert outcomes() == {"answered": 10}


def test_who_gives_a_cancelled_job_up_does_not_wait_for_it(hand_over: Callable[..., None]) -> None:
    with GeminiServer() as server:
        server.looks_until_done = server.looks_until_cancelled = 1000
        with pytest.raises(InputError, match="under way"):
            hand_over(server)
        hours_pass(25)
        with pytest.raises(InputError, match="--forget batches/0"):
            hand_over(server)
        generate.run(forget="batches/0")
        hand_over(server)
        assert of_flex(server) == ["flex"] * 10
        assert len(server.jobs) == 1

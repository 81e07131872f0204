"""Out of memory, in any stage: one sentence with the key that helps. On real allocations that fail."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import Blip2ForConditionalGeneration

import answer_adapted
import answer_base
import cache_features
import evaluate
import measure_speed
import train
from failing import fails
from stages import TO_TRAINED
from vqa.core.devices import with_oom_hint
from vqa.core.errors import InputError, is_out_of_memory
from vqa.scoring.bertscore import BertScorer
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder

Project = Callable[..., Path]
TOO_MUCH = 2**50  # bytes: more than any address space lets one allocation have


def with_room_for(most: int, begin: Callable[..., Any], size_of: Callable[..., int]) -> Callable[..., Any]:
    """`begin`, which first asks for more memory than there is when it is handed more than so many things."""

    def limited(*arguments: Any, **named: Any) -> Any:
        if size_of(*arguments) > most:
            torch.empty(TOO_MUCH)
        return begin(*arguments, **named)

    return limited


@pytest.mark.parametrize(
    ("stage", "owner", "function", "said"),
    [
        (cache_features, Blip2ImageEncoder, "features", "30 images at once; set features.batch_size to 7"),
        (train, Blip2AnswerModel, "texts", "15 pairs at once; set train.eval_batch_size to 7"),
        (answer_base, Blip2AnswerModel, "texts", "35 pairs at once; set decoding.batch_size to 4"),
        (measure_speed, Blip2AnswerModel, "texts", "20 pairs at once; set decoding.batch_size to 5"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_sentence_names_the_setting_and_what_fits(
    project_after: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stage: ModuleType,
    owner: type,
    function: str,
    said: str,
) -> None:
    earlier = TO_TRAINED[: TO_TRAINED.index(stage)] if stage in TO_TRAINED else TO_TRAINED
    project_after(earlier, features={"batch_size": 64}, train={"images": 4})
    limited = with_room_for(7, getattr(owner, function), lambda _, things, *__: len(things))
    monkeypatch.setattr(owner, function, limited)
    assert f"error: out of memory with {said} in params.yaml: that fits" in fails(stage.run, capsys)


def test_weights_and_scorers_that_do_not_fit_are_named(
    project_after: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project_after((*TO_TRAINED, answer_base, answer_adapted), train={"images": 4})
    nothing = partial(with_room_for, 0, size_of=lambda *_: 1)
    monkeypatch.setattr(BertScorer, "scores", nothing(BertScorer.scores))
    sentence = fails(evaluate.run, capsys)
    assert "out of memory: BERTScore's encoder minilm; close other programs" in sentence
    monkeypatch.setattr(Blip2ForConditionalGeneration, "_load_pretrained_model", nothing(len))
    assert "does not fit on cpu; choose a smaller model.name" in fails(answer_base.run, capsys)


def test_the_hint_is_measured_when_the_failed_batch_is_gone() -> None:
    held: list[int] = []

    class Batch:
        def __init__(self, size: int) -> None:
            held.append(size)
            self.size = size

        def __del__(self) -> None:
            held.remove(self.size)

    def work(size: int) -> int:
        assert held == []
        batch = Batch(size)
        if size > 4:
            torch.empty(TOO_MUCH)
        return batch.size

    with pytest.raises(InputError, match=r"with 32 things at once; set a\.key to 4 in params\.yaml"):
        with_oom_hint(work, 32, "things", "a.key", "buy memory")
    assert with_oom_hint(work, 3, "things", "a.key", "buy memory") == 3


def test_where_not_even_one_fits_it_says_what_else_helps() -> None:
    with pytest.raises(InputError, match="out of memory with 2 things at once; buy memory"):
        with_oom_hint(lambda size: torch.empty(size * TOO_MUCH), 2, "things", "a.key", "buy memory")


def test_where_other_processes_wait_nothing_is_tried_and_the_half_is_named() -> None:
    tried: list[int] = []

    def work(size: int) -> None:
        tried.append(size)
        torch.empty(TOO_MUCH)

    with pytest.raises(InputError, match=r"set a\.key to 16 in params\.yaml$"):
        with_oom_hint(work, 32, "things", "a.key", "buy memory", is_tried=False)
    assert tried == [32]


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        with_oom_hint(lambda size: torch.ones(size) @ torch.ones(3, 3), 2, "things", "a.key", "")
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))

"""Questions as token ids: control tokens inside them are text, and too long ones are named."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor

import generate
from commands import used
from stages import TO_TRAINED
from toy import PROMPT
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.settings import load_settings
from vqa.vlm import lora
from vqa.vlm.blip2 import Blip2AnswerModel
from vqa.vlm.loading import Pretrained
from vqa.vlm.tokens import Tokens, answers_over_token_limit, load_prompt_tokens

Project = Callable[..., Path]
CPU = torch.device("cpu")
CONTROL = "Is <image> or </s> or <pad> or <s> red?"


@pytest.fixture
def answers(model: Blip2ForConditionalGeneration, processor: Blip2Processor) -> Blip2AnswerModel:
    return Blip2AnswerModel(model, processor, PROMPT, CPU)


def test_control_tokens_in_a_question_or_an_answer_are_text(
    answers: Blip2AnswerModel, processor: Blip2Processor
) -> None:
    ids = answers.tokens.prompt_ids(CONTROL)
    assert ids.count(answers.tokens.image_token_id) == answers.num_query_tokens
    text = ids[answers.num_query_tokens :]
    assert not {*processor.tokenizer.all_special_ids} & {*text[1:]}  # the first begins the text
    assert processor.tokenizer.decode(text[1:]) == PROMPT.format(question=CONTROL)
    assert not {*processor.tokenizer.all_special_ids} & {*answers.tokens.answer_ids("<image></s>")}


CHAT = "<s>user {question} Answer in one word.</s>\n"


def test_control_tokens_of_the_prompt_are_tokens_as_the_processor_has_them(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    answers = Blip2AnswerModel(model, processor, CHAT, CPU)
    ids = answers.tokens.prompt_ids("Is it red?")[answers.num_query_tokens :]
    assert ids == processor.tokenizer(CHAT.format(question="Is it red?"))["input_ids"]
    assert ids.count(processor.tokenizer.eos_token_id) > 0
    # Those of a question are text still, and nothing else changes.
    asked = answers.tokens.prompt_ids(CONTROL)[answers.num_query_tokens :]
    controls = [token for token in asked if token in processor.tokenizer.all_special_ids]
    assert controls == [token for token in ids if token in processor.tokenizer.all_special_ids]
    assert processor.tokenizer.decode(asked).replace(" ", "").count("Is<image>or</s>or<pad>or<s>red?") == 1


def test_an_answer_behind_a_line_end_begins_without_a_space(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    for prompt, text in ((CHAT, "red"), (PROMPT, " red")):
        tokens = Blip2AnswerModel(model, processor, prompt, CPU).tokens
        expected = "red" if tokens.is_encoder_decoder else text
        assert (
            tokens.answer_ids("red") == processor.tokenizer(expected, add_special_tokens=False)["input_ids"]
        )


def test_a_question_with_an_image_token_trains_and_answers(answers: Blip2AnswerModel) -> None:
    features = torch.randn(1, 4, 32)
    loss = answers(**answers.training_batch([CONTROL], ["red"]), features=features)["loss"]
    assert torch.isfinite(loss)
    assert len(answers.texts([CONTROL], features, 3)) == 1


def test_a_csv_with_one_image_token_trains(project: Project, shared: Path) -> None:
    """Real pairs of which one question holds "<image>"."""
    lines = (shared / "faults/one_image_token.csv").read_text().splitlines(keepends=True)
    folder = project(train={"epochs": 1})
    root = load_settings().data.root
    names = sorted(path.name for path in (root / "images/small").glob("*/*"))
    of_ours = dict(zip(dict.fromkeys(line.split(",")[0] for line in lines[1:]), names, strict=False))
    rows = [line for line in lines[1:] if line.split(",")[0] in of_ours]
    assert any("<image>" in row for row in rows)
    text = "".join([lines[0], *(of_ours[row.split(",")[0]] + row[row.index(",") :] for row in rows)])
    (folder / "mine.csv").write_text(text)
    project(train={"epochs": 1}, generate={"annotator": "csv", "csv": "mine.csv"})
    for stage in TO_TRAINED:
        stage.run()
    assert "<image>" in "".join(
        Path(f"data/vqa/{split}.csv").read_text() for split in ("train", "val", "test")
    )


def test_too_long_a_question_is_rejected_by_name_and_the_rest_trains(project: Project) -> None:
    folder = project(train={"images": 4})
    generate.run()
    rows = Path("data/vqa/generated.csv").read_text().splitlines(keepends=True)
    long = f"{rows[1].split(',')[0]},How {'very ' * 60}red is it?,dark\n"
    (folder / "mine.csv").write_text("".join([*rows, long]))
    project(train={"images": 4}, generate={"annotator": "csv", "csv": "mine.csv"})
    for stage in TO_TRAINED:
        stage.run()
    (reject,) = read_rows(Path("data/vqa/rejected.csv"), ("question", "reason", "detail"))
    assert reject["reason"] == "too_many_tokens"
    assert "very very" in reject["question"]
    assert reject["detail"].endswith("the model has room for 128")


def test_too_long_an_answer_is_rejected_by_name_before_anything_is_encoded(project: Project) -> None:
    folder = project(train={"images": 4})
    generate.run()
    rows = Path("data/vqa/generated.csv").read_text().splitlines(keepends=True)
    long = f"{rows[1].split(',')[0]},What is written on it?,{'zqxj' * 30}\n"
    (folder / "mine.csv").write_text("".join([*rows, long]))
    project(train={"images": 4}, generate={"annotator": "csv", "csv": "mine.csv"})
    for stage in TO_TRAINED:
        stage.run()
    (reject,) = read_rows(Path("data/vqa/rejected.csv"), ("question", "reason", "detail"))
    assert reject["reason"] == "too_many_tokens"


def test_a_question_longer_than_the_model_s_positions_is_named(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, CPU)
    long = "What color is " + "the very " * 60 + "lamp?"
    if answers.is_encoder_decoder:  # T5 counts relative to each other
        assert answers.tokens.too_long(long, 10) == ""
        return
    assert answers.tokens.too_long(CONTROL, 10) == ""
    said = answers.tokens.too_long(long, 10)
    needed = len(answers.tokens.prompt_ids(long)) + 10
    assert said.startswith(f"the question needs {needed} tokens with its prompt, image and answer")
    assert said.endswith("the model has room for 128")
    with pytest.raises(InputError, match=r"'What color is the very .*: the question needs .* shorten it"):
        answers.texts([long], torch.zeros(1, 4, 32), 10)


def test_the_longest_question_that_fits_is_answered(toy_folder: Path) -> None:
    answers = Pretrained(str(toy_folder)).load_answer_model("{question}", CPU, "qformer")
    letters = next(n for n in range(40, 400) if answers.tokens.too_long("é" * n, 10)) - 1
    answers.texts(["é" * letters], torch.zeros(1, 4, 32), 10)
    with pytest.raises(InputError, match="has room for 128"):
        answers.texts(["é" * (letters + 1)], torch.zeros(1, 4, 32), 10)


def test_tokens_are_read_without_weights(toy_folder: Path) -> None:
    whole = Pretrained(str(toy_folder)).load_answer_model(PROMPT, CPU, "qformer")
    alone = load_prompt_tokens(str(toy_folder), None, PROMPT)
    assert isinstance(alone, Tokens)
    assert isinstance(whole.tokens, Tokens)
    assert alone.prompt_ids(CONTROL) == whole.tokens.prompt_ids(CONTROL)


def test_asked_too_long_a_question_has_a_problem_and_the_others_are_answered(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project()
    image = next((load_settings().data.root / "images/small").glob("*/*"))
    long = "What " + "very " * 200 + "color?"
    with pytest.raises(SystemExit):
        used("ask", "--base", "--image", image, "--question", long, "What?")
    printed = capsys.readouterr()
    assert "no answer: the question needs" in printed.out
    assert len(printed.out.splitlines()) == 2
    assert "1 of 2 questions have no answer" in printed.err


@pytest.mark.parametrize("bias", ["all", "lora_only"])
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_in_half_precision_everything_that_trains_is_fp32_and_learns(
    model: Blip2ForConditionalGeneration,
    processor: Blip2Processor,
    half: torch.dtype,
    bias: str,
    project: Project,
) -> None:
    project(lora={"bias": bias, "r": 2})
    model.to(half)
    model.qformer.float()
    answers = Blip2AnswerModel(model, processor, PROMPT, CPU)
    lora.add_adapter(answers, load_settings().lora, "toy")
    trained = [p for p in answers.parameters() if p.requires_grad]
    assert {p.dtype for p in trained} == {torch.float32}
    optimizer = torch.optim.SGD(trained, 1e-4)  # a step that bf16 would round away
    before = [p.detach().clone() for p in trained]
    loss = answers(**answers.training_batch(["What color?"], ["red"]), features=torch.randn(1, 4, 32))["loss"]
    loss.backward()
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, trained, strict=True)]
    assert sum(moved) > len(moved) / 3  # B starts at zero, and with it A's gradient
    assert len(answers.texts(["What color?"], torch.randn(1, 4, 32), 3)) == 1  # as validation does


def test_answers_that_no_model_of_so_many_tokens_can_give_are_counted(answers: Blip2AnswerModel) -> None:
    ids = answers.tokens.answer_ids("red")
    said = ["red", "red"]
    assert answers_over_token_limit(answers.tokens.answer_ids, said, len(ids)) == 0
    assert answers_over_token_limit(answers.tokens.answer_ids, said, len(ids) - 1) == 2
    assert answers_over_token_limit(answers.tokens.answer_ids, [], 1) == 0

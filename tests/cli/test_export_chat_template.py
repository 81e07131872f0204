"""What the chat template of an exported model writes around a question."""

from typing import Any

import pytest
from jinja2 import Environment

from vqa.cli.export import chat_template

PROMPT = "Question: {question} Answer in one word:"
WRITTEN = "Question: What color is it? Answer in one word:"


def render(prompt: str, content: Any) -> str:
    return (
        Environment()
        .from_string(chat_template(prompt))
        .render(messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}])
    )


@pytest.mark.parametrize(
    "content",
    [
        "What color is it?",
        [{"type": "image"}, {"type": "text", "text": "What color is it?"}],
        [{"type": "text", "text": "What color"}, {"type": "image"}, {"type": "text", "text": "is it?"}],
        WRITTEN,  # the whole prompt already
    ],
    ids=str,
)
def test_the_prompt_is_written_around_the_last_message(content: Any) -> None:
    assert render(PROMPT, content) == WRITTEN


@pytest.mark.parametrize(
    ("prompt", "written"),
    [
        ("{question}", "Is it {{ red }}?"),
        ("{question} Answer:", "Is it {{ red }}? Answer:"),
        ('Say "one" {{word}}: {question}\n', 'Say "one" {word}: Is it {{ red }}?\n'),
        ("{question} – {question}?", "Is it {{ red }}? – Is it {{ red }}??"),
        ("🛋 {question}", "🛋 Is it {{ red }}?"),
    ],
)
def test_braces_quotes_and_repeated_questions_are_text(prompt: str, written: str) -> None:
    found = Environment(keep_trailing_newline=True).from_string(chat_template(prompt))
    assert found.render(messages=[{"role": "user", "content": "Is it {{ red }}?"}]) == written
    assert written == prompt.format(question="Is it {{ red }}?")

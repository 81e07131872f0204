"""What of a chat completion is a question; the rest is tried through OpenAI's client: test_server.py."""

from vqa.inference.chat_completions import bare_question


def test_a_whole_prompt_is_not_wrapped_again() -> None:
    prompt = "Question: {question} Answer in one word:"
    for text in ("What color is it?", "Question: What color is it? Answer in one word:"):
        assert bare_question(text, prompt) == "What color is it?"
    assert bare_question("Question: What?", prompt) == "Question: What?"
    assert bare_question("Question: Answer in one word:", prompt) == "Question: Answer in one word:"
    assert bare_question("What? In a word.", "{question}\nIn a word.") == "What?"
    assert bare_question("What?", "{question}") == "What?"

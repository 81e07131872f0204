"""Questions and answers → token ids for BLIP-2's language model; and for any model, which question is too
long.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from vqa.core.errors import InputError, first_line

IMAGE_TOKEN = "<image>"
QUESTION_MARK = "[[the question]]"  # where a question will stand
# Every model has room for a question and an answer of so many bytes, and so at most as many tokens.
_SHORT = 64


class Tokens:
    """A tokenizer and what the model adds around a question."""

    def __init__(self, tokenizer: Any, config: Any, prompt: str) -> None:
        """`config`: of the whole BLIP-2; `prompt`: a template with {question}."""
        self.tokenizer = tokenizer
        self.is_encoder_decoder: bool = not config.use_decoder_only_language_model
        self.num_query_tokens: int = config.num_query_tokens
        # Checkpoints from before November 2024 do not say; the processor then adds the token.
        token_id = config.image_token_id
        self.image_token_id: int = (
            tokenizer.convert_tokens_to_ids(IMAGE_TOKEN) if token_id is None else token_id
        )
        # T5 counts positions relative to each other, and has room for any number.
        self._positions: int | None = (
            None if self.is_encoder_decoder else config.text_config.max_position_embeddings
        )
        self._prompt = prompt
        control = [token.content for token in tokenizer.added_tokens_decoder.values()]
        self._control = control if any(token in prompt for token in control) else []

    def prompt_ids(self, question: str) -> list[int]:
        """The prompt around a question, behind the image tokens. BLIP-2 puts those before everything, the
        begin token included. "<image>" or "</s>" inside a question is text; "<|im_start|>" in the prompt is
        the token, as the model's processor would have it.
        """
        return [self.image_token_id] * self.num_query_tokens + self._text_ids(question)

    def _text_ids(self, question: str) -> list[int]:
        whole = self._prompt.format(question=question)
        if not self._control or not any(token in question for token in self._control):
            ids: list[int] = self.tokenizer(whole, split_special_tokens=not self._control)["input_ids"]
            return ids
        around: list[int] = self.tokenizer("")["input_ids"]  # a begin token, or T5's end
        before, after = self._prompt.format(question=QUESTION_MARK).split(QUESTION_MARK, 1)
        parts = (before, False), (question, True), (after.replace(QUESTION_MARK, question), False)
        ids = [token for text, is_text in parts for token in self._ids(text, is_text)]
        return [*ids, *around] if self.is_encoder_decoder else [*around, *ids]

    def _ids(self, text: str, is_text: bool) -> list[int]:
        """`is_text`: what looks like a control token is none."""
        given = {"add_special_tokens": False, "split_special_tokens": is_text}
        ids: list[int] = self.tokenizer(text, **given)["input_ids"]
        return ids

    def answer_ids(self, answer: str) -> list[int]:
        """An answer without its end token. A decoder continues the prompt, hence the space unless that ends
        in one; T5 starts afresh."""
        text = answer if self.is_encoder_decoder or self._prompt[-1].isspace() else f" {answer}"
        return self._ids(text, is_text=True)

    def too_long(self, question: str, max_new_tokens: int, answer: str = "") -> str:
        """Why there is no room for a question and its answer, `max_new_tokens` at least; "" when there is."""
        if self._positions is None:
            return ""
        answer_length = len(self.answer_ids(answer)) + 1  # its end
        needed = len(self.prompt_ids(question)) + max(answer_length, max_new_tokens)
        if needed <= self._positions:
            return ""
        room = f"the model has room for {self._positions}"
        return f"the question needs {needed} tokens with its prompt, image and answer, and {room}"


class TextTokens:
    """The tokenizer of a model whose images take different numbers of tokens: it counts the text alone."""

    def __init__(self, tokenizer: Any, positions: int, prompt: str) -> None:
        """`positions` that the model has room for; `prompt`: a template with {question}."""
        self.tokenizer = tokenizer
        self._positions, self._prompt = positions, prompt

    def answer_ids(self, answer: str) -> list[int]:
        """An answer as it goes on from a text, without its end token."""
        ids: list[int] = self.tokenizer(f" {answer}", add_special_tokens=False)["input_ids"]
        return ids

    def too_long(self, question: str, max_new_tokens: int, answer: str = "") -> str:
        """Why there is no room for a question and its answer, beside any image; "" when there may be."""
        asked, answer_length = (
            len(self.tokenizer(text)["input_ids"])
            for text in (self._prompt.format(question=question), answer)
        )
        needed = asked + max(answer_length, max_new_tokens)
        if needed <= self._positions:
            return ""
        room = f"the model has room for {self._positions}"
        return f"the question needs {needed} tokens with its prompt and answer, without an image, and {room}"


def answers_over_token_limit(
    answer_ids: Callable[[str], Sequence[int]], answers: Iterable[str], max_new_tokens: int
) -> int:
    """How many of the answers have more than `max_new_tokens` ids: the model cannot give them."""
    needed = cache(lambda answer: len(answer_ids(answer)))
    return sum(needed(answer) > max_new_tokens for answer in answers)


def end_token_id(model: Any) -> int:
    """The token that ends an answer: the checkpoint's own ("\\n", 50118, for BLIP-2 OPT)."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = model.config.text_config.eos_token_id
    return int(ends[0] if isinstance(ends, list) else ends)


def tokenizer_misfit(tokenizer: Any, rows: int) -> str:
    """Why a tokenizer does not fit a model whose embeddings have `rows`; "" when it does.

    It is empty, as transformers makes it in silence where its files are missing, or has tokens that no row is
    for. An image token needs none.
    """
    ids = tokenizer("red", add_special_tokens=False)["input_ids"]
    if not tokenizer.decode(ids, skip_special_tokens=True).strip():
        return "has a tokenizer without words: tokenizer.json or tokenizer_config.json is missing"
    beyond = [t for t, number in tokenizer.get_vocab().items() if number >= rows and t != IMAGE_TOKEN]
    if not beyond:
        return ""
    tokens = f"{len(beyond)} tokens ({beyond[0]!r})"
    return f"has a tokenizer with {tokens} that its {rows} embeddings have no row for"


def load_prompt_tokens(name: str, revision: str | None, prompt: str) -> Tokens | TextTokens:
    """Load the tokenizer of a model's folder or hub id, without weights.

    Raises:
        InputError: it cannot be read there, or does not fit the model.
    """
    from transformers import AutoConfig, AutoTokenizer  # noqa: PLC0415 – seconds, which validate rarely needs

    try:
        config = AutoConfig.from_pretrained(name, revision=revision)
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"params.yaml: model.name is {name!r}, whose tokenizer cannot be read ({first_line(error)}); it "
            "is needed to tell whether a long question fits: give a model's folder or a hub id"
        ) from error
    if problem := tokenizer_misfit(tokenizer, config.get_text_config().vocab_size):
        raise InputError(f"params.yaml: model.name is {name!r}, which {problem}; restore it, or give another")
    if config.model_type != "blip-2":
        return TextTokens(tokenizer, config.get_text_config().max_position_embeddings, prompt)
    return Tokens(tokenizer, config, prompt)


def token_limit(
    name: str, revision: str | None, prompt: str, max_new_tokens: int
) -> Callable[[str, str], str]:
    """A function of question and answer: why the model has no room for them, "" when it has.

    It loads the tokenizer at the first pair that is not short: most catalogues have none.
    """
    tokens = cache(lambda: load_prompt_tokens(name, revision, prompt))

    @cache
    def too_long(question: str, answer: str) -> str:
        if len((question + answer).encode()) <= _SHORT:
            return ""
        return tokens().too_long(question, max_new_tokens, answer)

    return too_long

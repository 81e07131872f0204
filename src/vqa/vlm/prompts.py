"""Questions → token ids as a model's own processor makes them, around an image of any number of rows."""

from typing import Any

from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

from vqa.vlm.image_features import ImageFeatures
from vqa.vlm.tokens import QUESTION_MARK, TextTokens

TILED = ("idefics3", "smolvlm")  # whose images are tiles with tokens between them


class PromptTokens(TextTokens):
    """A tokenizer, and what the model's template or its family adds around a question."""

    def __init__(self, tokenizer: Any, config: Any, prompt: str, template: str | None) -> None:
        """`config`: of the whole model; `prompt`: with {question}, what the user says where there is a chat
        `template`.
        """
        super().__init__(tokenizer, config.get_text_config().max_position_embeddings, prompt)
        self.image_token_id: int = config.image_token_id
        self._family, self._template = config.model_type, template
        self._image_token = tokenizer.convert_ids_to_tokens(config.image_token_id)
        self._special = [token.content for token in tokenizer.added_tokens_decoder.values()]
        self._spelt: dict[str, list[int]] = {}
        self._tiles: dict[tuple[int, int, int], list[int]] = {}  # a thousand tokens: spelt once a grid

    def prompt_ids(self, question: str, image_features: ImageFeatures) -> list[int]:
        """The prompt around a question about the image. "<image>" or "</s>" inside a question is text."""
        ids = self.text_ids(question)
        at = ids.index(self.image_token_id)
        return ids[:at] + self._image_ids(image_features) + ids[at + 1 :]

    def text_ids(self, question: str) -> list[int]:
        """The prompt with one image token."""
        if any(token in question for token in self._special):
            before, after = self._text(QUESTION_MARK).split(QUESTION_MARK)
            question_ids = self.tokenizer(question, add_special_tokens=False, split_special_tokens=True)[
                "input_ids"
            ]
            return self._ids(before) + question_ids + self._ids(after, is_begin=False)
        return self._ids(self._text(question))

    def answer_ids(self, answer: str) -> list[int]:
        """As a continuation of the prompt, behind a space unless that ends in one; without its end token."""
        if answer not in self._spelt:
            before = self._text(QUESTION_MARK)
            continuation = answer if before[-1].isspace() else f" {answer}"
            ids, whole = self._ids(before), self._ids(before + continuation)
            is_added = whole[: len(ids)] == ids
            self._spelt[answer] = whole[len(ids) :] if is_added else self._ids(continuation, is_begin=False)
        return self._spelt[answer]

    def _text(self, question: str) -> str:
        """The whole prompt with one image token."""
        asked = self._prompt.format(question=question)
        if self._template is not None:
            content = [{"type": "image"}, {"type": "text", "text": asked}]
            text: str = self.tokenizer.apply_chat_template(
                [{"role": "user", "content": content}],
                chat_template=self._template,
                tokenize=False,
                add_generation_prompt=True,
            )
            return text
        if self._family == "paligemma":  # the begin token stands behind the image
            return f"{self._image_token}{self.tokenizer.bos_token}{asked}\n"
        return f"{self._image_token}\n{asked}"

    def _ids(self, text: str, is_begin: bool = True) -> list[int]:
        """`is_begin` False: something stands before it, so that no begin token does."""
        begin = self.tokenizer.bos_token
        has_begin = self._family == "paligemma" or (begin is not None and text.startswith(begin))
        ids: list[int] = self.tokenizer(text, add_special_tokens=is_begin and not has_begin)["input_ids"]
        return ids

    def _image_ids(self, image_features: ImageFeatures) -> list[int]:
        """What stands for the image in the prompt."""
        if self._family not in TILED:
            return [self.image_token_id] * len(image_features.rows)
        down, across = image_features.grid
        form = (down, across, len(image_features.rows))
        if form not in self._tiles:
            tiles = down * across + 1  # the whole image, small, is the last
            text = get_image_prompt_string(
                down,
                across,
                len(image_features.rows) // tiles,
                "<fake_token_around_image>",
                self._image_token,
                "<global-img>",
            )
            self._tiles[form] = self._ids(text, is_begin=False)
        return self._tiles[form]

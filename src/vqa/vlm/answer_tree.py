"""Answers that may be given, as a tree of tokens: generation cannot leave it."""

from collections.abc import Iterable, Sequence
from typing import Any


class AnswerTree:
    """Which token may follow a beginning, so that the whole is one of the answers."""

    def __init__(self, answers: Iterable[Sequence[int]]) -> None:
        """`answers`: token ids, each with its end token last."""
        self._root: dict[int, Any] = {}
        for answer in answers:
            branch = self._root
            for token in answer:
                branch = branch.setdefault(token, {})

    def after(self, beginning: Sequence[int], padding: int) -> list[int]:
        """Tokens that may come next, ascending; `padding` alone once the answer has ended."""
        branch = self._root
        for token in beginning:
            branch = branch.get(token, {})
        return sorted(branch) or [padding]

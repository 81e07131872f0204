"""The allowed answers as a tree of tokens, which generation cannot leave."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import Tensor


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

    def allowed(self, skipped: int, padding: int) -> Callable[[int, Tensor], list[int]]:
        """`after` as `generate` asks: of a row's number and its ids so far, the first `skipped` left out."""
        return lambda _, ids: self.after(ids[skipped:].tolist(), padding)

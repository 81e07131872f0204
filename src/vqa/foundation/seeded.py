"""The one draw by seed and name: what is drawn depends on neither order nor number of the others."""

import hashlib
import random


def rank_of(seed: int, name: str | int) -> str:
    """A place among all names, in hex, that only the seed decides.

    Sorted by it, the first n are a draw of n, and a larger draw keeps a smaller one's.
    """
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def generator_of(seed: int, name: str | int) -> random.Random:
    """Random numbers of one name's own."""
    return random.Random(f"{seed}/{name}")

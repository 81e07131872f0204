"""Draws by seed and name: a draw depends neither on the order nor on the number of the other names."""

import hashlib
import random


def seeded_rank(seed: int, name: str | int) -> str:
    """A rank among all names, in hex, that depends on seed and name alone.

    Sorted by rank, the first n names are a draw of n, and a larger draw contains every smaller one.
    """
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def seeded_generator(seed: int, name: str | int) -> random.Random:
    """A random generator for one name."""
    return random.Random(f"{seed}/{name}")

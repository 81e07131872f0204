"""Pictures → train, val or test, so that no picture is in two of them."""

import hashlib

SPLITS = ("train", "val", "test")


def split_of(content_hash: str, val_share: float, test_share: float, seed: int) -> str:
    """The split of a picture, from its bytes alone.

    Equal bytes under two names fall together, and adding pictures never moves one that was there.
    """
    digest = hashlib.sha256(f"{seed}/{content_hash}".encode()).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    if draw < test_share:
        return "test"
    return "val" if draw < test_share + val_share else "train"

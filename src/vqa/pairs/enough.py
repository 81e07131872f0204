"""How many held-out pairs tell anything."""

# With 50 test pairs a 95 % interval of a share is up to 28 points wide; a checkpoint picked by fewer than 20
# validation pairs is picked by luck.
LEAST_TEST, LEAST_VAL = 50, 20


def too_few(test_pairs: int, val_pairs: int = LEAST_VAL) -> list[str]:
    """One sentence why results on so many pairs say nothing, and what to do; none where they are enough."""
    counted = [(test_pairs, LEAST_TEST, "test"), (val_pairs, LEAST_VAL, "validation")]
    few = [f"{n} {name} pairs, where {least} are the least" for n, least, name in counted if n < least]
    remedy = "give more pictures, or raise validate.test_share and validate.val_share"
    return [f"too little to tell: {' and '.join(few)}; {remedy}"] if few else []

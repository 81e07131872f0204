"""How many held-out pairs a result needs."""

# With 50 test pairs a 95 % interval of a share is up to 28 points wide; a checkpoint picked by fewer than 20
# validation pairs is picked by luck.
LEAST_TEST, LEAST_VAL = 50, 20


def too_few(test_pairs: int, val_pairs: int = LEAST_VAL) -> list[str]:
    """One sentence that so few pairs give no clear result, with a remedy; none if there are enough."""
    counted = [(test_pairs, LEAST_TEST, "test"), (val_pairs, LEAST_VAL, "validation")]
    few = [f"{n} {name} pairs, where {least} are the least" for n, least, name in counted if n < least]
    remedy = "give more images, or raise validate.test_share and validate.val_share"
    return [f"too little to tell: {' and '.join(few)}; {remedy}"] if few else []

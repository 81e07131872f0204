#!/bin/sh
# A set or dictionary of imagehash's hashes takes time that grows with the square of their number.
#
# ImageHash.__hash__ has about a thousand values for 64 bits, so that equal ones have to be compared one by one,
# as arrays. Twice as many hashes take four times as many comparisons. Their texts, str(hash), have no such
# limit.
#
# Versions: imagehash 4.3.2, numpy 2.4.6. The script ends with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   different hashes: 8000 different values of hash(): 1055
#   a set of 2000: 2578 comparisons of two hashes
#   a set of 4000: 10384 comparisons of two hashes
#   a set of 8000: 42585 comparisons of two hashes
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile imagehash==4.3.2 numpy==2.4.6

cat > try.py <<'PY'
import imagehash
import numpy as np

draw = np.random.default_rng(0)
hashes = [imagehash.ImageHash(draw.random((8, 8)) < 0.5) for _ in range(8000)]
equal, compared = imagehash.ImageHash.__eq__, {}


def counted(one, other):
    compared[count] += 1
    return equal(one, other)


imagehash.ImageHash.__eq__ = counted
print("different hashes:", len({str(one) for one in hashes}), "different values of hash():", len(set(map(hash, hashes))))
for count in (2000, 4000, 8000):
    compared[count] = 0
    assert len(set(hashes[:count])) == count
    print(f"a set of {count}: {compared[count]} comparisons of two hashes")
assert len(set(map(hash, hashes))) < 1500
assert 12 < compared[8000] / compared[2000] < 20  # four times as many hashes
PY
python try.py

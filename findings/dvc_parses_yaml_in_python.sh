#!/bin/sh
# DVC as installed today parses its YAML in pure Python and takes more than twice as long for it as it did before.
#
# DVC reads dvc.yaml, dvc.lock and params.yaml by ruamel.yaml's loader "safe", which uses libyaml where it finds
# the package ruamel.yaml.clib. Up to 0.18 ruamel.yaml required that package; 0.19 only names it in the extra
# oldlibyaml. With it beside, DVC reads the same values (below, a lock file of 300 stages).
#
# Versions: dvc 3.67.1, ruamel.yaml 0.19.1, ruamel.yaml.clib 0.2.15. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64 (a hash of what was read, seconds):
#   as installed:          c76b7918a934ef4b 0.513 s
#   with ruamel.yaml.clib: c76b7918a934ef4b 0.192 s
#   2.7 times as long
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile dvc==3.67.1 ruamel-yaml==0.19.1

cat > read.py <<'PY'
import hashlib, json, time
from dvc.utils.serialize import parse_yaml

stages = "".join(
    f"  s{i}:\n    cmd: ./run {i}\n    deps:\n    - path: data/{i}.csv\n      md5: {i:032x}\n      size: {i}\n"
    f"    params:\n      params.yaml:\n        lr: 2e-{i}\n        name: 'a b'\n        flags: [on, no, 1_0]\n"
    for i in range(300)
)
text = "schema: '2.0'\nstages:\n" + stages
start = time.process_time()
read = parse_yaml(text, "dvc.lock")
print(hashlib.sha256(json.dumps(read).encode()).hexdigest()[:16], round(time.process_time() - start, 3))
PY
python -m pip list 2>/dev/null | grep -i '^ruamel' | tr -s ' '
without=$(python read.py); echo "as installed:          $without s"
python -m pip install -q --no-compile ruamel-yaml-clib==0.2.15
with=$(python read.py); echo "with ruamel.yaml.clib: $with s"
python - "$without" "$with" <<'PY'
import sys
(values, slow), (same, fast) = (text.split() for text in sys.argv[1:])
ratio = float(slow) / float(fast)
print(f"{ratio:.1f} times as long")
sys.exit(not (values == same and ratio > 1.5))
PY

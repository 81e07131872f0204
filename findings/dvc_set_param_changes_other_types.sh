#!/bin/sh
# dvc exp run -S of one key changes the types of other keys for programs that read params.yaml by PyYAML.
#
# DVC writes the whole file by YAML 1.2, in which no and 12:30 are texts and need no quotes, and drops theirs.
# PyYAML reads by YAML 1.1: False, and 750 (base 60). 2e-3 is a number to DVC and a text to PyYAML, before and
# after. dvc params diff shows the one change that was asked for.
#
# Versions: dvc 3.67.1, pyyaml 6.0.3. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   PyYAML before: {'rank': 8, 'language': 'no', 'size': '12:30', 'rate': '2e-3'}
#   PyYAML after:  {'rank': 4, 'language': False, 'size': 750, 'rate': '2e-3'}
#   what DVC says has changed:
#   Path         Param    HEAD    workspace
#   params.yaml  rank     8       4
#   DVC's own reading:
#   {'rank': 4, 'language': 'no', 'size': '12:30', 'rate': 0.002}
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile dvc==3.67.1 pyyaml==6.0.3
export DVC_SITE_CACHE_DIR="$DIR/site" DVC_NO_ANALYTICS=1
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.com

mkdir project && cd project && git init -q && dvc init -q
cat > params.yaml <<'YAML'
rank: 8
language: "no"
size: "12:30"
rate: 2e-3
YAML
cat > dvc.yaml <<'YAML'
stages:
  show:
    cmd: python -c "import yaml; print(yaml.safe_load(open('params.yaml')))" > seen.txt
    params: [rank]
    outs: [{seen.txt: {cache: false}}]
YAML
dvc repro -q && git add . && git commit -qm start
echo "PyYAML before: $(cat seen.txt)"
dvc exp run -q -S rank=4
echo "PyYAML after:  $(cat seen.txt)"
echo "what DVC says has changed:"
dvc params diff
echo "DVC's own reading:"
python -c "import dvc.api; print(dvc.api.params_show())" | tee own.txt
grep -qF "{'rank': 4, 'language': False, 'size': 750, 'rate': '2e-3'}" seen.txt
grep -qF "{'rank': 4, 'language': 'no', 'size': '12:30', 'rate': 0.002}" own.txt
[ "$(dvc params diff | grep -c params.yaml)" = 1 ]

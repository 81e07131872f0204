#!/bin/sh
# In a shallow clone dvc exp run --temp runs, ends with success, and records no experiment.
#
# Many CI systems clone with --depth 1. The same command in a full clone records its experiment; so does a run
# in the workspace of the shallow clone.
#
# Versions: dvc 3.67.1. The script ends with an error if this changes.
# Seen on 2026-11-30, Python 3.11, Linux x86-64:
#   project: exp run --temp ended with 0, experiments: quick
#   shallow: exp run --temp ended with 0, experiments:
#   shallow, in the workspace: here
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile dvc==3.67.1
export DVC_SITE_CACHE_DIR="$DIR/site" DVC_NO_ANALYTICS=1
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.com

mkdir project && cd project && git init -q && dvc init -q
echo "rank: 8" > params.yaml
cat > dvc.yaml <<'YAML'
stages:
  copy:
    cmd: cp params.yaml result.yaml
    params: [rank]
    metrics: [{result.yaml: {cache: false}}]
YAML
dvc repro -q && git add . && git commit -qm start && git commit -q --allow-empty -m next
cd .. && git clone -q --depth 1 "file://$DIR/project" shallow
for clone in project shallow; do
    cd "$DIR/$clone"
    dvc exp run -q --temp -S rank=4 -n quick
    dvc exp list --name-only > ../$clone.txt
    echo "$clone: exp run --temp ended with $?, experiments: $(cat ../$clone.txt | tr '\n' ' ')"
done
dvc exp run -q -S rank=2 -n here
echo "shallow, in the workspace: $(dvc exp list --name-only | tr '\n' ' ')"
grep -q quick ../project.txt && ! grep -q quick ../shallow.txt && dvc exp list --name-only | grep -q here

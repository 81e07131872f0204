#!/bin/sh
# lmms-eval's VQA normal form makes "A", "An" and "The" the same empty answer, and "none" the number 0.
#
# It follows the VQA evaluation: articles are dropped wherever they stand, and the words none and zero to ten
# are digits, while eleven is not. A product's size A or vitamin A loses its answer, an air conditioner (a/c)
# becomes c, and two systems that answer A and The to one question agree.
#
# Versions: lmms-eval 0.7.3. The script ends with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   {'A': '', 'An': '', 'The': '', 'a/c': 'c', 'vitamin A': 'vitamin', 'ten': '10', 'eleven': 'eleven', 'none': '0', '0': '0'}
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile --no-deps lmms-eval==0.7.3

cat > try.py <<'PY'
import importlib.util
from pathlib import Path

folder = Path(importlib.util.find_spec("lmms_eval").submodule_search_locations[0])  # without its imports
spec = importlib.util.spec_from_file_location("metric", folder / "tasks/_task_utils/vqa_eval_metric.py")
metric = importlib.util.module_from_spec(spec)
spec.loader.exec_module(metric)
process = metric.EvalAIAnswerProcessor()
seen = {answer: process(answer) for answer in ("A", "An", "The", "a/c", "vitamin A", "ten", "eleven", "none", "0")}
print(seen)
assert seen["A"] == seen["An"] == seen["The"] == "" and seen["a/c"] == "c" and seen["vitamin A"] == "vitamin"
assert seen["none"] == seen["0"] == "0" and seen["ten"] == "10" and seen["eleven"] == "eleven"
PY
python try.py

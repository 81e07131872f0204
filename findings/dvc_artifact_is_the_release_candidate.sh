#!/bin/sh
# dvc artifacts get without --rev takes a release candidate for the newest version, and ignores tags that are
# not annotated.
#
# By semantic versioning 2.0.0-rc.1 stands before 2.0.0 but after 1.0.0, and DVC takes the highest. A
# lightweight tag, as git tag NAME makes it, does not count at all, so that 3.0.0 is not found.
#
# Versions: dvc 3.67.1. The script ends with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   tags: model@v1.0.0 model@v2.0.0-rc.1 model@v3.0.0 , v3.0.0 is not annotated
#   without --rev: 2.0.0-rc.1; with --rev v1.0.0: 1.0.0
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile dvc==3.67.1
export DVC_SITE_CACHE_DIR="$DIR/site" DVC_NO_ANALYTICS=1
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.com

mkdir project && cd project && git init -q && dvc init -q
printf 'artifacts:\n  model: {path: model.txt}\n' > dvc.yaml
for version in 1.0.0 2.0.0-rc.1 3.0.0; do
    echo "$version" > model.txt && git add . && git commit -qm "$version"
    if [ "$version" = 3.0.0 ]; then git tag "model@v$version"; else git tag -a "model@v$version" -m x; fi
done
dvc artifacts get . model -o newest.txt > /dev/null
dvc artifacts get . model --rev v1.0.0 -o named.txt > /dev/null
echo "tags: $(git tag | tr '\n' ' '), v3.0.0 is not annotated"
echo "without --rev: $(cat newest.txt); with --rev v1.0.0: $(cat named.txt)"
[ "$(cat newest.txt)" = 2.0.0-rc.1 ] && [ "$(cat named.txt)" = 1.0.0 ]

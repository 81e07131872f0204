"""How often a stage would have gone stale: the last commits' files against dvc.yaml, before and after.

    python benchmarks/reruns.py                                   # the last 25 commits, dvc.yaml as it is
    python benchmarks/reruns.py --until e4566de --before e4566de  # those before it, against its dvc.yaml too
    python benchmarks/reruns.py --until ea79374 --retrained       # which would have trained again

A commit makes a stage stale when it changes a file that the stage's deps name or hold; settings and data
count for nothing here. Files that have moved since are looked up where they are now, by git's renames: of
a file that was split, that is the part most like it.
"""

import argparse
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from ruamel.yaml import YAML
from tabulate import tabulate

Deps = Mapping[str, list[str]]  # stage → the code that it depends on


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


def code_deps(dvc_yaml: str) -> Deps:
    stages = YAML(typ="safe").load(dvc_yaml)["stages"]
    return {name: [dep for dep in stage["deps"] if dep.startswith("src/")] for name, stage in stages.items()}


def is_stale(deps: Iterable[str], changed: Iterable[str]) -> bool:
    return any(file == dep or file.startswith(f"{dep}/") for dep in deps for file in changed)


def renames_since(revision: str) -> list[tuple[str, str]]:
    """(old, new) of every rename after `revision`, the first one first."""
    log = git(
        "log", "--reverse", "-M40%", "--diff-filter=R", "--name-status", "--format=", f"{revision}..HEAD"
    )
    return [(old, new) for _, old, new in (line.split("\t") for line in log.splitlines() if line)]


def changed_by(commit: str) -> list[str]:
    return git("diff-tree", "--no-commit-id", "--name-only", "-r", commit).splitlines()


def where_now(file: str, renames: Iterable[tuple[str, str]]) -> str:
    for old, new in renames:
        file = new if file == old else file
    return file


def table(commits: list[str], before: Deps | None, after: Deps) -> str:
    renames = {commit: renames_since(commit) for commit in commits}
    then = {commit: changed_by(commit) for commit in commits}
    now = {commit: [where_now(file, renames[commit]) for file in then[commit]] for commit in commits}
    rows = []
    for stage, deps in after.items():
        row = [stage, len(deps), sum(is_stale(deps, now[commit]) for commit in commits)]
        if before is not None:
            known = before.get(stage)
            row[1:1] = [len(known), sum(is_stale(known, then[c]) for c in commits)] if known else [None, None]
        rows.append(row)
    earlier = [] if before is None else ["code deps before", "stale before"]
    return tabulate(rows, ["stage", *earlier, "code deps", "stale"], tablefmt="github", missingval="–")


def retrained(commits: list[str], after: Deps) -> str:
    """Of each commit that changes a stage's code, the newest first: by which files train would be stale."""
    rows, code = [], [dep for deps in after.values() for dep in deps]
    for commit in commits:
        renames = renames_since(commit)
        files = [where_now(file, renames) for file in changed_by(commit)]
        if not is_stale(code, files):
            continue
        guilty = [file.removeprefix("src/") for file in files if is_stale(after["train"], [file])]
        subject = git("log", "-1", "--format=%s", commit).strip()
        rows.append([commit[:7], subject, ", ".join(guilty) or "no"])
    head = ["commit", "changes code", "trains again by"]
    return tabulate(rows, head, tablefmt="github", disable_numparse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--commits", type=int, default=25, metavar="N")
    parser.add_argument("--until", default="HEAD", metavar="REV", help="the last of the commits")
    parser.add_argument("--before", metavar="REV", help="also by this commit's dvc.yaml")
    parser.add_argument("--retrained", action="store_true", help="a line a commit, of the train stage")
    given = parser.parse_args()
    commits = git("rev-list", "--no-merges", f"--max-count={given.commits}", given.until).split()
    before = code_deps(git("show", f"{given.before}:dvc.yaml")) if given.before else None
    after = code_deps(Path("dvc.yaml").read_text(encoding="utf-8"))
    if given.retrained:
        print(retrained(commits, after))
        return
    print(f"{len(commits)} commits until {given.until}:\n")
    print(table(commits, before, after))


if __name__ == "__main__":
    main()

"""The commit that made an export."""

import subprocess


def commit_at_hand() -> str:
    """The commit as `git describe` has it, with "-dirty" if files differ; "unknown" without a repository."""
    command = ["git", "describe", "--always", "--dirty"]
    described = subprocess.run(command, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"

"""The commit that made an export."""

import subprocess


def commit_at_hand() -> str:
    """As git describes it, "-dirty" where files differ from it; "unknown" outside of a repository."""
    command = ["git", "describe", "--always", "--dirty"]
    described = subprocess.run(command, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"

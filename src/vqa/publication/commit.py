"""What was made here was made by which commit."""

import subprocess


def commit_at_hand() -> str:
    """As git describes it, "-dirty" where files differ from it; "unknown" outside of a repository."""
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"

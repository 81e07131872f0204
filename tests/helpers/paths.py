"""Where things lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]  # of the repository
SHARED = ROOT.parent / "shared"  # real data beside a checkout, in no repository

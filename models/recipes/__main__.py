"""How the models of this repository were made.

    python models/recipes                       # lists the tools
    python models/recipes smollm2-parts --help  # how one is used

No stage needs them: what they make is kept in git, or written by a command of the Makefile.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from blip2_smollm2.cli import smollm2_parts, smollm2_qformer
from small_blip2.cli import drawings, photographs
from vqa.core.cli import command_line
from vqa.core.errors import run_command

if __name__ == "__main__":
    tools = command_line(__doc__, drawings, photographs, smollm2_parts, smollm2_qformer)
    run_command(lambda: tools(sys.argv[1:] or ["--help"], prog_name="python models/recipes"))

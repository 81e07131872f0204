"""Tables of measurements in docs/results, each with the machine that measured it and the day.

A benchmark prints each row as soon as it is measured. With `--write` it also puts the row into its page: a
benchmark that is stopped keeps what it has, and one row can be measured again without the others.
"""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from tabulate import tabulate

RESULTS = Path(__file__).parents[1] / "docs/results"
DATE = "measured"  # the last column's title


def machine(device: str) -> str:
    """One line: processor or GPU, memory, versions."""
    processors = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) or [platform.machine()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    level = torch.backends.cpu.get_cpu_capability()
    has_amx = torch.cpu.get_capabilities().get("amx_bf16", False)
    name = f"{processors[0]} ({level}, {'AMX' if has_amx else 'no AMX'}), {os.cpu_count()} cores, "
    name += f"{memory / 1e9:.2f} GB"
    if device == "cuda":
        name = torch.cuda.get_device_name()
    libraries = ", ".join(f"{library} {version(library)}" for library in ("torch", "transformers", "peft"))
    threads = torch.get_num_threads()
    count = "1 thread" if threads == 1 else f"{threads} threads"
    return f"{name}; Python {platform.python_version()}, {libraries}; {count}"


def report(titles: Sequence[str], row: Sequence[str], device: str, page: Path | None, section: str) -> None:
    """Print a row of `section` under its titles; with a `page`, write it between the marks there too.

    A row replaces the one that begins with the same cell. On another machine the table starts afresh, so
    that no two machines meet in one table.

    Raises:
        ValueError: the page has no such section, or a cell has a bar, which ends a cell in Markdown.
    """
    if any("|" in cell for cell in row):
        raise ValueError(f"a cell of {row} has a bar")
    print(f"{section}\n", flush=True)
    print(tabulate([row], titles, tablefmt="github", disable_numparse=True), flush=True)
    if page is None:
        return
    today = datetime.now(UTC).date().isoformat()
    begin, end = f"<!-- {section} -->\n", f"<!-- /{section} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    old, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no lines {begin.strip()} and {end}")
    heading = f"{machine(device)}.\n"
    rows = {cells[0]: cells for cells in _rows(old)} if old.startswith(heading) else {}
    rows[row[0]] = [*row, today]
    table = tabulate(list(rows.values()), [*titles, DATE], tablefmt="github", disable_numparse=True)
    page.write_text(f"{before}{begin}{heading}\n{table}\n{end}{after}", encoding="utf-8")


def _rows(table: str) -> list[list[str]]:
    """The cells of a Markdown table, without its titles."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]

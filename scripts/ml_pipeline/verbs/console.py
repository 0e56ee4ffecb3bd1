"""How commands speak: results to stdout, talk and progress to stderr."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

_COLOURS = {"green": 32, "red": 31, "yellow": 33}
OK, FINDINGS, USAGE, BUG, INTERRUPTED = 0, 1, 2, 3, 130


def result(text: str) -> None:
    """One line of the answer."""
    sys.stdout.write(text + "\n")


def talk(text: str) -> None:
    """One line about what is going on."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def answer(data: Any, text: str, output: str) -> None:
    """The answer in the form that was asked for."""
    result(json.dumps(data, indent=2) if output == "json" else text)


def painted(line: str, colour: str) -> str:
    """A line in a colour, cut to the terminal's width; as it is where stdout is none, or NO_COLOR is set."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return fitted(line)
    return f"\x1b[{_COLOURS[colour]}m{fitted(line)}\x1b[0m"


def fitted(line: str) -> str:
    """A line cut to the terminal's width; whole where stdout is none."""
    width = shutil.get_terminal_size().columns
    return line if not sys.stdout.isatty() or len(line) <= width else f"{line[: width - 1]}…"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned, two spaces between them."""
    widths = (
        [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    )
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )

"""How commands speak: results to stdout, talk and progress to stderr."""

import json
import sys
from collections.abc import Sequence
from typing import Any

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


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned, two spaces between them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)

"""How commands speak: results to stdout, talk to stderr, colours where a terminal shows them."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from ml_pipeline.documents import escape

OK, FINDINGS, USAGE, BUG, INTERRUPTED = 0, 1, 2, 3, 130
_COLOURS = {"green": 32, "red": 31, "yellow": 33}
# What a cell of a table says about how something stands; any other word has no colour.
_TONES = {
    **dict.fromkeys(("Complete", "Available", "succeeded", "passed", "finished", "ready"), "green"),
    **dict.fromkeys(
        ("Running", "Pending", "Deleting", "Suspended", "Creating", "pending"), "yellow"
    ),
    **dict.fromkeys(("Failed", "failed", "aborted"), "red"),
}
# The colours of this module itself, which are the only escape sequences that are printed.
_PAINT = re.compile("(\x1b\\[(?:31|32|33|0)m)")
# Lists that take what would be printed, the innermost last; empty where it is printed.
_kept: list[list[str]] = []


def result(text: str) -> None:
    """One line of the answer."""
    shown = _printable(text, sys.stdout)
    if _kept:
        _kept[-1].append(shown)
    else:
        sys.stdout.write(shown + "\n")


def talk(text: str) -> None:
    """One line about what is going on."""
    sys.stderr.write(_printable(text, sys.stderr) + "\n")
    sys.stderr.flush()


def annotate(message: str, **properties: str | int) -> None:
    """An error that GitHub Actions shows beside the code, on stderr."""
    sys.stderr.write(escape.annotation("error", escape.line(message), **properties) + "\n")


def problem(text: str) -> None:
    """Lines about what is wrong."""
    for line in text.splitlines():
        talk(coloured(line, "red", sys.stderr))


def answer(data: object, text: str, output: str) -> None:
    """The answer in the form that was asked for."""
    if output != "json":
        result(text)
        return
    # Not above: --help answers nothing, and must not wait for it.
    import json

    # JSON escapes what a terminal obeys. This is the one sign of a workflow command of GitHub
    # Actions that could stand inside of a line.
    result(json.dumps(data, indent=2).replace("##[", "#\\u0023["))


@contextmanager
def kept() -> Iterator[list[str]]:
    """What would be printed to stdout inside the block is in the list instead, as it would be."""
    _kept.append([])
    try:
        yield _kept[-1]
    finally:
        _kept.pop()


def has_colours(stream: TextIO) -> bool:
    """Whether a stream shows colours: a terminal does.

    With NO_COLOR none does, with FORCE_COLOR everything else does too.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream)


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that knows escape sequences."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def coloured(text: str, colour: str, stream: TextIO | None = None) -> str:
    """A text in a colour; as it is where the stream, stdout unless another is named, shows none."""
    if not has_colours(stream or sys.stdout):
        return text
    # Escaped here: a sequence of one of our colours inside the text would pass for ours later.
    return f"\x1b[{_COLOURS[colour]}m{escape.terminal(text)}\x1b[0m"


def painted(line: str, colour: str) -> str:
    """A line in a colour, cut to the terminal's width."""
    return coloured(fitted(line), colour)


def fitted(line: str) -> str:
    """A line cut to the terminal's width; whole where stdout is none."""
    import shutil

    width = shutil.get_terminal_size().columns
    if not sys.stdout.isatty() or len(line) <= width:
        return line
    return f"{line[: width - 1]}…"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned, two spaces between them; cells that say how something stands in colours."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_row(row, widths) for row in rows)


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    # The last cell is not padded, so that no line ends with spaces.
    last = max((at for at, cell in enumerate(row) if cell), default=-1)
    cells = []
    for at in range(last + 1):
        cell = row[at]
        padding = "" if at == last else " " * (widths[at] - len(cell))
        tone = _TONES.get(cell.partition(":")[0])
        # Coloured after its width is taken: an escape sequence takes no room on a terminal.
        cells.append((coloured(cell, tone) if tone else cell) + padding)
    return "  ".join(cells)


def _printable(text: str, stream: TextIO) -> str:
    """What may be printed: of all that a terminal or GitHub Actions obeys, our colours alone."""
    if os.environ.get("GITHUB_ACTIONS"):
        text = escape.log_of_actions(text)
    if not has_colours(stream):
        return escape.terminal(text)
    parts = _PAINT.split(text)
    return "".join(part if _PAINT.fullmatch(part) else escape.terminal(part) for part in parts)

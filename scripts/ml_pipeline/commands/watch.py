"""`--watch`: what a command shows, again whenever it has changed."""

import json
import shutil
import sys
import time
from collections.abc import Callable

from ml_pipeline.commands import console
from ml_pipeline.documents.faults import PipelineError

Look = Callable[[str], int]
"""Prints how things stand now, in a form of output."""
SECONDS = 1.0
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_CLOCKS = ("seconds", "age_s")  # what changes with time alone is no change


def watch(look: Look, *, output: str = "text") -> int:
    """Show what `look` prints for a form of output, until Ctrl-C; returns 130 then.

    A terminal is redrawn. Elsewhere a block is printed when something other than a clock has
    changed. What fails after the first look is shown in its place: whoever watches wants to know,
    and it may pass.
    """
    is_screen = output == "text" and console.is_terminal(sys.stdout)
    show = _Screen() if is_screen else _Blocks(output)
    # Outside of the loop: what fails at once is most likely mistyped, and never passes.
    show.next(look)
    try:
        while True:
            time.sleep(SECONDS)
            try:
                show.next(look)
            except PipelineError as error:
                show.put(str(error))
    except KeyboardInterrupt:
        return console.INTERRUPTED


class _Screen:
    """A terminal whose content is replaced."""

    def __init__(self) -> None:
        self._shown: str | None = None

    def next(self, look: Look) -> None:
        self.put(_printed(look, "text"))

    def put(self, text: str) -> None:
        size = shutil.get_terminal_size()
        lines = text.splitlines()
        if len(lines) >= size.lines:
            # One line says how many are left out, and the cursor stands in the last.
            kept = lines[: size.lines - 2]
            lines = [*kept, f"... {len(lines) - len(kept)} more lines"]
        drawn = "".join(f"{line}{_REST_OF_LINE}\n" for line in lines)
        if drawn != self._shown:
            self._shown = drawn
            # Written over what is there, not after clearing it, which would flicker.
            sys.stdout.write(f"{_HOME}{drawn}{_REST_OF_SCREEN}")
            sys.stdout.flush()


class _Blocks:
    """A pipe or file, in which one block follows the other."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._shown: object = None

    def next(self, look: Look) -> None:
        # The data, whatever is shown of it: a text has its clocks in places that nobody knows.
        raw = _printed(look, "json")
        data = _without_clocks(json.loads(raw))
        if data != self._shown:
            self.put(raw if self._output == "json" else _printed(look, self._output))
            self._shown = data

    def put(self, text: str) -> None:
        if text == self._shown:
            return
        if self._shown is not None and self._output == "text":
            sys.stdout.write("\n")
        self._shown = text
        sys.stdout.write(text + "\n")
        # At once: a pipe would keep some thousand characters back.
        sys.stdout.flush()


def _printed(look: Look, output: str) -> str:
    with console.kept() as lines:
        look(output)
    return "\n".join(lines)


def _without_clocks(data: object) -> object:
    if isinstance(data, dict):
        return {key: _without_clocks(value) for key, value in data.items() if key not in _CLOCKS}
    if isinstance(data, list):
        return [_without_clocks(part) for part in data]
    return data

"""`--watch`: what a command shows, again whenever it has changed."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from ml_pipeline.commands import console
from ml_pipeline.documents.faults import PipelineError

SECONDS = 1.0
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_CLOCKS = ("seconds", "age_s")  # what changes with time alone is no change


def watch(look: Callable[[str], int], *, output: str = "text") -> int:
    """Show what `look` prints for a form of output, until Ctrl-C; returns 130 then.

    A terminal is redrawn. Elsewhere a block is printed when something other than a clock has changed. What fails after
    the first look is shown in its place: whoever watches wants to know, and it may pass.
    """
    show = _Screen() if output == "text" and console.is_terminal(sys.stdout) else _Blocks(output)
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

    def next(self, look: Callable[[str], int]) -> None:
        self.put(_printed(look, "text"))

    def put(self, text: str) -> None:
        size = shutil.get_terminal_size()
        lines = text.splitlines()
        if len(lines) >= size.lines:
            kept = lines[: size.lines - 2]
            lines = [*kept, f"... {len(lines) - len(kept)} more lines"]
        drawn = "".join(f"{line}{_REST_OF_LINE}\n" for line in lines)
        if drawn != self._shown:
            self._shown = drawn
            sys.stdout.write(f"{_HOME}{drawn}{_REST_OF_SCREEN}")
            sys.stdout.flush()


class _Blocks:
    """A pipe or file, in which one block follows the other."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._shown: Any = None

    def next(self, look: Callable[[str], int]) -> None:
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
        sys.stdout.flush()


def _printed(look: Callable[[str], int], output: str) -> str:
    with console.kept() as lines:
        look(output)
    return "\n".join(lines)


def _without_clocks(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: _without_clocks(value) for k, value in data.items() if k not in _CLOCKS}
    return [_without_clocks(part) for part in data] if isinstance(data, list) else data

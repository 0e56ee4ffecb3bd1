"""Running other programs; no other module does.

What looks at processes is in `procfs`, which the shim of a container imports alone; everybody else
finds both here.
"""

import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.procfs import (
    descendants,
    is_alive,
    parent_of,
    resident_bytes,
    send,
    with_variable,
)
from ml_pipeline.documents.faults import PipelineError

__all__ = [
    "Limits",
    "ProgramError",
    "Started",
    "descendants",
    "is_alive",
    "parent_of",
    "resident_bytes",
    "run",
    "run_limited",
    "send",
    "spawn",
    "with_variable",
]

Started = subprocess.Popen[bytes]
_MOST_SAID = 64 * 1024


class ProgramError(PipelineError):
    """A program failed; carries what it was, where it ran and what it said."""

    def __init__(self, command: Sequence[str], code: int, stderr: str) -> None:
        self.command, self.code, self.stderr = tuple(command), code, stderr
        last = stderr.strip().splitlines()[-1] if stderr.strip() else "no message"
        super().__init__(f"`{' '.join(command[:4])}` ended with {code}: {last}")


@dataclass(frozen=True)
class Limits:
    """What a program that reads a stranger's files may use.

    `memory` and `output` are in bytes, `seconds` are those of the processor and of waiting.
    """

    memory: int
    seconds: int
    output: int


def run_limited(command: Sequence[str], limits: Limits, *, env: Mapping[str, str]) -> bytes:
    """Standard output of a program that is held to limits; memory and output only on Linux.

    Raises:
        ProgramError: it is not there, it ended with another code than 0, or it passed a limit.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        process = _popen(
            command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=out, stderr=said
        )
        _hold(process.pid, limits)
        try:
            code = process.wait(limits.seconds)
        except subprocess.TimeoutExpired as error:
            text = f"is not done after {limits.seconds} seconds"
            raise ProgramError(command, 124, text) from error
        finally:
            # Also where somebody interrupts the wait: no program outlives its limits.
            if process.poll() is None:
                process.kill()
                process.wait()
        if code == 0:
            out.seek(0)
            return out.read()
        said.seek(0)
        text = _passed(code, limits) or _last_words(said.read(), limits)
        raise ProgramError(command, code, text)


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> bytes:
    """Standard output of a program, which may take some `seconds`; without, as long as it likes.

    Raises:
        ProgramError: it is not there, it ended with another code than 0, or it took too long.
    """
    options: dict[str, Any] = {
        "cwd": cwd,
        "stdin": None if stdin is None else subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": None if env is None else {**os.environ, **env},
        # What it has started holds its pipes too, and is ended with it.
        "start_new_session": seconds is not None,
    }
    with _popen(command, **options) as process:
        try:
            output, errors = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            # The group, or a child that holds the pipes would make `communicate` wait on.
            os.killpg(process.pid, signal.SIGKILL)
            text = f"timed out after {seconds:g} s; it was ended"
            raise ProgramError(command, 124, text) from error
        finally:
            # Interrupted: nobody waits for it any more.
            if process.poll() is None:
                process.kill()
    if process.returncode:
        raise ProgramError(command, process.returncode, errors.decode(errors="replace"))
    return output


def _popen(command: Sequence[str], **options: Any) -> Started:
    try:
        return subprocess.Popen(command, **options)
    except FileNotFoundError as error:
        text = f"{error.filename or command[0]} is not there; run `make setup`"
        raise ProgramError(command, 127, text) from error


def _hold(pid: int, limits: Limits) -> None:
    """Limit a program that has just been started."""
    # From outside: a function that runs between fork and exec would be in the way of threads.
    if not hasattr(resource, "prlimit"):
        return
    amounts = {
        # The heap, and not the addresses: Go reserves more of those than it ever uses.
        resource.RLIMIT_DATA: limits.memory,
        resource.RLIMIT_CPU: limits.seconds,
        resource.RLIMIT_FSIZE: limits.output,
        resource.RLIMIT_CORE: 0,
    }
    for kind, amount in amounts.items():
        try:
            resource.prlimit(pid, kind, (amount, amount))
        except ProcessLookupError:  # it has ended already
            return


def _passed(code: int, limits: Limits) -> str:
    """Which limit a signal tells of."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"is not done after {limits.seconds} seconds"
    if code == -signal.SIGXFSZ:
        return f"prints more than {limits.output // 2**20} MiB"
    return ""


def _last_words(raw: bytes, limits: Limits) -> str:
    """What a program says at its end.

    In its own words, unless it lacked memory, or room for its output.
    """
    said = raw[:_MOST_SAID].decode(errors="replace")
    lowered = said.lower()
    if "out of memory" in lowered or "cannot allocate memory" in lowered:
        return f"needs more than {limits.memory // 2**20} MiB of memory"
    if "file too large" in lowered:
        return f"prints more than {limits.output // 2**20} MiB"
    return said


def spawn(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Started:
    """Start a program in its own session, its output appended to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )

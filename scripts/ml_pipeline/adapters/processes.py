"""Running other programs and looking at processes; no other module does either."""

import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_pipeline.documents.faults import PipelineError

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
    """What a program that reads a stranger's files may use: bytes of memory, seconds of processor and of waiting, bytes of output."""

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
        finally:  # also where somebody interrupts the wait
            if process.poll() is None:
                process.kill()
                process.wait()
        for stream in (out, said):
            stream.seek(0)
        if code == 0:
            return out.read()
        raise ProgramError(command, code, _passed(code, limits) or _told(said.read(), limits))


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
            os.killpg(process.pid, signal.SIGKILL)
            raise ProgramError(
                command, 124, f"timed out after {seconds:g} s; it was ended"
            ) from error
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
        raise ProgramError(
            command, 127, f"{error.filename or command[0]} is not there; run `make setup`"
        ) from error


def _hold(pid: int, limits: Limits) -> None:
    """Limit a program that has just been started: a function that runs between fork and exec would be in the way of threads."""
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
        except ProcessLookupError:
            return


def _passed(code: int, limits: Limits) -> str:
    """Which limit a signal tells of."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"is not done after {limits.seconds} seconds"
    if code == -signal.SIGXFSZ:
        return f"prints more than {limits.output // 2**20} MiB"
    return ""


def _told(raw: bytes, limits: Limits) -> str:
    """What a program says at its end, in its own words unless it lacked memory or room for its output."""
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


def parent_of(pid: int) -> int | None:
    """Parent of a process, None where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def descendants(pid: int) -> list[int]:
    """Every process below one, nearest first."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (parent := parent_of(int(entry.name))) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        queue = [child for parent in queue for child in children.get(parent, ())]
        found += queue
    return found


def with_variable(name: str, value: str) -> list[int]:
    """Processes that were started with an environment variable of this value; this one not among them."""
    wanted, found = f"{name}={value}".encode(), []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if wanted in Path(f"/proc/{entry.name}/environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def resident_bytes(pids: Iterable[int]) -> int:
    """Memory of processes: shared pages are counted once (PSS), as far as the kernel tells."""
    return sum(_pss(pid) for pid in pids)


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes; those already gone are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    return 0

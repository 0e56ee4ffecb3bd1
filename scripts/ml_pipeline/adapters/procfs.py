"""Looking at processes, and signalling them; by the standard library alone.

The shim of every container imports this, and stays as small as Python itself is.
"""

import os
import signal
from collections.abc import Iterable, Iterator


def parent_of(pid: int) -> int | None:
    """Parent of a process, None where it is gone."""
    try:
        return int(_stat(pid)[1])
    except (OSError, ValueError, IndexError):
        return None


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return _stat(pid)[0] != "Z"
    except (OSError, IndexError):
        return False


def descendants(pid: int) -> list[int]:
    """Every process below one, nearest first."""
    children: dict[int, list[int]] = {}
    for process in _all():
        parent = parent_of(process)
        if parent is not None:
            children.setdefault(parent, []).append(process)
    below: list[int] = []
    generation = children.get(pid, [])
    while generation:
        below += generation
        generation = [child for parent in generation for child in children.get(parent, ())]
    return below


def with_variable(name: str, value: str) -> list[int]:
    """Processes that were started with an environment variable of this value, but this one."""
    wanted = f"{name}={value}".encode()
    marked = []
    for process in _all():
        if process == os.getpid():
            continue
        try:
            if wanted in _read(process, "environ").split(b"\0"):
                marked.append(process)
        except OSError:  # it has ended meanwhile, or belongs to somebody else
            continue
    return marked


def resident_bytes(pids: Iterable[int]) -> int:
    """Memory of processes: shared pages are counted once (PSS), as far as the kernel tells."""
    return sum(_proportional_bytes(pid) for pid in pids)


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes; those already gone are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _all() -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            yield int(entry.name)


def _stat(pid: int) -> list[str]:
    """State, parent and what follows; the name before them may hold blanks and brackets."""
    return _read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()


def _proportional_bytes(pid: int) -> int:
    try:
        for line in _read(pid, "smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    return 0


def _read(pid: int, name: str) -> bytes:
    with open(f"/proc/{pid}/{name}", "rb") as source:
        return source.read()

"""How much memory a process or its container holds, and has held at most."""

import ctypes
import os
import re
from pathlib import Path

# What the limit is held against, in bytes: cgroup version 2, then 1.
CGROUP = (
    Path("/sys/fs/cgroup/memory.peak"),
    Path("/sys/fs/cgroup/memory/memory.max_usage_in_bytes"),
)
# Only a container has this file; outside one the cgroup holds other things too.
IN_CONTAINER = "/dev/termination-log"
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # https://docs.kernel.org/filesystems/proc.html, clear_refs
_peak_seen = 0.0  # MiB: the kernel forgets the peak when it is reset


def peak_mib(cgroup: tuple[Path, ...] = CGROUP) -> int:
    """Most memory so far, in MiB: of the container, or of this process where no cgroup tells."""
    for path in cgroup:
        if path.exists():
            return int(path.read_text()) // 2**20
    return int(_own_peak())


def peak_of_run(path: str = IN_CONTAINER) -> int:
    """Most memory so far, in MiB: of the pod, or of this process alone outside one."""
    return peak_mib() if os.access(path, os.W_OK) else peak_mib(())


class Growth:
    """By how much this process grows at most, from here on."""

    def __init__(self) -> None:
        # What was freed and is still resident would be used again,
        # and the growth seem smaller than it is.
        ctypes.CDLL(None).malloc_trim(0)
        self._exact = _reset_peak()
        self._start = resident_mib()

    def peak_mib(self) -> float:
        """The most so far, in MiB; where the kernel does not
        let the peak be reset, what it is now."""
        return max(_status("VmHWM" if self._exact else "VmRSS") - self._start, 0.0)


def resident_mib() -> float:
    """What this process holds now, in MiB."""
    return _status("VmRSS")


def _own_peak() -> float:
    # Not ru_maxrss: that begins with the peak of the process which started this one.
    global _peak_seen
    _peak_seen = max(_status("VmHWM"), _peak_seen)
    return _peak_seen


def _reset_peak() -> bool:
    _own_peak()
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _status(name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    assert found, name
    return int(found[1]) / 1024

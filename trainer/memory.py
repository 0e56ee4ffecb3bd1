"""The most memory this container has held, left where Kubernetes keeps it when the process is killed."""

import os
import resource
import threading
import time
from pathlib import Path

# Kubernetes takes this file into the pod's status when the container ends, however it ends:
# https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
TERMINATION_LOG = "/dev/termination-log"
INTERVAL_SECONDS = 0.25
# What the limit is held against, in bytes: cgroup version 2, then 1.
CGROUP = (
    Path("/sys/fs/cgroup/memory.peak"),
    Path("/sys/fs/cgroup/memory/memory.max_usage_in_bytes"),
)


def note_peak(path: str = TERMINATION_LOG) -> None:
    """Write `peak N MiB after T s` now and every quarter of a second; nothing where there is no such file, as outside a pod."""
    if os.access(path, os.W_OK):
        threading.Thread(target=_note, args=(Path(path), time.monotonic()), daemon=True).start()


def peak_mib(cgroup: tuple[Path, ...] = CGROUP) -> int:
    """Most memory so far, in MiB: of the container, or of this process where no cgroup tells."""
    for path in cgroup:
        if path.exists():
            return int(path.read_text()) // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def peak_of_run(path: str = TERMINATION_LOG) -> int:
    """Most memory so far, in MiB: of the pod, or of this process alone outside one, where the cgroup holds other things too."""
    return peak_mib() if os.access(path, os.W_OK) else peak_mib(())


def _note(path: Path, start: float) -> None:
    while True:
        path.write_text(f"peak {peak_mib()} MiB after {time.monotonic() - start:.1f} s")
        time.sleep(INTERVAL_SECONDS)

"""The most memory this process has held, left where Kubernetes keeps it when the process is killed."""

import os
import resource
from pathlib import Path

# Kubernetes reads this file into the pod's status when the container ends, however it ends:
# https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
TERMINATION_LOG = "/dev/termination-log"


def note_peak(moment: str, path: str = TERMINATION_LOG) -> None:
    """Write `peak N MiB, MOMENT`; nothing where there is no such file, as outside a pod."""
    if os.access(path, os.W_OK):
        Path(path).write_text(f"peak {peak_mib()} MiB, {moment}")


def peak_mib() -> int:
    """Most resident memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

"""`python -m ml_pipeline.environments.embedded.shim SPEC`: runs one container as a process tree, as kubelet and its runtime would.

The shim is the parent of everything the container starts. It enforces the memory limit, keeps the log, and writes how
the container ended. When the environment dies, however it dies, the kernel tells the shim, and the tree goes with it.
"""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.files import write_whole

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
POLL_SECONDS, MEMORY_SECONDS = 0.05, 0.5
# The variable that tells a container where it says how it ended.
TERMINATION_LOG = "TERMINATION_LOG"
MESSAGE_BYTES = 4096  # of it that are kept, the last ones, as the kubelet does
_libc = ctypes.CDLL(None, use_errno=True)


class Container:
    """One process tree, from start to the record of its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec: dict[str, Any] = json.loads((folder / "spec.json").read_bytes())
        self.status: dict[str, Any] = {
            "phase": "Running",
            "shim": os.getpid(),
            "started": time.time(),
            "peak_bytes": 0,
        }
        self.deadline: float | None = None
        self.reason = ""
        self.main = 0

    def run(self) -> None:
        """Start the command and stay until nothing of it is left."""
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        signal.signal(signal.SIGHUP, lambda *_: self.kill("Lost"))
        die_with_parent(signal.SIGHUP, self.spec["parent"])
        self.main = self._start()
        self.status["pid"] = self.main
        self._write()
        checked = 0.0
        while (code := self._reap()) is None:
            now = time.monotonic()
            if self.deadline is not None and now > self.deadline:
                self.kill(self.reason)
            if now - checked > MEMORY_SECONDS:
                checked = now
                self._check_memory()
            time.sleep(POLL_SECONDS)
        self._clean()
        ended = {
            "phase": "Ended",
            "exit_code": code,
            "reason": self.reason or ("Completed" if code == 0 else "Error"),
            "finished": time.time(),
            "message": self._message(),
        }
        self.status |= ended
        self._write()

    def _message(self) -> str:
        """What the container has left to say, taken into the record once, when it ends: nobody writes it afterwards."""
        path = Path(self.spec["env"].get(TERMINATION_LOG, ""))
        if not path.is_file():
            return ""
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - MESSAGE_BYTES))
            return log.read(MESSAGE_BYTES).decode(errors="replace")

    def stop(self) -> None:
        """SIGTERM to the container, SIGKILL after its grace period."""
        self.deadline = time.monotonic() + float(self.spec["grace_seconds"])
        processes.send([self.main], signal.SIGTERM)

    def kill(self, reason: str) -> None:
        """SIGKILL to the whole tree."""
        self.reason = reason
        self.deadline = None
        processes.send(processes.descendants(os.getpid()), signal.SIGKILL)

    def _start(self) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            die_with_parent(signal.SIGKILL, os.getppid())
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.sched_setaffinity(0, self.spec["cpus"])
            os.chdir(self.spec["cwd"])
            command = self.spec["command"]
            os.execvpe(command[0], command, self.spec["env"])  # noqa: S606  the container itself, no shell
        except OSError as error:
            sys.stderr.write(f"cannot start {self.spec['command'][0]}: {error}\n")
        os._exit(127)

    def _reap(self) -> int | None:
        """Exit code of the container once it has ended, 128 + the number of a signal."""
        ended = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            if pid == self.main:
                code = os.waitstatus_to_exitcode(status)
                ended = code if code >= 0 else 128 - code

    def _check_memory(self) -> None:
        limit = self.spec["memory_bytes"]
        if not limit:
            return
        used = processes.resident_bytes(processes.descendants(os.getpid()))
        if used > self.status["peak_bytes"]:
            self.status["peak_bytes"] = used
        if used > limit and not self.reason:
            sys.stderr.write(
                f"OOMKilled: {used // 2**20} MiB used, the limit is {limit // 2**20} MiB\n"
            )
            self.kill("OOMKilled")

    def _clean(self) -> None:
        while left := processes.descendants(os.getpid()):
            processes.send(left, signal.SIGKILL)
            self._reap()
            time.sleep(0.01)

    def _write(self) -> None:
        write_whole(self.folder / "status.json", json.dumps(self.status).encode())


def die_with_parent(number: signal.Signals, parent: int) -> None:
    """Ask the kernel for a signal when the parent ends; end at once if it has ended already."""
    _libc.prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    Container(Path(sys.argv[1])).run()

"""`python -m ml_pipeline.environments.embedded.shim FOLDER`: runs one container.

It is what kubelet and its runtime are elsewhere: the parent of everything that the container
starts. It enforces the memory limit and writes how the container ended. When the environment dies,
however it dies, the kernel tells the shim, and the tree goes with it.

There is one such process for each container, so it imports the standard library alone: 11 MiB
instead of 37. Of that library nothing that draws in OpenSSL or `inspect` either, as `secrets` and
`dataclasses` do: `records.py` says what the files hold.
"""

import ctypes
import json
import os
import signal
import sys
import time
from typing import Any

from ml_pipeline.adapters import procfs

# From linux/prctl.h; Python has no names for them.
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# The first is how late an end may be noticed; reading the memory of a tree costs more than that.
POLL_SECONDS, MEMORY_SECONDS = 0.05, 0.5
# The variable that tells a container where it says how it ended.
TERMINATION_LOG = "TERMINATION_LOG"
MESSAGE_BYTES = 4096  # of it that are kept, the last ones, as the kubelet does
_libc = ctypes.CDLL(None, use_errno=True)


class Container:
    """One process tree, from start to the record of its end."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        with open(f"{folder}/spec.json", "rb") as source:
            self.spec: dict[str, Any] = json.load(source)
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
        # Before anything is started: whoever loses his parent becomes this process' child, and so
        # is found, counted and ended however it detached itself.
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        signal.signal(signal.SIGHUP, lambda *_: self.kill("Lost"))
        # After the handler of SIGHUP, or the signal that is asked for would end the shim alone.
        die_with_parent(signal.SIGHUP, self.spec["parent"])
        self.main = self._start()
        self.status["pid"] = self.main
        self._write()
        code = self._wait()
        # First nothing is left, then it is said: who reads `Ended` may take the folder away.
        self._clean()
        self.status |= {
            "phase": "Ended",
            "exit_code": code,
            "reason": self.reason or ("Completed" if code == 0 else "Error"),
            "finished": time.time(),
            "message": self._message(),
        }
        self._write()

    def _wait(self) -> int:
        """Exit code of the container; meanwhile its deadline and its memory are looked after."""
        checked = 0.0
        while (code := self._reap()) is None:
            now = time.monotonic()
            if self.deadline is not None and now > self.deadline:
                self.kill(self.reason)
            if now - checked > MEMORY_SECONDS:
                checked = now
                self._check_memory()
            time.sleep(POLL_SECONDS)
        return code

    def _message(self) -> str:
        """What the container has left to say, taken once, when nobody writes it any more."""
        path = self.spec["env"].get(TERMINATION_LOG, "")
        if not os.path.isfile(path):
            return ""
        with open(path, "rb") as log:
            log.seek(max(0, os.path.getsize(path) - MESSAGE_BYTES))
            return log.read(MESSAGE_BYTES).decode(errors="replace")

    def stop(self) -> None:
        """SIGTERM to the container, SIGKILL after its grace period."""
        self.deadline = time.monotonic() + float(self.spec["grace_seconds"])
        procfs.send([self.main], signal.SIGTERM)

    def kill(self, reason: str) -> None:
        """SIGKILL to the whole tree."""
        self.reason = reason
        self.deadline = None
        procfs.send(procfs.descendants(os.getpid()), signal.SIGKILL)

    def _start(self) -> int:
        shim = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            # The request stays across exec; SIGKILL needs no help of the container.
            die_with_parent(signal.SIGKILL, shim)
            # A handler is the shim's and ends with exec; a signal before that must not run it.
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.sched_setaffinity(0, self.spec["cpus"])
            os.chdir(self.spec["cwd"])
            command = self.spec["command"]
            # The container itself, no shell.
            os.execvpe(command[0], command, self.spec["env"])  # noqa: S606
        except OSError as error:
            sys.stderr.write(f"cannot start {self.spec['command'][0]}: {error}\n")
        # Without cleaning up: buffers and handlers of this process belong to the shim.
        os._exit(127)

    def _reap(self) -> int | None:
        """Exit code of the container once it has ended, 128 + the number of a signal."""
        ended = None
        # Until there is no more: one SIGCHLD stands for many ends, and orphans come here too.
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
        used = procfs.resident_bytes(procfs.descendants(os.getpid()))
        self.status["peak_bytes"] = max(self.status["peak_bytes"], used)
        if used > limit and not self.reason:
            sys.stderr.write(
                f"OOMKilled: {used // 2**20} MiB used, the limit is {limit // 2**20} MiB\n"
            )
            self.kill("OOMKilled")

    def _clean(self) -> None:
        # Again and again: what forks while it is looked for is found by the next look.
        while left := procfs.descendants(os.getpid()):
            procfs.send(left, signal.SIGKILL)
            self._reap()
            time.sleep(0.01)

    def _write(self) -> None:
        # Whole or not at all, by rename. No other process writes here, so its id makes the name.
        temporary = f"{self.folder}/.status.json.{os.getpid()}"
        with open(temporary, "w") as sink:
            json.dump(self.status, sink)
        os.replace(temporary, f"{self.folder}/status.json")


def die_with_parent(number: signal.Signals, parent: int) -> None:
    """Ask the kernel for a signal when the parent ends; end at once if it has ended already."""
    _libc.prctl(PR_SET_PDEATHSIG, int(number))
    # The parent may have ended before the kernel was asked: then no signal ever comes.
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    Container(sys.argv[1]).run()

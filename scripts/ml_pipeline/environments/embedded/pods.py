"""Pods of the embedded environment: a container of a manifest becomes a process with its limits, volumes and image."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.files import write_whole
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.environments.embedded.images import Images
from ml_pipeline.environments.embedded.state import State, read_json

LOST = "Lost"
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Limits:
    """What a pod may use; 0 cores or bytes mean no limit. `grace_seconds` lie between SIGTERM and SIGKILL."""

    cores: float = 0
    memory_bytes: int = 0
    grace_seconds: float = 5


NO_LIMITS = Limits()


@dataclass
class Pods:
    """Starts, watches and stops pods. `hosts` maps addresses of the cluster to addresses of this machine."""

    state: State
    images: Images
    hosts: dict[str, str]
    _shims: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stopping: set[str] = field(default_factory=set)
    _turn: int = 0

    def start(
        self,
        name: str,
        pod: dict[str, Any],
        *,
        extra: dict[str, str] | None = None,
        command: list[str] | None = None,
    ) -> None:
        """Start the only container of a pod spec under a shim of its own.

        Raises:
            PipelineError: the image or the data is not on this machine; the pod waits for it.
        """
        container = pod["containers"][0]
        mounts = self._mounts(name, pod, container)
        image, python = self.images.resolve(container["image"])
        limits = container["resources"]["limits"]
        cores = cpu_cores(limits["cpu"])
        declared = {
            v["name"]: self.local(v["value"], mounts)
            for v in container.get("env", ())
            if "value" in v
        }
        environ = {
            **self.state.environ(),
            "OMP_NUM_THREADS": str(max(1, int(cores))),
            **declared,
            **(extra or {}),
            "PYTHONPATH": str(image),
        }
        _refuse_missing_data(declared.get("DATA_URI", ""))
        environ["PATH"] = f"{python.parent}{os.pathsep}{environ['PATH']}"
        arguments = [self.local(text, mounts) for text in container.get("args", ())]
        self.run(
            name,
            [*(command or container["command"]), *arguments],
            environ,
            cwd=image,
            limits=Limits(
                cores, memory_bytes(limits["memory"]), pod.get("terminationGracePeriodSeconds", 30)
            ),
        )

    def run(
        self,
        name: str,
        command: list[str],
        environ: dict[str, str],
        *,
        cwd: Path,
        limits: Limits = NO_LIMITS,
    ) -> None:
        """Start any command under a shim."""
        folder = self.state.pod(name)
        self._stopping.discard(name)
        (folder / "status.json").unlink(missing_ok=True)
        spec = {
            "command": command,
            "env": {**self._own_files(folder), **environ},
            "cwd": str(cwd),
            "parent": os.getpid(),
            "grace_seconds": limits.grace_seconds,
            "memory_bytes": limits.memory_bytes,
            "cpus": self._cpus(limits.cores),
        }
        write_whole(folder / "spec.json", json.dumps(spec).encode())
        shim = [sys.executable, "-m", "ml_pipeline.environments.embedded.shim", str(folder)]
        self._shims[name] = processes.spawn(
            shim, cwd=self.state.root, env=self.state.environ(), log=folder / "log"
        )

    def _own_files(self, folder: Path) -> dict[str, str]:
        """Where a pod may leave what goes with it, instead of in the folder for temporary files of the whole machine, and
        where it says why it ended; both empty at each start."""
        temporary, ending = folder / "tmp", folder / "termination-log"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        ending.write_bytes(b"")
        return {"TMPDIR": str(temporary), "TERMINATION_LOG": str(ending)}

    def status(self, name: str) -> dict[str, Any] | None:
        """How a pod is doing: phase Running or Ended, then with the message that it has left; None where it was never
        started. A pod whose shim is gone is lost, and its message with it."""
        status = self._status(name)
        if status is None or status["phase"] == "Running":
            return status
        return {"message": "", **status}

    def _status(self, name: str) -> dict[str, Any] | None:
        shim = self._shims.get(name)
        running = shim is not None and shim.poll() is None
        status: dict[str, Any] | None = read_json(self.state.pod(name) / "status.json")
        if running:
            return (
                status
                if status and status["phase"] == "Running"
                else {"phase": "Running", "peak_bytes": 0}
            )
        if status is None:
            return (
                {"phase": "Ended", "exit_code": 137, "reason": LOST, "peak_bytes": 0}
                if (self.state.pod(name) / "spec.json").exists()
                else None
            )
        return (
            status
            if status["phase"] == "Ended"
            else {**status, "phase": "Ended", "exit_code": 137, "reason": LOST}
        )

    def stop(self, name: str) -> bool:
        """Ask a pod to end; True once it has."""
        shim = self._shims.get(name)
        if shim is None or shim.poll() is not None:
            return True
        if name not in self._stopping:
            self._stopping.add(name)
            shim.send_signal(signal.SIGTERM)
        return False

    def stop_all(self, seconds: float) -> None:
        """Ask every pod to end and wait for it, that many seconds at most."""
        end = time.monotonic() + seconds
        while [name for name in self.names() if not self.stop(name)] and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)

    def remove(self, name: str) -> None:
        """Forget a pod that has ended; its log stays under logs/pods, beside those of pods of that name before it."""
        self._shims.pop(name, None)
        self._stopping.discard(name)
        folder = self.state.pod(name)
        if (folder / "log").exists():
            (folder / "log").replace(self._kept_log(name))
        shutil.rmtree(folder, ignore_errors=True)

    def _kept_log(self, name: str) -> Path:
        """Where a log is kept. A Job that comes back under its old name numbers its pods from 1 again: no log goes for that."""
        folder = self.state.root / "logs" / "pods"
        folder.mkdir(parents=True, exist_ok=True)
        path, number = folder / f"{name}.log", 1
        while path.exists():
            number += 1
            path = folder / f"{name}.{number}.log"
        return path

    def names(self) -> list[str]:
        """Pods that were started by this process and not removed."""
        return list(self._shims)

    def local(self, text: str, mounts: dict[str, Path]) -> str:
        """A value of the manifest with mount paths and cluster addresses replaced by those of this machine."""
        for path, folder in mounts.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(path)}(?=/|$)", str(folder), text)
        for address, here in self.hosts.items():
            text = text.replace(address, here)
        return text

    def _mounts(self, name: str, pod: dict[str, Any], container: dict[str, Any]) -> dict[str, Path]:
        folders = {}
        for volume in pod.get("volumes", ()):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            folders[volume["name"]] = (
                self.state.volume(claim)
                if claim
                else self.state.pod(name) / "volumes" / volume["name"]
            )
            folders[volume["name"]].mkdir(parents=True, exist_ok=True)
        return {m["mountPath"]: folders[m["name"]] for m in container.get("volumeMounts", ())}

    def _cpus(self, cores: float) -> list[int]:
        """As many cores as the limit says, rounded up, beginning with another one each time."""
        there = sorted(os.sched_getaffinity(0))
        if not cores or ceil(cores) >= len(there):
            return there
        self._turn += 1
        return [there[(self._turn + n) % len(there)] for n in range(ceil(cores))]


def _refuse_missing_data(uri: str) -> None:
    """A training whose data another machine has prepared would fail for good, though nothing is wrong with it."""
    if uri.startswith("file://") and not Path(uri.removeprefix("file://")).exists():
        raise PipelineError(
            f"waits for {uri.rpartition('/')[2]}, which is not on this machine; `ml-pipeline status` says how to prepare it here"
        )

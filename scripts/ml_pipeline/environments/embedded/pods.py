"""Pods of the embedded environment: a container of a manifest becomes a process.

It gets the limits, volumes and image that its manifest says, and a shim that keeps it to them.
"""

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

from ml_pipeline.adapters import processes
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.environments.embedded.images import Images
from ml_pipeline.environments.embedded.records import (
    PodSpec,
    PodStatus,
    lost,
    pod_status,
    save_pod_spec,
)
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.rules.kustomize.objects import Object

_SHIM = "ml_pipeline.environments.embedded.shim"
_FILE = "file://"
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Limits:
    """What a pod may use; 0 cores or bytes mean no limit.

    `grace_seconds` lie between SIGTERM and SIGKILL.
    """

    cores: float = 0
    memory_bytes: int = 0
    grace_seconds: float = 5


NO_LIMITS = Limits()


@dataclass
class Pods:
    """Starts, watches and stops pods.

    `hosts` maps addresses of the cluster to addresses of this machine.
    """

    state: State
    images: Images
    hosts: dict[str, str]
    _shims: dict[str, processes.Started] = field(default_factory=dict)
    _stopping: set[str] = field(default_factory=set)
    _turn: int = 0

    def start(
        self,
        name: str,
        pod: Object,
        *,
        extra: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Start the only container of a pod spec under a shim of its own.

        Raises:
            PipelineError: the image or the data is not on this machine; the pod waits for it.
        """
        container = pod["containers"][0]
        mounts = self._mounts(name, pod, container)
        image, python = self.images.resolve(container["image"])
        declared = self._declared(container, mounts)
        _refuse_missing_data(declared.get("DATA_URI", ""))
        amounts = container["resources"]["limits"]
        grace = pod.get("terminationGracePeriodSeconds", 30)
        limits = Limits(cpu_cores(amounts["cpu"]), memory_bytes(amounts["memory"]), grace)
        # What comes later wins: the manifest over the machine, the operator over the manifest, and
        # nobody over the image's own code.
        environ = {
            **self.state.environ(),
            "OMP_NUM_THREADS": str(max(1, int(limits.cores))),
            **declared,
            **(extra or {}),
            "PYTHONPATH": str(image),
        }
        environ["PATH"] = f"{python.parent}{os.pathsep}{environ['PATH']}"
        arguments = [self.local(text, mounts) for text in container.get("args", ())]
        whole = [*(command or container["command"]), *arguments]
        self.run(name, whole, environ, cwd=image, limits=limits)

    def _declared(self, container: Object, mounts: Mapping[str, Path]) -> dict[str, str]:
        """The environment variables of a manifest that have a value there."""
        declared = {}
        for variable in container.get("env", ()):
            if "value" in variable:
                declared[variable["name"]] = self.local(variable["value"], mounts)
        return declared

    def run(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        cwd: Path,
        limits: Limits = NO_LIMITS,
    ) -> None:
        """Start any command under a shim."""
        folder = self.state.pod(name)
        self._stopping.discard(name)
        # Before the shim starts: the end of the try before must not be taken for that of this one.
        (folder / "status.json").unlink(missing_ok=True)
        spec = PodSpec(
            command=list(command),
            env={**_own_files(folder), **environ},
            cwd=str(cwd),
            parent=os.getpid(),
            grace_seconds=limits.grace_seconds,
            memory_bytes=limits.memory_bytes,
            cpus=self._cpus(limits.cores),
        )
        save_pod_spec(self.state, name, spec)
        shim = [sys.executable, "-m", _SHIM, str(folder)]
        self._shims[name] = processes.spawn(
            shim, cwd=self.state.root, env=self.state.environ(), log=folder / "log"
        )

    def status(self, name: str) -> PodStatus | None:
        """How a pod is doing, None where it was never started.

        A pod whose shim is gone is lost, and its message with it.
        """
        shim = self._shims.get(name)
        # The process first, its file second: a shim that ends in between has written its last
        # record by then. The other way round it would be taken for one that has ended unsaid.
        is_running = shim is not None and shim.poll() is None
        status = pod_status(self.state, name)
        if is_running:
            # Also where the file says that it has ended: the shim itself ends right after that.
            return status if status and status.is_running else PodStatus("Running")
        if status is None:
            was_started = (self.state.pod(name) / "spec.json").exists()
            return lost() if was_started else None
        if status.is_running:
            return replace(lost(), pid=status.pid, peak_bytes=status.peak_bytes)
        return status

    def stop(self, name: str) -> bool:
        """Ask a pod to end; True once it has."""
        shim = self._shims.get(name)
        if shim is None or shim.poll() is not None:
            return True
        # Once: each SIGTERM would begin the grace period anew.
        if name not in self._stopping:
            self._stopping.add(name)
            shim.send_signal(signal.SIGTERM)
        return False

    def stop_all(self, seconds: float) -> None:
        """Ask every pod to end and wait for it, that many seconds at most."""
        end = time.monotonic() + seconds
        # All are asked in one go, and so end side by side.
        while self._running() and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)

    def _running(self) -> list[str]:
        """Pods that are asked to end and have not yet."""
        return [name for name in self.names() if not self.stop(name)]

    def remove(self, name: str) -> None:
        """Forget a pod that has ended.

        Its log stays under logs/pods, beside those of pods of that name before it.
        """
        self._shims.pop(name, None)
        self._stopping.discard(name)
        folder = self.state.pod(name)
        if (folder / "log").exists():
            (folder / "log").replace(self._kept_log(name))
        shutil.rmtree(folder, ignore_errors=True)

    def _kept_log(self, name: str) -> Path:
        """Where a log is kept."""
        folder = self.state.root / "logs" / "pods"
        folder.mkdir(parents=True, exist_ok=True)
        path, number = folder / f"{name}.log", 1
        # A Job that comes back under its old name numbers its pods from 1 again.
        while path.exists():
            number += 1
            path = folder / f"{name}.{number}.log"
        return path

    def names(self) -> list[str]:
        """Pods that were started by this process and not removed."""
        return list(self._shims)

    def local(self, text: str, mounts: Mapping[str, Path]) -> str:
        """A value of the manifest with mount paths and addresses replaced by those of here."""
        for path, folder in mounts.items():
            # A whole path only: /artifacts is not in /artifacts-of-others.
            text = re.sub(rf"(?<![\w.-]){re.escape(path)}(?=/|$)", str(folder), text)
        for address, here in self.hosts.items():
            text = text.replace(address, here)
        return text

    def _mounts(self, name: str, pod: Object, container: Object) -> dict[str, Path]:
        """The folder of this machine for each mount path; what has no claim goes with the pod."""
        folders = {}
        for volume in pod.get("volumes", ()):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            own = self.state.pod(name) / "volumes" / volume["name"]
            folder = self.state.volume(claim) if claim else own
            folder.mkdir(parents=True, exist_ok=True)
            folders[volume["name"]] = folder
        mounts = container.get("volumeMounts", ())
        return {mount["mountPath"]: folders[mount["name"]] for mount in mounts}

    def _cpus(self, cores: float) -> list[int]:
        """As many cores as the limit says, rounded up, beginning with another one each time."""
        there = sorted(os.sched_getaffinity(0))
        count = ceil(cores)
        if not cores or count >= len(there):
            return there
        self._turn += 1
        return [there[(self._turn + n) % len(there)] for n in range(count)]


def _own_files(folder: Path) -> dict[str, str]:
    """Where a pod leaves what goes with it, and where it says why it ended.

    The former is not the folder for temporary files of the whole machine. Both are empty at each
    start.
    """
    temporary, ending = folder / "tmp", folder / "termination-log"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    ending.write_bytes(b"")
    return {"TMPDIR": str(temporary), "TERMINATION_LOG": str(ending)}


def _refuse_missing_data(uri: str) -> None:
    """A training whose data another machine has prepared would fail, though nothing is wrong."""
    if uri.startswith(_FILE) and not Path(uri.removeprefix(_FILE)).exists():
        raise PipelineError(
            f"waits for {uri.rpartition('/')[2]}, which is not on this machine; "
            "`ml-pipeline status` says how to prepare it here"
        )

"""The services of the embedded environment: MLflow on SQLite, Envoy, and the reconcile loop.

Each is kept running.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ml_pipeline.adapters import processes
from ml_pipeline.environments.embedded.endpoint import HOSTS
from ml_pipeline.environments.embedded.pods import Pods
from ml_pipeline.environments.embedded.state import State

LONGEST_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 30.0


@dataclass
class Service:
    """One program that should always run.

    `failures` are its ends in a row, `started` is when it was started, 0 while it does not run;
    `not_before` is when it may start again, in seconds since the epoch as well.
    """

    name: str
    command: list[str]
    before_start: Callable[[], None] | None = None
    failures: int = 0
    not_before: float = 0.0
    started: float = 0.0


@dataclass
class Services:
    """Starts services again when they end, slower each time."""

    state: State
    pods: Pods
    services: list[Service] = field(default_factory=list)

    def tick(self) -> None:
        """Look after each of them."""
        now = time.time()
        for service in self.services:
            if service.started:
                status = self.pods.status(service.name)
                if status is None or not status.is_running:
                    _ended(service, now)
            elif now >= service.not_before:
                self._start(service)

    def _start(self, service: Service) -> None:
        if service.before_start:
            service.before_start()
        environ = self.state.environ()
        environ |= {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PATH": f"{Path(sys.executable).parent}:{environ['PATH']}",
        }
        self.pods.run(service.name, service.command, environ, cwd=self.state.root)
        service.started = time.time()


def _ended(service: Service, now: float) -> None:
    """Say when a service that has ended may start again."""
    # One that ran for a while had no trouble with its start: it begins again with the least pause.
    was_steady = now - service.started > STEADY_SECONDS
    service.failures = 0 if was_steady else service.failures + 1
    service.not_before = now + min(2.0**service.failures / 4, LONGEST_BACKOFF_SECONDS)
    service.started = 0.0


def mlflow_command(state: State, port: int) -> list[str]:
    """MLflow on SQLite, artifacts in the volume `artifacts`, loopback only."""
    artifacts = state.volume("artifacts") / "mlflow"
    artifacts.mkdir(parents=True, exist_ok=True)
    command = [program("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{state.root}/mlflow.db"]
    command += ["--artifacts-destination", artifacts.as_uri(), "--serve-artifacts"]
    # A page whose name is made to resolve to this machine sends that name as Host.
    hosts = ",".join(f"{host},{host}:*" for host in HOSTS)
    return [*command, "--allowed-hosts", hosts]


def program(name: str) -> str:
    """A program of this Python environment.

    Raises:
        ProgramError: it is not installed.
    """
    path = Path(sys.prefix, "bin", name)
    if not path.exists():
        text = f"{name} is not in {path.parent}; run `make setup`"
        raise processes.ProgramError([name], 127, text)
    return str(path)

"""A real Airflow: scheduler, DAG processor, triggerer and API server as processes on 127.0.0.1."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

AIRFLOW = str(Path(sys.executable).parent / "airflow")
# Log servers would listen on every address; the API server reads the files.
COMMANDS = {
    "api-server": ("--host", "127.0.0.1"),
    "dag-processor": (),
    "scheduler": ("--skip-serve-logs",),
    "triggerer": ("--skip-serve-logs",),
}
# Seconds instead of minutes until somebody notices that a process is gone.
HASTE = {
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
    "SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
    "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
}
SMALL = {
    "CORE__EXECUTOR": "LocalExecutor",
    "CORE__PARALLELISM": "2",
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "API__WORKERS": "1",
    "LOGGING__LOGGING_LEVEL": "INFO",
}


class Airflow:
    """Its processes, each with a log of its own, and its REST API."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self.home, self.port = home, _free_port()
        api = f"http://127.0.0.1:{self.port}"
        here = {
            "API__PORT": str(self.port),
            "API__BASE_URL": api,
            "CORE__EXECUTION_API_SERVER_URL": f"{api}/execution/",
            "API_AUTH__JWT_SECRET": "0" * 64,
            "API__SECRET_KEY": "1" * 64,
        }
        self.environ = os.environ | {"AIRFLOW_HOME": str(home)} | dict(settings)
        for key, value in (SMALL | HASTE | here).items():
            self.environ[f"AIRFLOW__{key}"] = value
        self.environ["PATH"] = f"{Path(AIRFLOW).parent}:{os.environ['PATH']}"
        self.processes: dict[str, subprocess.Popen] = {}
        self.sessions: list[int] = []
        self._token = ""

    def start(self) -> None:
        """Make the database, and start everything."""
        self.home.mkdir(exist_ok=True)
        subprocess.run(
            [AIRFLOW, "db", "migrate"], env=self.environ, check=True, capture_output=True
        )
        for name in COMMANDS:
            self.begin(name)
        self.wait("health", self.is_healthy, 180)

    def begin(self, name: str) -> None:
        """Start one of them, in a session of its own."""
        with (self.home / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(
                [AIRFLOW, name, *COMMANDS[name]],
                env=self.environ,
                cwd=self.home,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.sessions.append(self.processes[name].pid)

    def kill(self, name: str) -> None:
        """kill -9 of one process alone; what it has started lives on until `clear` ends it."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def kill_a_task(self) -> bool:
        """kill -9 of the process of a task; False where none runs."""
        for worker in _children(self.processes["scheduler"].pid):
            for task in _children(worker.pid):
                task.kill()
                return True
        return False

    def clear(self, session: int) -> None:
        """End what a process had started that was killed, and that lives on in its session."""
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if os.getsid(process.pid) == session:
                    process.kill()

    def stop(self) -> None:
        """End all of them, and whatever any of them had started."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        # By their sessions: a worker's title lies where its environment was.
        for session in self.sessions:
            self.clear(session)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """An answer of the REST API; None where that is 404, or 409: it is there already."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code in (404, 409):
                return None
            raise AssertionError(f"{method} {path}: {error.code} {error.read()!r}") from error

    def is_healthy(self) -> bool:
        """Whether all of them say so."""
        try:
            health = self.call("GET", "api/v2/monitor/health")
            if not self._token:
                self._token = self.call("GET", "auth/token")["access_token"]
        except OSError:
            return False
        return all(part["status"] == "healthy" for part in health.values())

    def trigger(self, dag: str, moment: str) -> str:
        """Start the run of an interval, once; its id."""
        run = f"test-{moment}"
        body = {"dag_run_id": run, "logical_date": moment}
        self.call("POST", f"api/v2/dags/{dag}/dagRuns", body)
        return run

    def run_state(self, dag: str, run: str) -> str:
        """How a run stands."""
        return self.call("GET", f"api/v2/dags/{dag}/dagRuns/{run}")["state"]

    def states(self, dag: str, run: str) -> dict[str, str]:
        """The states of a run's steps."""
        found = self.call("GET", f"api/v2/dags/{dag}/dagRuns/{run}/taskInstances")
        return {task["task_id"]: task["state"] for task in found["task_instances"]}

    def standing(self, dag: str, run: str, step: str) -> dict[str, Any]:
        """What a step has left."""
        path = f"api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{step}/xcomEntries/standing"
        return self.call("GET", f"{path}?deserialize=true")["value"]

    def wait(self, what: str, probe: Any, seconds: float) -> Any:
        """Poll until it is so, or end with what the logs say last."""
        end = time.monotonic() + seconds
        while not (found := probe()):
            assert time.monotonic() < end, f"waited {seconds} s for {what}\n{self.tail()}"
            time.sleep(0.5)
        return found

    def tail(self) -> str:
        """The last lines of every log."""
        lines = []
        for log in sorted(self.home.glob("*.log")):
            lines += [f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-15:]]
        return "\n".join(lines)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []

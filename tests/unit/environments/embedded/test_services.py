import os
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
from ml_pipeline.adapters.processes import ProgramError
from ml_pipeline.environments.embedded.records import PodStatus
from ml_pipeline.environments.embedded.services import Service, Services, mlflow_command, program
from ml_pipeline.environments.embedded.state import State, free_port

from tests.conftest import until


class FakePods:
    """Pods that run until a test ends them; tests/embedded/ runs the same loop over real ones."""

    def __init__(self):
        self.running, self.started = set(), []

    def run(self, name, command, environ, cwd):
        self.started.append(name)
        self.running.add(name)

    def status(self, name):
        return PodStatus("Running" if name in self.running else "Ended")


@pytest.fixture
def services(tmp_path):
    return Services(State(tmp_path), FakePods(), [Service("envoy", ["envoy"])])


def test_service_is_started_once(services):
    for _ in range(5):
        services.tick()
    assert services.pods.started == ["envoy"]


def test_service_that_ended_is_started_again_after_a_while(services, monkeypatch):
    services.tick()
    services.pods.running.clear()
    services.tick()
    services.tick()
    assert services.pods.started == ["envoy"]
    services.services[0].not_before = 0.0
    services.tick()
    assert services.pods.started == ["envoy", "envoy"]


def test_each_failure_waits_longer(services):
    waits = []
    for _ in range(4):
        services.services[0].not_before = 0.0
        services.tick()
        services.pods.running.clear()
        services.tick()
        waits.append(services.services[0].failures)
    assert waits == [1, 2, 3, 4]


def test_mlflow_listens_on_loopback(tmp_path):
    command = mlflow_command(State(tmp_path), 5000)
    assert command[command.index("--host") + 1] == "127.0.0.1"


@pytest.mark.slow
def test_mlflow_answers_no_foreign_host(tmp_path):
    port = free_port()
    command, url = mlflow_command(State(tmp_path), port), f"http://127.0.0.1:{port}"
    environ = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "TMPDIR": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until(lambda: status(url, f"127.0.0.1:{port}") == 200, seconds=120)
        assert status(url, f"localhost:{port}") == 200
        for host in ("evil.example", f"evil.example:{port}", "10.0.0.1", "192.168.0.1:80"):
            assert status(url, host) == 403
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def status(url: str, host: str) -> int:
    """Of a page and of an interface of MLflow, 0 while it does not answer."""
    found = {
        of_page(f"{url}{path}", host)
        for path in ("/", "/api/2.0/mlflow/experiments/get?experiment_id=0")
    }
    return found.pop() if len(found) == 1 else 0


def of_page(url: str, host: str) -> int:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"Host": host}), timeout=10
        ) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_missing_program_names_the_repair():
    with pytest.raises(ProgramError, match="run `make setup`"):
        program("no-such-envoy")

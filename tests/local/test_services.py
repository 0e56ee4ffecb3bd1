import pytest
from ml_pipeline.adapters.processes import ProgramError
from ml_pipeline.local.services import Service, Services, mlflow_command, program
from ml_pipeline.local.state import State


class FakePods:
    """Pods that run until a test ends them; tests/environment/ runs the same loop over real ones."""

    def __init__(self):
        self.running, self.started = set(), []

    def run(self, name, command, environ, cwd):
        self.started.append(name)
        self.running.add(name)

    def status(self, name):
        return {"phase": "Running" if name in self.running else "Ended"}


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


def test_missing_program_names_the_repair():
    with pytest.raises(ProgramError, match="run `make setup`"):
        program("no-such-envoy")

import os
import subprocess
import time

import pytest
import yaml
from ml_pipeline.adapters.heartbeat import Heartbeat

from tests.conftest import REPOSITORY


@pytest.fixture
def heartbeat(tmp_path) -> Heartbeat:
    return Heartbeat(tmp_path / "heartbeat")


@pytest.fixture
def probe(heartbeat):
    """What a kubelet would find: exit code and output of a probe of the Deployment."""
    path = REPOSITORY / "base/platform/reconcile/deployment.yaml"
    (container,) = yaml.safe_load(path.read_text())["spec"]["template"]["spec"]["containers"]

    def run(name: str) -> tuple[bool, str]:
        command = container[f"{name}Probe"]["exec"]["command"]
        assert "/work/heartbeat" in command[-1]
        here = [part.replace("/work/heartbeat", str(heartbeat.folder)) for part in command]
        done = subprocess.run(here, capture_output=True, text=True)
        return done.returncode == 0, done.stdout.strip()

    return run


def test_process_is_not_alive_before_its_first_beat(heartbeat, probe):
    assert [probe(name)[0] for name in ("startup", "liveness", "readiness")] == [False] * 3
    heartbeat.beat([])
    assert [probe(name)[0] for name in ("startup", "liveness", "readiness")] == [True] * 3


def test_pass_that_fails_is_alive_and_not_ready_and_says_why(heartbeat, probe):
    heartbeat.beat(["held since noon: MLflow does not answer"])
    assert probe("startup") == probe("liveness") == (True, "")
    assert probe("readiness") == (False, "held since noon: MLflow does not answer")
    heartbeat.beat([])
    assert probe("readiness") == (True, "")


def test_pass_that_hangs_is_not_alive(heartbeat, probe, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 601)
    heartbeat.beat([])
    assert not probe("liveness")[0]


def test_beat_of_a_process_before_does_not_count(heartbeat, probe):
    heartbeat.beat([])
    heartbeat.start()
    assert not probe("startup")[0]


def test_beat_replaces_the_file_in_one_step(heartbeat):
    heartbeat.beat([])
    before = os.stat(heartbeat.folder / "alive").st_ino
    heartbeat.beat([])
    assert os.stat(heartbeat.folder / "alive").st_ino != before

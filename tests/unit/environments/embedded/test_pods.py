import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.images import interpreter
from ml_pipeline.environments.embedded.pods import Limits, Pods
from ml_pipeline.environments.embedded.state import State

from tests.conftest import until


@pytest.fixture
def pods(tmp_path):
    found = Pods(
        State(tmp_path / "state"), None, {"http://mlflow.svc:5000": "http://127.0.0.1:1234"}
    )
    found.state.root.mkdir()
    yield found
    for name in found.names():
        until(lambda name=name: found.stop(name))


def ended(pods, name):
    return until(lambda: (status := pods.status(name)) and not status.is_running and status)


def test_pod_runs_and_leaves_its_log(pods, tmp_path):
    pods.run("a", [sys.executable, "-c", "print('hello')"], dict(os.environ), cwd=tmp_path)
    assert ended(pods, "a").exit_code == 0
    pods.remove("a")
    assert (pods.state.root / "logs/pods/a.log").read_text() == "hello\n"


def test_pod_of_a_name_that_was_there_before_keeps_the_log_of_both(pods, tmp_path):
    for text in ("first", "second", "third"):
        pods.run("a", [sys.executable, "-c", f"print('{text}')"], dict(os.environ), cwd=tmp_path)
        ended(pods, "a")
        pods.remove("a")
    kept = pods.state.root / "logs/pods"
    assert [(kept / name).read_text() for name in ("a.log", "a.2.log", "a.3.log")] == [
        "first\n",
        "second\n",
        "third\n",
    ]


def test_what_a_pod_leaves_behind_goes_with_it(pods, tmp_path):
    code = (
        "import os, tempfile; os.mkdir(tempfile.gettempdir() + '/torchinductor_x');"
        "open(os.environ['TERMINATION_LOG'], 'w').write('peak 1 MiB\\ncannot work: x')"
    )
    pods.run("a", [sys.executable, "-c", code], {}, cwd=tmp_path)
    assert ended(pods, "a").message == "peak 1 MiB\ncannot work: x"
    assert (pods.state.pod("a") / "tmp/torchinductor_x").is_dir()
    pods.remove("a")
    assert not pods.state.pod("a").exists()


def test_pod_that_starts_again_begins_with_nothing_of_the_last_time(pods, tmp_path):
    code = "import os, tempfile; assert os.listdir(tempfile.gettempdir()) == []; tempfile.mkdtemp(); open(os.environ['TERMINATION_LOG'], 'a').write('x')"
    for _ in range(2):
        pods.run("a", [sys.executable, "-c", code], {"PATH": ""}, cwd=tmp_path)
        assert (ended(pods, "a").exit_code, ended(pods, "a").message) == (0, "x")


def test_folder_that_the_manifest_names_is_kept(pods, tmp_path):
    code = "import os; assert os.environ['TMPDIR'] == '/scratch'"
    pods.run("a", [sys.executable, "-c", code], {"TMPDIR": "/scratch"}, cwd=tmp_path)
    assert ended(pods, "a").exit_code == 0


def test_unknown_pod_has_no_status(pods):
    assert pods.status("nobody") is None


def test_pod_whose_shim_is_gone_is_lost(pods, tmp_path):
    pods.run("a", ["sleep", "60"], dict(os.environ), cwd=tmp_path)
    until(lambda: pods.status("a").pid)
    again = Pods(pods.state, None, {})
    assert (again.status("a").phase, again.status("a").reason) == ("Ended", "Lost")


def test_stopped_pod_can_start_again_and_stop_again(pods, tmp_path):
    for _ in range(2):
        pods.run(
            "a", ["sleep", "60"], dict(os.environ), cwd=tmp_path, limits=Limits(grace_seconds=1)
        )
        until(lambda: pods.status("a").pid)
        until(lambda: pods.stop("a"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/artifacts", "/v/artifacts"),
        ("file:///artifacts/data/x.npz", "file:///v/artifacts/data/x.npz"),
        ("/artifactsnot", "/artifactsnot"),
        ("/var/artifacts", "/var/artifacts"),
        ("http://mlflow.svc:5000/api", "http://127.0.0.1:1234/api"),
    ],
)
def test_paths_and_addresses_become_those_of_this_machine(pods, text, expected):
    assert pods.local(text, {"/artifacts": Path("/v/artifacts")}) == expected


def test_training_waits_for_data_that_another_machine_has(pods, tmp_path, monkeypatch):
    """It would fail with exit 42, and be recorded as failed for good."""
    monkeypatch.setattr(
        pods, "images", SimpleNamespace(resolve=lambda _: (tmp_path, Path("/python")))
    )
    container = {
        "image": "trainer@sha256:0",
        "command": ["true"],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "env": [{"name": "DATA_URI", "value": f"file://{tmp_path}/data/x.npz"}],
    }
    with pytest.raises(PipelineError, match="waits for x.npz, which is not on this machine; `ml-p"):
        pods.start("a", {"containers": [container]})
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x.npz").write_bytes(b"x")
    pods.start("a", {"containers": [container]})
    assert ended(pods, "a").exit_code == 0


def test_missing_interpreter_names_the_repair():
    with pytest.raises(PipelineError, match="run `make setup`"):
        interpreter("nothing")

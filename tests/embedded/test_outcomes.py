"""A real embedded environment in which data, a training and a model come to what their users see of them."""

import hashlib
import json
from pathlib import Path

import pytest
from ml_pipeline.adapters import processes
from ml_pipeline.adapters.mlflow.registry import Registry
from ml_pipeline.adapters.mlflow.server import NOBODY, Server
from ml_pipeline.environments.embedded.state import MARKER
from ml_pipeline.rules.automation.mirror import mirror

pytestmark = pytest.mark.slow

OWN_CSV = "age,city,label\n1,8000,0\n2,Zürich,1\n3,8001,0\n4,8002,1\n"


def failed_data(environment):
    return next((d for d in environment.head().data.values() if d.data is None), None)


def tags_of(run) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def test_own_csv_that_fails_says_where_at_once(environment, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(OWN_CSV)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    environment.submit("own", f"dataset.uri=file://{path}", f"dataset.sha256={digest}")
    receipt = environment.wait("the data's receipt", lambda: failed_data(environment))
    assert receipt.reason == (
        f"PodFailurePolicy: cannot work: file://{path}: column 'city', row 2: 'Zürich' is not a "
        "number; encode the column as numbers, or leave it out"
    )


def test_training_that_diverges_is_a_failed_run_with_its_reason(environment, tmp_path):
    """Each value is finite, their sum is not."""
    path = tmp_path / "huge.csv"
    path.write_text("size,label\n" + "".join(f"{3 - n % 2}e38,{n % 2}\n" for n in range(200)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    own = ("model.name=huge", f"dataset.uri=file://{path}", f"dataset.sha256={digest}")
    environment.submit("wild", *own)
    run = environment.wait("the run's receipt", lambda: environment.run_of("wild"))
    assert run.outcome == "failed"
    assert run.reason == (
        "PodFailurePolicy: cannot work: loss is not finite in epoch 1; "
        "lower parameters.learning_rate, or scale the features"
    )


def test_promoted_run_is_a_version_with_the_name_of_the_environment(environment):
    environment.submit("calm", "parameters.epochs=5", "gates.min_accuracy=0.1")
    run = environment.wait("the run's receipt", lambda: environment.run_of("calm"))
    environment.pipeline("promote", f"calm/{run.id}")
    environment.wait("the model", lambda: environment.serving().get("state") == "Available")
    server = Registry(f"http://127.0.0.1:{environment.state.read('endpoints')['mlflow']}")
    wanted = mirror(environment.head(), "local")
    environment.wait("the registry", lambda: server.differences(wanted) == [])
    raw = Server(server.uri, NOBODY, "nothing follows")
    alias = raw.get("registered-models/alias", name="digits", alias="local")
    found = json.loads(alias.body)["model_version"]
    assert found["run_id"] == run.tracking.run_id
    tags = tags_of(json.loads(raw.get("runs/get", run_id=run.tracking.run_id).body)["run"])
    assert tags["commit"] == run.commit
    assert environment.pipeline("registry", "verify") == "MLflow says what git says"
    assert run.tracking.experiment == "digits"


def test_memory_gate_is_near_what_its_server_holds(environment, say):
    run = environment.run_of("calm")
    (name,) = environment.servers(run.id)
    status = json.loads((environment.state.pod(name) / "status.json").read_text())
    held = processes.resident_bytes([status["pid"], *processes.descendants(status["pid"])]) / 2**20
    say(f"memory gate {run.metrics['gate_memory_mb']:.0f} MiB, its MLServer holds {held:.0f} MiB")
    assert 0.5 < run.metrics["gate_memory_mb"] / held < 1.5


def test_every_container_leaves_its_files_in_its_own_folder(environment):
    outside = []
    for pid in environment.alive():
        raw = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        environ = dict(pair.decode().split("=", 1) for pair in raw if b"=" in pair)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        own = any(part in command for part in ("embedded.shim", "embedded.supervisor"))
        if not own and not environ.get("TMPDIR", "").startswith(environ[MARKER]):
            outside.append(command)
    assert outside == []

"""The trainer as a process, against a real MLflow server."""

import hashlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from ml_pipeline.adapters.mlflow.tracking import Tracking
from ml_pipeline.documents.results import Finished, TerminationMessage, read_termination_message

from tests.conftest import REPOSITORY
from tests.support.mlflow_server import mlflow_server
from trainer.prepare import pack
from trainer.sources import load
from trainer.store import put

QUICK = ["--model-type=mlp", "--epochs=4", "--hidden=8", "--dropout=0.2", "--seed=3"]
LONG = ["--model-type=mlp", "--epochs=400", "--hidden=8", "--dropout=0.2", "--seed=3"]


@pytest.fixture(scope="package")
def mlflow_uri(tmp_path_factory):
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri


@pytest.fixture
def around(tmp_path, mlflow_uri):
    content = pack(load("bundled://digits", ""), 0.2)
    put(f"file://{tmp_path}/data.npz", content)
    identity = hashlib.sha256(str(tmp_path).encode()).hexdigest()
    data = {
        "DATA_URI": f"file://{tmp_path}/data.npz",
        "DATA_SHA256": hashlib.sha256(content).hexdigest(),
    }
    (tmp_path / "termination-log").touch()
    return {
        **os.environ,
        **data,
        "TERMINATION_LOG": str(tmp_path / "termination-log"),
        "IDENTITY": identity,
        "MLFLOW_TRACKING_URI": mlflow_uri,
        "ARTIFACTS_URI": f"file://{tmp_path}",
        "CHECKPOINTS": str(tmp_path / "c"),
        "TMPDIR": str(tmp_path),
    }


def start(around, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "trainer", *arguments],
        cwd=REPOSITORY,
        env=around,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process) -> tuple[int, str]:
    try:
        errors = process.communicate(timeout=180)[1]
    finally:
        process.kill()
    return process.returncode, errors


def losses(log: str) -> dict[int, str]:
    return {
        int(epoch): loss for epoch, loss in re.findall(r"epoch (\d+)/\d+ train_loss (\S+)", log)
    }


def said(process, text: str) -> str:
    """The log of a process up to a line with this text."""
    log = ""
    while text not in log:
        line = process.stderr.readline()
        assert line, log
        log += line
    return log


def stopped_at(process, text: str) -> int:
    said(process, text)
    process.send_signal(signal.SIGTERM)
    return finish(process)[0]


def runs_of(mlflow_uri, identity) -> list[dict]:
    """Every MLflow run of an identity: status, tags and the name of its experiment."""
    client = mlflow.MlflowClient(mlflow_uri)
    names = {e.experiment_id: e.name for e in client.search_experiments()}
    runs = client.search_runs(list(names), f"tags.identity = '{identity}'")
    return [
        {**r.data.tags, "status": r.info.status, "in": names[r.info.experiment_id]} for r in runs
    ]


def word_of(around) -> TerminationMessage | None:
    """What the last process has said in its termination message, which is empty again afterwards."""
    path = Path(around["TERMINATION_LOG"])
    found = read_termination_message(path.read_text())
    path.write_text("")
    assert not isinstance(found, str), found
    return found


def receipt_of(around, word: TerminationMessage) -> Finished:
    """What `reconcile` reads of it."""
    identity = around["IDENTITY"]
    look = Tracking(around["MLFLOW_TRACKING_URI"]).look({identity: word})
    assert look.held == ()
    return look.results[identity]

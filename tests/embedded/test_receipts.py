"""Whose receipt is taken, in the real embedded environment: MLflow is open to this machine, the pods' records are not."""

import json
import shutil
import signal
from contextlib import contextmanager

import mlflow
import pytest
from ml_pipeline.adapters import processes
from ml_pipeline.environments.embedded.state import read_json

pytestmark = pytest.mark.slow


@contextmanager
def paused(environment):
    """Nobody settles anything meanwhile."""
    pid = read_json(environment.state.pod("reconcile") / "status.json")["pid"]
    processes.send([pid], signal.SIGSTOP)
    try:
        yield
    finally:
        processes.send([pid], signal.SIGCONT)


def finished(environment, name: str) -> str:
    """The Job of an experiment once it has ended."""
    jobs = [job for job in environment.state.names("jobs") if job.startswith(f"{name}-train")]
    return next((j for j in jobs if environment.state.read(f"jobs/{j}")["phase"] == "Complete"), "")


def word_of(environment, job: str) -> dict:
    """What the record of the Job's pod says."""
    message = read_json(environment.state.pod(f"{job}-1") / "status.json")["message"]
    return json.loads(message.partition("\n")[2])


def held(environment) -> str:
    return "\n".join(row["reason"] for row in environment.state.read("held") or ())


@pytest.fixture(scope="module")
def prepared(environment):
    """An environment with its data, and a run that nobody has disturbed."""
    environment.submit("plain", "seed=31", "parameters.epochs=2")
    environment.wait("the receipt", lambda: environment.run_of("plain"))
    return environment


def test_receipt_that_is_written_over_is_held_until_its_job_is_made_again(prepared):
    with paused(prepared):
        prepared.submit("forged", "seed=32", "parameters.epochs=2")
        job = prepared.wait("the Job", lambda: finished(prepared, "forged"))
        word = word_of(prepared, job)
        client = mlflow.MlflowClient(
            f"http://127.0.0.1:{prepared.state.read('endpoints')['mlflow']}"
        )
        client.log_text(word["mlflow_run"], '{"metrics": {"gate_accuracy": 1.0}}', "receipt.json")
    prepared.wait("the hold", lambda: held(prepared))
    status = prepared.pipeline("status", code=1)
    text = (
        f"Job {job}: receipt.json of MLflow run {word['mlflow_run']} is not what its pod has left"
    )
    assert text in status
    assert f"rm .ml-pipeline/jobs/{job}.json" in status
    assert prepared.run_of("forged") is None
    (prepared.state.root / f"jobs/{job}.json").unlink()
    run = prepared.wait("the receipt", lambda: prepared.run_of("forged"))
    assert (run.outcome, run.tracking.run_id) == ("succeeded", word["mlflow_run"])
    assert prepared.finished_runs().count(run.identity) == 1
    assert held(prepared) == ""


def test_job_whose_pod_is_gone_is_held_until_it_is_made_again(prepared):
    with paused(prepared):
        prepared.submit("gone", "seed=33", "parameters.epochs=2")
        job = prepared.wait("the Job", lambda: finished(prepared, "gone"))
        word = word_of(prepared, job)
        shutil.rmtree(prepared.state.pod(f"{job}-1"))
    prepared.wait("the hold", lambda: "none of its pods is left" in held(prepared))
    assert prepared.run_of("gone") is None
    (prepared.state.root / f"jobs/{job}.json").unlink()
    run = prepared.wait("the receipt", lambda: prepared.run_of("gone"))
    assert run.tracking.run_id == word["mlflow_run"]
    assert prepared.finished_runs().count(run.identity) == 1

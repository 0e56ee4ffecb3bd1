"""Whose receipt is taken, with the trainer's real pods: what MLflow holds counts only as the Job's own pod has left it."""

import json

import mlflow
import pytest

from tests.cluster.watch import Watch
from trainer.tracking import IDENTITY, RECEIPT, SETTLED


@pytest.fixture(scope="module")
def team(training_team):
    """Its data is prepared: a pod has said so, or it would be no receipt."""
    training_team.submit("first", "seed=21")
    training_team.wait("the data receipt", lambda: "Record data" in training_team.reconcile())
    training_team.wait("the receipt", lambda: settles(training_team, "first"))
    return training_team


@pytest.fixture(scope="module")
def client(team):
    mlflow.set_tracking_uri(team.services.mlflow)
    return mlflow.MlflowClient(team.services.mlflow)


def settles(team, name):
    team.reconcile(code=None)
    return team.run_of(name)


def job_of(team, name: str, *, is_complete: bool = False) -> str:
    jobs = team.jobs()
    return next(
        (
            job
            for job in jobs
            if job.startswith(f"{name}-")
            and (not is_complete or jobs[job]["status"].get("succeeded"))
        ),
        "",
    )


def message_of(team, job: str) -> dict:
    """What the kubelet keeps of a Job's pod."""
    pods = json.loads(
        team.kubectl("get", "pods", "-o", "json", f"--selector=batch.kubernetes.io/job-name={job}")
    )["items"]
    message = pods[-1]["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    return json.loads(message.partition("\n")[2])


def finished(team, name: str, *settings: str) -> str:
    """The name of the Job of an experiment once it has finished; nobody has settled it."""
    team.submit(name, *settings)
    return team.wait("the Job to finish", lambda: job_of(team, name, is_complete=True))


def test_run_is_settled_by_what_its_pod_has_said(team):
    job = finished(team, "second", "seed=22")
    word = message_of(team, job)
    team.wait("the receipt", lambda: settles(team, "second"))
    run = team.run_of("second")
    assert (word["identity"], word["mlflow_run"]) == (run.identity, run.tracking.run_id)


def test_forged_receipt_is_not_taken_and_status_says_so(team, client):
    """Somebody writes another receipt over that of a finished run; deleting the Job, as `status` says, mends it."""
    job = finished(team, "third", "seed=23")
    word = message_of(team, job)
    forged = {"metrics": {"gate_accuracy": 1.0}, "artifact": {"uri": "mlflow/0/x/evil"}}
    client.log_text(word["mlflow_run"], json.dumps(forged), RECEIPT)
    said = team.reconcile(code=1)
    text = (
        f"Job {job}: receipt.json of MLflow run {word['mlflow_run']} is not what its pod has left"
    )
    assert text in said
    assert team.run_of("third") is None
    status = team.on_cluster("status", code=1)
    assert text in status
    command = f"kubectl -n {team.name}-training delete job {job}"
    assert command in status
    assert "held since 20" in status
    with Watch(
        team.provider.kubeconfig, f"/apis/batch/v1/namespaces/{team.name}-training/jobs"
    ) as jobs:
        team.kubectl("delete", "job", job)
        team.push_again()
        team.wait("the receipt", lambda: settles(team, "third"))
        assert len(jobs.names()[job]) <= 2
    run = team.run_of("third")
    assert (run.outcome, run.tracking.run_id) == ("succeeded", word["mlflow_run"])
    assert team.trained().count(run.identity) == 1


def test_forged_run_of_somebody_else_is_never_looked_at(team, client):
    """It is there before the Job has ended, marked as the finished run of that identity."""
    job = finished(team, "fourth", "seed=24")
    word = message_of(team, job)
    forged = client.create_run("0", tags={IDENTITY: word["identity"], SETTLED: "true"}).info.run_id
    client.log_text(forged, json.dumps({"metrics": {"gate_accuracy": 1.0}}), RECEIPT)
    client.set_terminated(forged, "FINISHED")
    team.wait("the receipt", lambda: settles(team, "fourth"))
    assert team.run_of("fourth").tracking.run_id == word["mlflow_run"]


def test_pod_that_is_gone_holds_its_run_until_the_job_is_deleted(team):
    job = finished(team, "fifth", "seed=25")
    word = message_of(team, job)
    team.kubectl("delete", "pods", f"--selector=batch.kubernetes.io/job-name={job}")
    said = team.reconcile(code=1)
    assert f"Job {job} has finished, and none of its pods is left to say what it has made" in said
    assert f"kubectl -n {team.name}-training delete job {job}" in team.on_cluster("status", code=1)
    assert team.run_of("fifth") is None
    team.kubectl("delete", "job", job)
    team.push_again()
    team.wait("the Job to say it again", lambda: job_of(team, "fifth", is_complete=True))
    assert message_of(team, job) == word
    team.wait("the receipt", lambda: settles(team, "fifth"))
    run = team.run_of("fifth")
    assert (run.tracking.run_id, team.trained().count(run.identity)) == (word["mlflow_run"], 1)

"""Who is believed that a run is finished: the real trainer and the real MLflow, which somebody else writes to as well."""

import json
import shutil
from pathlib import Path

import mlflow
import pytest

from tests.unit.trainer.conftest import QUICK, finish, losses, receipt_of, runs_of, start, word_of
from trainer.tracking import IDENTITY, RECEIPT, SETTLED

pytestmark = pytest.mark.slow
PREPARE = ("prepare", "--source=bundled://iris")


@pytest.fixture
def client(mlflow_uri):
    mlflow.set_tracking_uri(mlflow_uri)
    return mlflow.MlflowClient(mlflow_uri)


@pytest.mark.parametrize("command", [("train", *QUICK), PREPARE], ids=["train", "prepare"])
def test_finished_work_is_said_again_and_not_done_again(around, mlflow_uri, command):
    assert finish(start(around, *command))[0] == 0
    word = word_of(around)
    assert (word.identity, receipt_of(around, word).is_as_said) == (around["IDENTITY"], True)
    code, log = finish(start(around, *command))
    assert (code, losses(log), word_of(around)) == (0, {}, word)
    assert "already" in log
    assert len(runs_of(mlflow_uri, around["IDENTITY"])) == 1


@pytest.mark.parametrize("command", [("train", *QUICK), PREPARE], ids=["train", "prepare"])
def test_forged_finished_run_is_named_and_not_believed(around, client, command):
    """Whoever writes to MLflow marks a run of their own as the finished one, before the Job starts."""
    forged = client.create_run("0", tags={IDENTITY: around["IDENTITY"], SETTLED: "true"})
    client.log_text(forged.info.run_id, json.dumps({"metrics": {"gate_accuracy": 1.0}}), RECEIPT)
    client.set_terminated(forged.info.run_id, "FINISHED")
    code, log = finish(start(around, *command))
    assert f"MLflow run {forged.info.run_id} claims to have finished" in log
    assert (code, word_of(around).mlflow_run != forged.info.run_id) == (0, True)


def test_receipt_that_was_replaced_is_left_anew_without_training(around, client):
    finish(start(around, "train", *QUICK))
    word = word_of(around)
    client.log_text(word.mlflow_run, "{}", RECEIPT)
    assert not receipt_of(around, word).is_as_said
    code, log = finish(start(around, "train", *QUICK))
    assert "MLflow has another receipt than it left: it is finished once more" in log
    assert (code, losses(log)) == (0, {})
    assert receipt_of(around, word_of(around)).is_as_said


def test_run_that_was_deleted_in_mlflow_is_finished_in_another(around, client):
    """As `withdraw` does with one that left nonsense."""
    finish(start(around, "train", *QUICK))
    word = word_of(around)
    client.delete_run(word.mlflow_run)
    code, log = finish(start(around, "train", *QUICK))
    assert "MLflow has lost its receipt: it is finished once more" in log
    again = word_of(around)
    assert (code, again.mlflow_run != word.mlflow_run) == (0, True)
    assert receipt_of(around, again).is_as_said


def test_kill_between_receipt_and_record_finishes_once_more(around):
    finish(start(around, "train", *QUICK))
    word = word_of(around)
    (Path(around["CHECKPOINTS"]) / around["IDENTITY"] / "finished.json").unlink()
    code, log = finish(start(around, "train", *QUICK))
    assert (code, losses(log)) == (0, {})
    assert word_of(around).mlflow_run == word.mlflow_run


def test_lost_volume_trains_once_more_and_says_so(around):
    finish(start(around, "train", *QUICK))
    word = word_of(around)
    shutil.rmtree(around["CHECKPOINTS"])
    code, log = finish(start(around, "train", *QUICK))
    assert f"MLflow run {word.mlflow_run} claims to have finished" in log
    assert (code, len(losses(log))) == (0, 4)
    assert word_of(around).mlflow_run != word.mlflow_run

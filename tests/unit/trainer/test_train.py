"""The trainer as a process, against a real MLflow server."""

import fcntl
import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from ml_pipeline.documents.results import TrainingResult, read_result
from ml_pipeline.environments.embedded.state import free_port

from tests.conftest import REPOSITORY
from tests.unit.trainer.conftest import (
    LONG,
    QUICK,
    finish,
    losses,
    receipt_of,
    runs_of,
    start,
    stopped_at,
    word_of,
)
from trainer.tracking import TRAINING


def interrupted(around, number: signal.Signals) -> tuple[int, str]:
    """Start a long training, send a signal in the middle; exit code and log."""
    process = start(around, "train", *LONG)
    log = ""
    while "epoch 20/" not in log:
        line = process.stderr.readline()
        assert line, log
        log += line
    process.send_signal(number)
    code, rest = finish(process)
    return code, log + rest


def test_finished_identity_is_never_trained_again(around):
    assert finish(start(around, "train", *QUICK))[0] == 0
    code, log = finish(start(around, "train", *QUICK))
    assert (code, losses(log)) == (0, {})
    assert "has been trained already" in log


def test_sigterm_leaves_a_checkpoint_and_code_143(around):
    code, log = interrupted(around, signal.SIGTERM)
    assert code == 143
    assert "checkpoint written" in log


def test_training_that_was_stopped_says_nothing_of_a_result(around):
    interrupted(around, signal.SIGTERM)
    assert word_of(around) is None


def test_training_that_crashed_says_nothing_of_a_result(around, tmp_path):
    (tmp_path / "c" / around["IDENTITY"]).mkdir(parents=True)
    (tmp_path / "c" / around["IDENTITY"] / "newest.pt").mkdir()
    assert finish(start(around, "train", *QUICK))[0] not in (0, 42)
    assert word_of(around) is None


def test_receipt_is_read_back_from_the_real_server(around):
    finish(start(around, "train", *QUICK))
    finished = receipt_of(around, word_of(around))
    assert finished.is_as_said
    result = read_result(TrainingResult, finished)
    assert any(result.artifact.uri == folder for folder in finished.folders)
    assert {"gate_accuracy", "gate_latency_p99_ms", "gate_memory_mb"} <= result.metrics.keys()
    assert result.signature.inputs == "float32 [-1, 1, 8, 8]"
    assert result.signature.outputs == "float32 [-1, 10]"
    assert len(result.artifact.sha256) == 64


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_loss_after_a_kill_is_the_same_to_the_last_bit(around, number, tmp_path):
    undisturbed = finish(
        start(
            {
                **around,
                "IDENTITY": "f" * 63 + str(int(number == signal.SIGKILL)),
                "CHECKPOINTS": str(tmp_path / "other"),
            },
            "train",
            *LONG,
        )
    )[1]
    ended, first = interrupted(around, number)
    assert ended == (143 if number == signal.SIGTERM else -signal.SIGKILL), first[-2000:]
    code, second = finish(start(around, "train", *LONG))
    assert code == 0
    assert "resuming at epoch" in second
    assert losses(first) | losses(second) == losses(undisturbed)


def test_damaged_data_is_code_42(around):
    code, log = finish(start({**around, "DATA_SHA256": "0" * 64}, "train", *QUICK))
    assert code == 42
    assert "the bytes have changed" in log


@pytest.mark.parametrize("arguments", [["train", "--epochs=0"], ["train", "--no-such=1"], []])
def test_bad_configuration_is_code_42(around, arguments):
    assert finish(start(around, *arguments))[0] == 42


# ---- why it failed -------------------------------------------------------------------------------------------------


def test_loss_that_is_not_finite_ends_the_training_with_its_reason(around, mlflow_uri, tmp_path):
    (tmp_path / "ended").touch()
    around = {**around, "TERMINATION_LOG": str(tmp_path / "ended")}
    code, log = finish(start(around, "train", *QUICK, "--learning-rate=1e30", "--epochs=400"))
    reason = "cannot work: loss is not finite in epoch 1; lower parameters.learning_rate, or scale the features"
    assert (code, log.splitlines()[-1][9:]) == (42, reason)
    assert (tmp_path / "ended").read_text().splitlines()[1] == reason
    (run,) = runs_of(mlflow_uri, around["IDENTITY"])
    assert (run["status"], run["reason"], run.get("settled")) == ("FAILED", reason, None)
    assert word_of(around) is None


@pytest.mark.slow
def test_memory_gate_is_what_a_new_process_takes_to_serve_it(around, mlflow_uri, tmp_path):
    finish(start(around, "train", *QUICK, "--hidden=2000"))
    result = read_result(TrainingResult, receipt_of(around, word_of(around)))
    model = mlflow.MlflowClient(mlflow_uri).get_logged_model(result.artifact.uri.split("/")[-2])
    folder = mlflow.artifacts.download_artifacts(
        model.artifact_location, dst_path=str(tmp_path / "model"), tracking_uri=mlflow_uri
    )
    serve = (
        "import sys, mlflow.pyfunc, numpy as np; from trainer.memory import peak_mib;"
        "model = mlflow.pyfunc.load_model(sys.argv[1]);"
        "[model.predict(np.zeros((1, 1, 8, 8), np.float32)) for _ in range(20)];"
        "print(peak_mib(()))"
    )
    fresh = subprocess.run([sys.executable, "-c", serve, folder], cwd=REPOSITORY, env=around, capture_output=True, text=True, check=True)  # fmt: skip
    measured = result.metrics["gate_memory_mb"]
    assert measured == pytest.approx(int(fresh.stdout.split()[-1]), rel=0.1)
    assert measured < result.peak_memory_mb


def test_bad_source_fails_at_once_and_says_so_everywhere(around, mlflow_uri, tmp_path):
    content = "city,label\n1,0\nZürich,1\n1,0\n1,1\n".encode()
    (tmp_path / "own.csv").write_bytes(content)
    (tmp_path / "ended").touch()
    source = f"file://{tmp_path}/own.csv"
    arguments = ["prepare", f"--source={source}", f"--sha256={hashlib.sha256(content).hexdigest()}"]
    code, log = finish(
        start({**around, "TERMINATION_LOG": str(tmp_path / "ended"), "DATA_URI": ""}, *arguments)
    )
    reason = f"cannot work: {source}: column 'city', row 2: 'Zürich' is not a number; encode the column as numbers, or leave it out"
    assert (code, log.splitlines()[-1][9:]) == (42, reason)
    assert (tmp_path / "ended").read_text().splitlines()[1] == reason
    (run,) = runs_of(mlflow_uri, around["IDENTITY"])
    assert (run["status"], run["reason"], run["source"], run["in"]) == (
        "FAILED",
        reason,
        source,
        "data",
    )


def test_crash_is_named_in_mlflow_and_gone_once_the_run_has_finished(around, mlflow_uri, tmp_path):
    crashing = "import trainer.train as t; t._finish = lambda _: 1 / 0; import sys; from trainer.__main__ import main; sys.exit(main(sys.argv[1:]))"
    first = subprocess.run([sys.executable, "-c", crashing, "train", *QUICK], cwd=REPOSITORY, env=around, capture_output=True, text=True)  # fmt: skip
    assert first.returncode == 1
    (run,) = runs_of(mlflow_uri, around["IDENTITY"])
    assert (run["status"], run["reason"]) == (
        "FAILED",
        "crashed: ZeroDivisionError: division by zero",
    )
    assert finish(start(around, "train", *QUICK))[0] == 0
    (run,) = runs_of(mlflow_uri, around["IDENTITY"])
    assert (run["status"], run.get("reason"), run["settled"]) == ("FINISHED", None, "true")


# ---- MLflow as its users expect it ---------------------------------------------------------------------------------


def test_runs_of_a_model_are_in_one_experiment_with_their_data(around, mlflow_uri):
    for name in ("first", "second"):
        identity = hashlib.sha256(f"{around['IDENTITY']}{name}".encode()).hexdigest()
        named = ["--model-name=lamp", f"--experiment={name}"]
        assert finish(start({**around, "IDENTITY": identity}, "train", *QUICK, *named))[0] == 0
    client = mlflow.MlflowClient(mlflow_uri)
    lamp = client.get_experiment_by_name("lamp")
    assert lamp.tags["mlflow.experimentKind"] == "custom_model_development"
    runs = client.search_runs([lamp.experiment_id])
    assert {run.data.tags["experiment"] for run in runs} == {"first", "second"}
    (used,) = runs[0].inputs.dataset_inputs
    assert used.dataset.digest == around["DATA_SHA256"][:32]
    assert around["DATA_URI"] in used.dataset.source


def test_kind_of_the_experiment_is_one_that_the_page_knows():
    pages = Path(mlflow.__file__).parent / "server/js/build/static/js"
    assert any(f'"{TRAINING}"' in page.read_text() for page in pages.glob("*.js"))


# ---- stopping ------------------------------------------------------------------------------------------------------


def test_wait_for_mlflow_ends_on_sigterm(around):
    silent = {**around, "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}
    assert stopped_at(start(silent, "train", *QUICK), "waiting for MLflow") == 143


def test_wait_for_another_process_of_the_run_ends_on_sigterm(around, tmp_path):
    folder = tmp_path / "c" / around["IDENTITY"]
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert stopped_at(start(around, "train", *QUICK), "waiting for another process") == 143

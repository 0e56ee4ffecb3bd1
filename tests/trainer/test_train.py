"""The trainer as a process, against a real MLflow server."""

import hashlib
import os
import re
import signal
import subprocess
import sys

import pytest
from ml_pipeline.adapters.mlflow import Tracking
from ml_pipeline.local.state import free_port

from tests.conftest import REPOSITORY
from trainer.prepare import pack
from trainer.sources import load
from trainer.store import put
from trainer.tracking import wait_for

QUICK = ["--model-type=mlp", "--epochs=4", "--hidden=8", "--dropout=0.2", "--seed=3"]
LONG = ["--model-type=mlp", "--epochs=400", "--hidden=8", "--dropout=0.2", "--seed=3"]


@pytest.fixture(scope="module")
def mlflow_uri(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [
        f"{sys.prefix}/bin/mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
        "--serve-artifacts",
    ]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    environ = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    server = subprocess.Popen(
        command,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(f"http://127.0.0.1:{port}", 60)
    yield f"http://127.0.0.1:{port}"
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


@pytest.fixture
def around(tmp_path, mlflow_uri):
    content = pack(load("bundled://digits", ""), 0.2)
    put(f"file://{tmp_path}/data.npz", content)
    identity = hashlib.sha256(str(tmp_path).encode()).hexdigest()
    data = {
        "DATA_URI": f"file://{tmp_path}/data.npz",
        "DATA_SHA256": hashlib.sha256(content).hexdigest(),
    }
    return {
        **os.environ,
        **data,
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
    errors = process.communicate(timeout=120)[1]
    return process.returncode, errors


def losses(log: str) -> dict[int, str]:
    return {
        int(epoch): loss for epoch, loss in re.findall(r"epoch (\d+)/\d+ train_loss (\S+)", log)
    }


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


def test_training_that_was_stopped_does_not_count_as_finished(around, mlflow_uri):
    interrupted(around, signal.SIGTERM)
    assert Tracking(mlflow_uri).results({around["IDENTITY"]}) == {}


def test_training_that_crashed_does_not_count_as_finished(around, mlflow_uri, tmp_path):
    (tmp_path / "c" / around["IDENTITY"]).mkdir(parents=True)
    (tmp_path / "c" / around["IDENTITY"] / "newest.pt").mkdir()
    assert finish(start(around, "train", *QUICK))[0] not in (0, 42)
    assert Tracking(mlflow_uri).results({around["IDENTITY"]}) == {}


def test_receipt_is_read_back_from_the_real_server(around, mlflow_uri):
    finish(start(around, "train", *QUICK))
    (result,) = Tracking(mlflow_uri).results({around["IDENTITY"]}).values()
    assert {"gate_accuracy", "gate_latency_p99_ms", "gate_memory_mb"} <= result["metrics"].keys()
    assert result["signature"] == {
        "inputs": "float32 [-1, 1, 8, 8]",
        "outputs": "float32 [-1, 10]",
    }
    assert len(result["artifact"]["sha256"]) == 64


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
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


def test_two_processes_train_together(around):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "trainer",
        "train",
        *QUICK,
    ]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=around, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    assert "finished: accuracy" in done.stderr

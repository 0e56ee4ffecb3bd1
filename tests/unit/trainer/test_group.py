"""Several processes of one run, real ones over loopback, with torch.distributed.run's launcher and without."""

import signal
import subprocess
import sys
import time

import pytest
from ml_pipeline.environments.embedded.state import free_port

from tests.conftest import REPOSITORY
from tests.unit.trainer.conftest import (
    LONG,
    QUICK,
    finish,
    losses,
    runs_of,
    said,
    start,
    stopped_at,
)
from trainer.launch import exit_code

pytestmark = pytest.mark.slow

# Without dropout: only the first process's random numbers are in the checkpoint.
TOGETHER = ["--model-type=mlp", "--epochs=12", "--hidden=8", "--seed=3"]


def member(around, number: int, port: int, *arguments: str) -> subprocess.Popen:
    """One process of a distributed run of two, as torch.distributed.run starts it."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    place = {"RANK": str(number), "WORLD_SIZE": "2", **address}
    return start({**around, **place}, "train", *(arguments or TOGETHER))


def launched(around, *arguments: str, nodes: tuple[str, ...] = ("--standalone",)):
    command = [sys.executable, "-m", "trainer.launch", *nodes, "--nproc-per-node=2", "-m", "trainer"]  # fmt: skip
    return subprocess.Popen([*command, *arguments], cwd=REPOSITORY, env=around, stderr=subprocess.PIPE, text=True)  # fmt: skip


def test_two_processes_train_together(around, mlflow_uri):
    code, log = finish(launched(around, "train", *QUICK))
    assert code == 0, log
    assert "finished: accuracy" in log
    assert len(runs_of(mlflow_uri, around["IDENTITY"])) == 1


def test_every_process_sees_that_the_run_is_finished(around):
    assert finish(start(around, "train", *QUICK))[0] == 0
    code, log = finish(member(around, 1, free_port(), *QUICK))
    assert code == 0
    assert "has been trained already" in log


def test_process_that_waits_for_the_others_sees_the_run_finish(around):
    waiting = member(around, 1, free_port(), *QUICK)
    said(waiting, "waiting for the other processes")
    assert finish(start(around, "train", *QUICK))[0] == 0
    code, log = finish(waiting)
    assert code == 0
    assert "has been trained already" in log


def test_wait_for_the_other_processes_ends_on_sigterm(around):
    assert stopped_at(member(around, 1, free_port()), "waiting for the other processes") == 143


def test_losing_a_process_ends_the_other_and_both_resume(around, tmp_path):
    other = {"IDENTITY": "e" * 64, "CHECKPOINTS": str(tmp_path / "other")}
    port = free_port()
    whole = [member({**around, **other}, number, port) for number in (0, 1)]
    undisturbed, _ = finish(whole[0])[1], finish(whole[1])
    port = free_port()
    first, second = (member(around, number, port) for number in (0, 1))
    log = said(first, "epoch 4/")
    second.kill()
    code, rest = finish(first)
    assert code == 1
    port = free_port()
    again = [member(around, number, port) for number in (0, 1)]
    results = [finish(process) for process in again]
    assert [code for code, _ in results] == [0, 0]
    assert "resuming at epoch" in results[0][1]
    assert losses(log + rest) | losses(results[0][1]) == losses(undisturbed)


def test_first_process_lost_while_it_leaves_the_receipt_does_not_leave_it_alone(around):
    """The second stays until the receipt is there, so that both start again."""
    dying = "import os, sys, trainer.train as t; t._finish = lambda _: os._exit(9); from trainer.__main__ import main; sys.exit(main(sys.argv[1:]))"
    place = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    port = str(free_port())
    first = subprocess.Popen([sys.executable, "-c", dying, "train", *QUICK], cwd=REPOSITORY, env={**around, **place, "MASTER_PORT": port}, stderr=subprocess.PIPE, text=True)  # fmt: skip
    second = member(around, 1, int(port), *QUICK)
    assert (finish(first)[0], finish(second)[0]) == (9, 1)


def test_launcher_passes_on_that_it_can_never_work(around):
    assert finish(launched({**around, "DATA_SHA256": "0" * 64}, "train", *QUICK))[0] == 42


def test_launcher_passes_on_a_stop_after_a_checkpoint(around):
    process = launched(around, "train", *LONG)
    assert stopped_at(process, "epoch 20/") == 143


def test_launcher_stops_while_it_waits_for_other_pods(around):
    rendezvous = ["--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{free_port()}"]
    process = launched(around, "train", *QUICK, nodes=("--nnodes=2", *rendezvous))
    time.sleep(10)  # it says nothing while it waits
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 143


@pytest.mark.parametrize(
    ("codes", "code"),
    [([42, 1], 42), ([143, 143], 143), ([-15, 143], 143), ([143, 1], 1), ([-9], 1)],
)
def test_code_of_several_is_the_one_that_decides(codes, code):
    assert exit_code(codes) == code

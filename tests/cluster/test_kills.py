"""Kill anything at random moments while experiments train and settle: afterwards everything is as if nothing had been killed.

The trainer of one run is killed twice at most: that counts to the Job's backoffLimit, as it should. A lost shim does not.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from ml_pipeline.adapters import processes
from ml_pipeline.rules.render.drift import drift

from tests.cluster.providers import ClusterBin
from tests.cluster.watch import Watch
from tests.conftest import git

KILLS = int(os.environ.get("KILLS", "12"))
PLANE = (
    "source-controller",
    "kustomize-controller",
    "kube-apiserver",
    "etcd",
    "kubelet",
    "kube-controller-manager",
)
EPOCHS = 150


@pytest.fixture(scope="module")
def team(training_team):
    if not isinstance(training_team.provider, ClusterBin):
        pytest.skip("only cluster-bin lets a test kill its control plane")
    training_team.submit("data", "seed=21", "parameters.epochs=1")
    training_team.wait("the data receipt", lambda: "Record data" in training_team.reconcile())
    training_team.wait(
        "the receipt", lambda: training_team.reconcile() and training_team.run_of("data")
    )
    return training_team


class Automation:
    """`ml-pipeline reconcile`, endless, started again whenever it was killed. `killed` counts trainers by run."""

    def __init__(self, team) -> None:
        self.team, self.process, self.killed = team, None, Counter()

    def keep(self) -> None:
        if self.process is None or self.process.poll() is not None:
            command = [
                sys.executable,
                "-m",
                "ml_pipeline.cli",
                "reconcile",
                "--env",
                self.team.name,
            ]
            with (self.team.folder / "reconcile.log").open("ab") as log:
                self.process = subprocess.Popen(
                    [*command, f"--kubeconfig={self.team.account('reconcile')}"],
                    cwd=self.team.clone,
                    stdout=log,
                    stderr=log,
                )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def pods_of_trainer() -> list[int]:
    """Trainers on this machine that are in a container: their parent is a shim."""
    pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
    trainers = [pid for pid in pids if " -m trainer train " in command_of(pid)]
    return [pid for pid in trainers if "containerd-shim" in command_of(parent(pid))]


def run_in(pid: int) -> str:
    """Identity of the run that a process trains."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as source:
            return (
                dict(line.split(b"=", 1) for line in source.read().split(b"\0") if b"=" in line)
                .get(b"IDENTITY", b"")
                .decode()
            )
    except OSError:
        return ""


def parent(pid: int) -> int:
    return processes.parent_of(pid) or 0


def command_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as source:
            return source.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def kill(team, automation: Automation, target: str) -> bool:
    """Kill one thing; whether it was there."""
    if target == "reconcile":
        automation.kill()
        return True
    if target in ("trainer", "shim"):
        trainers = [
            pid
            for pid in pods_of_trainer()
            if target == "shim" or automation.killed[run_in(pid)] < 2
        ]
        if trainers:
            automation.killed[run_in(trainers[0])] += target == "trainer"
            processes.send(
                [trainers[0] if target == "trainer" else parent(trainers[0])], signal.SIGKILL
            )
        return bool(trainers)
    team.provider.restart(target)
    return True


def run_all(team, automation: Automation, names: list[str], kills: int) -> Counter:
    """Submit experiments one after another, killing at random moments, until all have their receipts; what was killed how often."""
    rng, killed = random.Random(int(os.environ.get("SEED", "1"))), Counter()
    waiting, submitted, end = list(names), [], time.monotonic() + 1200
    while waiting or not all(map(receipt(team), submitted)) or sum(killed.values()) < kills:
        assert time.monotonic() < end, f"{submitted} {waiting} {killed}\n{team.report()}"
        automation.keep()
        if waiting and len(submitted) - len([n for n in submitted if receipt(team)(n)]) < 2:
            name = waiting.pop(0)
            team.submit(name, f"seed={100 + names.index(name)}", f"parameters.epochs={EPOCHS}")
            submitted.append(name)
        time.sleep(rng.uniform(0.2, 2.5))
        if sum(killed.values()) < kills:
            target = rng.choice([*PLANE, "reconcile", "trainer", "shim"])
            killed[target] += kill(team, automation, target)
        team.provider.keep()
        team.hook()
    return killed


def receipt(team):
    return lambda name: team.run_of(name)


def pairs(text: str) -> list[tuple[int, int]]:
    """For each try that resumed: the last epoch that the try before had logged, and the one it began with."""
    reached, found = 0, []
    for line in text.splitlines():
        if at := re.search(r"resuming at epoch (\d+)", line):
            found.append((reached, int(at[1])))
        if at := re.search(r"epoch (\d+)/", line):
            reached = int(at[1])
    return found


def test_kills_leave_no_trace(team, capsys):
    names = [f"k{n}" for n in range(max(2, KILLS // 12))]
    automation = Automation(team)
    jobs = Watch(team.provider.kubeconfig, f"/apis/batch/v1/namespaces/{team.name}-training/jobs")
    with jobs:
        killed = run_all(team, automation, names, KILLS)
        team.wait("Flux to prune", lambda: team.provider.keep() or not team.jobs(), 180)
    automation.kill()
    team.wait("the pods to go", lambda: not team.objects("pods"))
    assert not drift(team.head())
    trained = team.trained()
    runs = {name: team.run_of(name) for name in names}
    assert {name: run.outcome for name, run in runs.items()} == dict.fromkeys(names, "succeeded")
    assert {name: trained.count(run.identity) for name, run in runs.items()} == dict.fromkeys(
        names, 1
    )
    assert all(len(uids) == 1 for uids in jobs.names().values())
    git(team.clone, "fetch", "--quiet", "origin")
    assert "error" not in git(team.clone, "fsck", "--no-progress")
    with capsys.disabled():
        print(
            f"\n{sum(killed.values())} kills {dict(killed)}: {len(runs)} runs, 0 double trainings, 0 orphaned pods"
        )


def test_losses_are_those_of_an_undisturbed_run(team):
    """The same training under another identity: the layout of images matters on a GPU only."""
    team.submit(
        "undisturbed", "seed=100", f"parameters.epochs={EPOCHS}", "parameters.channels_last=false"
    )
    team.wait("the receipt", lambda: team.reconcile() and team.run_of("undisturbed"), 300)
    killed, quiet = team.run_of("k0").metrics, team.run_of("undisturbed").metrics
    exact = {name for name in quiet if "loss" in name or name == "holdout_accuracy"}
    assert {name: killed[name] for name in exact} == {name: quiet[name] for name in exact}


def test_killed_trainer_loses_at_most_one_checkpoint_interval(team):
    """Checkpoints are written at least after every epoch."""
    team.submit("lost", "seed=200", "parameters.epochs=3000")
    (job,) = team.wait("the Job", team.jobs)
    team.wait(
        "some epochs",
        lambda: "epoch 20/"
        in team.on_cluster(
            "logs", team.jobs()[job]["metadata"]["labels"]["ml-pipeline/run"], code=None
        ),
    )
    processes.send(pods_of_trainer(), signal.SIGKILL)
    identity = team.jobs()[job]["metadata"]["labels"]["ml-pipeline/run"]
    said = team.wait(
        "it to resume",
        lambda: "resuming at" in (text := team.on_cluster("logs", identity, code=None)) and text,
    )
    ((reached, began),) = pairs(said)
    assert reached <= began <= reached + 2
    team.remove("lost")
    team.wait("the Job to go", lambda: not team.jobs())

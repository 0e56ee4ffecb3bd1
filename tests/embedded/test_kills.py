"""kill -9 at random points: afterwards everything is as if nothing had happened."""

import json
import random
import time

import pytest
from ml_pipeline.adapters import processes
from ml_pipeline.environments.embedded.state import read_json

from tests.conftest import git
from tests.support.environment import Environment, identify, make_clone

pytestmark = pytest.mark.slow

EXPERIMENTS = {
    f"steady-{n}": (
        f"parameters.learning_rate=0.00{n}",
        "parameters.epochs=150",
        "parameters.dropout=0.1",
    )
    for n in range(1, 7)
}
KILLS = {"supervisor": 14, "reconcile": 16, "trainer": 10, "mlflow": 4, "envoy": 3, "server": 5}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Receipts and tree of an environment in which nobody kills anything."""
    identify()
    found = Environment(make_clone(tmp_path_factory.mktemp("undisturbed")))
    found.pipeline("up")
    complete(found)
    yield outcome(found)
    found.pipeline("down")


def begin(environment) -> None:
    for name, settings in EXPERIMENTS.items():
        environment.submit(name, *settings)


def complete(environment) -> None:
    begin(environment)
    environment.wait("all receipts", lambda: len(environment.head().runs) == len(EXPERIMENTS), 300)
    promote(environment)


def promote(environment) -> None:
    environment.pipeline("promote", "steady-1")
    environment.wait("the model", lambda: environment.serving().get("state") == "Available", 120)


def outcome(environment) -> dict:
    """What must be the same: who was trained with which result, and every path on the branch."""
    head = environment.head()
    results = {
        run.experiment: (
            run.id,
            run.outcome,
            run.metrics["train_loss"],
            run.metrics["holdout_loss"],
        )
        for run in head.runs.values()
    }
    return {
        "results": results,
        "paths": sorted(head.files),
        "routed": environment.serving()["routed"],
    }


def target(environment, kind: str) -> int | None:
    """Process to kill, None if there is none of this kind now."""
    state = environment.state
    if kind == "supervisor":
        return (state.read("supervisor") or {}).get("pid")
    pattern = {"trainer": "*-train-*", "server": "digits-run-*"}.get(kind, kind)
    pids = [
        (read_json(folder / "status.json") or {}).get("pid")
        for folder in sorted(state.root.glob(f"pods/{pattern}"))
    ]
    alive = [pid for pid in pids if pid and processes.is_alive(pid)]
    return alive[0] if alive else None


def kill(environment, kind: str) -> bool:
    pid = target(environment, kind)
    if pid is None or (kind == "trainer" and job_is_nearly_out_of_tries(environment, pid)):
        return False
    environment.kill(pid)
    if kind == "supervisor":
        environment.wait(
            "every process to end with its environment", lambda: environment.alive() == [], 15
        )
        environment.pipeline("up")
    return True


def job_is_nearly_out_of_tries(environment, pid: int) -> bool:
    """A Job whose pods were killed more often than its backoffLimit has failed, as on Kubernetes; that is not tested here."""
    for name in environment.state.names("jobs"):
        record = environment.state.read(f"jobs/{name}")
        if (
            record
            and record.get("pod")
            and (read_json(environment.state.pod(record["pod"]) / "status.json") or {}).get("pid")
            == pid
        ):
            return record["failures"] >= 2
    return True


def disturb(environment, choose: random.Random, wanted: dict[str, int], done) -> dict[str, int]:
    """Kill until the counts are reached or the work is done; how often each was."""
    killed = dict.fromkeys(wanted, 0)
    while not done() and (left := [kind for kind in wanted if killed[kind] < wanted[kind]]):
        time.sleep(choose.uniform(0.0, 1.2))
        kind = choose.choice(left)
        killed[kind] += kill(environment, kind)
    return killed


def test_state_after_fifty_kills_equals_the_undisturbed_one(tmp_path, undisturbed, capsys):
    environment = Environment(make_clone(tmp_path))
    environment.pipeline("up")
    try:
        killed = survive(environment)
        after = outcome(environment)
        finished = environment.finished_runs()
    finally:
        environment.pipeline("down")
    with capsys.disabled():
        print(
            f"\n{sum(killed.values())} kills {killed}: {len(after['results'])} runs, {len(finished) - len(set(finished))} double trainings, {len(environment.alive())} orphans"
        )
    assert after == undisturbed
    assert len(finished) == len(set(finished)) == len(EXPERIMENTS) + 1
    assert environment.alive() == []
    assert sum(killed.values()) >= 50
    assert_files_are_whole(environment)


def survive(environment) -> dict[str, int]:
    """Train everything and serve, killed all the while; more kills while serving until all are spent."""
    choose = random.Random(20)
    begin(environment)
    killed = disturb(
        environment,
        choose,
        {k: n for k, n in KILLS.items() if k != "server"},
        lambda: len(environment.head().runs) == len(EXPERIMENTS),
    )
    environment.wait("all receipts", lambda: len(environment.head().runs) == len(EXPERIMENTS), 300)
    promote(environment)
    left = {kind: n - killed.get(kind, 0) for kind, n in KILLS.items() if kind != "trainer"}
    more = disturb(
        environment,
        choose,
        left | {"server": KILLS["server"] + KILLS["trainer"] - killed["trainer"]},
        lambda: False,
    )
    environment.wait(
        "the model again", lambda: environment.serving().get("state") == "Available", 120
    )
    return {kind: killed.get(kind, 0) + more.get(kind, 0) for kind in KILLS}


def assert_files_are_whole(environment) -> None:
    for path in environment.state.root.glob("*/*.json"):
        json.loads(path.read_bytes())
    for repository in (environment.state.origin, environment.state.automation):
        assert "error" not in git(repository, "fsck", "--no-dangling")

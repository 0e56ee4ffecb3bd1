"""kill -9 at random points: afterwards every interval has ended, proposed once and trained once.

`KILLS` says how often; `make bench-airflow` takes a hundred.
"""

import os
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.airflow.server import COMMANDS, Airflow
from tests.airflow.team import Team

pytestmark = pytest.mark.airflow
KILLS = int(os.environ.get("KILLS", "6"))
SEED = int(os.environ.get("SEED", "1"))
KINDS = ("task", *COMMANDS)
EXPERIMENTS = ("first", "second")
TRAINING_SECONDS = 5.0  # so that there is something to wait for
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
OVER = ("success", "failed")


class Runs:
    """Interval after interval of each experiment: the next day begins when the last one is over."""

    def __init__(self, airflow: Airflow) -> None:
        self.airflow = airflow
        self.started: dict[str, list[str]] = {name: [] for name in EXPERIMENTS}

    def go_on(self) -> None:
        """Begin what may begin; nothing while the API server is gone."""
        try:
            for name, runs in self.started.items():
                if not runs or self.state(name, runs[-1]) in OVER:
                    day = FIRST_DAY + timedelta(days=len(runs))
                    runs.append(
                        self.airflow.trigger(f"retrain-{name}", f"{day:%Y-%m-%dT%H:%M:%SZ}")
                    )
        except OSError:
            return

    def state(self, name: str, run: str) -> str:
        return self.airflow.run_state(f"retrain-{name}", run)

    def states(self) -> Counter:
        return Counter(self.state(name, run) for name, runs in self.started.items() for run in runs)

    def are_over(self) -> bool:
        return set(self.states()) <= set(OVER)


def disturb(airflow: Airflow, runs: Runs) -> Counter:
    """Kill one process after the other, and start it again a moment later."""
    choose = random.Random(SEED)
    killed: Counter = Counter()
    orphans: dict[str, int] = {}
    while killed.total() < KILLS:
        runs.go_on()
        time.sleep(choose.uniform(0.0, 12.0))
        # Each kind as often as the others: those that were killed least are next.
        kind = min(choose.sample(KINDS, len(KINDS)), key=killed.__getitem__)
        if kind == "task":
            killed[kind] += airflow.kill_a_task()
            continue
        # What it had started may go on beside the new one, until that is killed too.
        if kind in orphans:
            airflow.clear(orphans[kind])
        orphans[kind] = airflow.processes[kind].pid
        airflow.kill(kind)
        killed[kind] += 1
        time.sleep(choose.uniform(0.0, 3.0))
        airflow.begin(kind)
        # Killed faster than they start, nothing would ever be on its way when it is killed.
        airflow.wait("health", airflow.is_healthy, 180)
    return killed


def test_killed_at_random_points_every_interval_is_proposed_and_trained_once(
    retraining_team: Team, tmp_path, say
):
    airflow = Airflow(tmp_path / "home", retraining_team.settings)
    for name in EXPERIMENTS:
        retraining_team.experiment(name)
    runs = Runs(airflow)
    try:
        airflow.start()
        for name in EXPERIMENTS:
            dag = f"api/v2/dags/retrain-{name}"
            airflow.wait(dag, lambda dag=dag: airflow.call("GET", dag), 60)
        with retraining_team.environment(TRAINING_SECONDS):
            killed = disturb(airflow, runs)
            airflow.wait("health", airflow.is_healthy, 180)
            airflow.wait("the end of every run", runs.are_over, 600)
        states = runs.states()
    finally:
        airflow.stop()
    proposals = Counter(retraining_team.proposals())
    trained = Counter(retraining_team.added("environments/local/training"))
    intervals = sum(map(len, runs.started.values()))
    say(
        f"killed {dict(killed)}: {intervals} intervals {dict(states)}, {proposals.total()} proposals"
    )
    assert states == {"success": intervals}
    assert proposals.total() == intervals
    assert proposals.most_common(1)[0][1] == 1
    assert trained.most_common(1)[0][1] == 1
    assert retraining_team.added("experiments/first/runs")

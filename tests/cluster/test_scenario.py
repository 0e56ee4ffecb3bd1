"""The main job on real engines, step by step; each test goes on where the one before has ended."""

import time

import pytest
from ml_pipeline.adapters.load import Load
from ml_pipeline.rules.render.drift import drift


class Timeline:
    """What happened when, printed at the end of the module."""

    def __init__(self) -> None:
        self.start, self.rows = time.monotonic(), []

    def mark(self, what: str) -> None:
        self.rows.append(f"{time.monotonic() - self.start:7.1f} s  {what}")


@pytest.fixture(scope="module")
def team(training_team):
    with training_team.bridge():
        yield training_team


@pytest.fixture(scope="module")
def timeline():
    return Timeline()


@pytest.fixture(scope="module")
def first(team, timeline):
    """The receipt of a run that was trained in a pod."""
    team.submit("first", "seed=1")
    timeline.mark("experiment `first` merged")
    team.wait("the data Job", team.jobs)
    timeline.mark("Flux has created the data Job")
    team.wait("the data receipt", lambda: "Record data" in team.reconcile())
    timeline.mark("data prepared, its receipt pushed with the training overlay")
    team.wait(
        "the pod that trains",
        lambda: any(p["status"]["phase"] == "Running" for p in team.objects("pods", "training")),
    )
    timeline.mark("the training pod runs")
    found = team.wait("the receipt", lambda: team.reconcile() and team.run_of("first"))
    timeline.mark("trained, receipt pushed, overlay retired")
    return found


@pytest.fixture(scope="module")
def second(team, timeline, first):
    """Another run on the same data."""
    team.submit("second", "seed=2", "model.type=cnn", "parameters.hidden=8")
    found = team.wait("the second receipt", lambda: team.reconcile() and team.run_of("second"))
    timeline.mark("experiment `second` merged, trained and settled")
    return found


@pytest.fixture(scope="module")
def serving(team, timeline, first):
    """The first run in service."""
    team.promote("first")
    timeline.mark("promotion of `first` pushed")
    found = team.wait(
        "the first model", lambda: team.serving().get("state") == "Available" and team.serving()
    )
    timeline.mark("`first` serves")
    return found


def reference(run) -> str:
    return f"{run.experiment}/{run.id}"


def predictor(run) -> str:
    return f"run-{run.id}"


def test_flux_applies_what_bootstrap_connects(team):
    team.wait("the platform", lambda: team.ready("platform"))
    team.wait("training and serving", lambda: team.ready("training") and team.ready("serving"))


def test_merged_experiment_is_prepared_trained_and_settled(team, first):
    assert first.outcome == "succeeded"
    assert all(gate.passed for gate in first.gates)
    assert first.cost.amount > 0


def test_finished_job_is_pruned_with_its_overlay(team, first):
    assert not drift(team.head())
    team.wait("Flux to prune", lambda: not team.jobs())


def test_second_run_reuses_the_data(team, second):
    assert len(team.head().data) == 1


def test_promotion_reaches_the_api_server_and_flux_is_ready(team, first, serving):
    assert team.declared() == {predictor(first): 100}
    team.wait("Flux's health check", lambda: team.ready("serving", team.head_revision()))


def test_canary_advances_and_a_revert_takes_it_back(team, timeline, first, second, serving):
    load = Load(serving["url"], (1, 8, 8), 60)
    load.start()
    team.promote(
        "second", "--steps", "20,100", "--min-requests", "60", "--max-p99-increase", "1000"
    )
    timeline.mark("promotion of `second` pushed")
    team.wait(
        "the canary",
        lambda: team.serving().get("routed") == {reference(first): 80, reference(second): 20},
    )
    timeline.mark("canary at 20 %")
    team.wait(
        "the end of the rollout",
        lambda: "Finish the rollout"
        in team.reconcile("--state", str(team.bridge_state.root), code=None),
    )
    team.wait(
        "all of the traffic", lambda: team.serving().get("routed") == {reference(second): 100}
    )
    timeline.mark("rollout finished by reconcile: 100 %")
    team.revert("^Promote digits to second")
    timeline.mark("revert pushed")
    team.wait("the old spec", lambda: team.declared() == {predictor(first): 100})
    timeline.mark("the API server has the previous weights")
    team.wait("the old version", lambda: team.serving().get("routed") == {reference(first): 100})
    timeline.mark("`first` serves all again")
    load.stop()
    assert load.failed == []
    timeline.mark(f"0 of {load.sent} requests failed")


def test_a_revert_is_a_hold(team, first, second, serving):
    assert "nothing to do" in team.reconcile("--state", str(team.bridge_state.root))
    assert team.declared() == {predictor(first): 100}


def test_revert_and_revert_of_the_experiment_train_nothing(team, second):
    before = team.trained()
    team.revert("^Train second")
    team.revert('^Revert "Train second')
    team.wait("Flux to apply", lambda: team.applied("training") == team.head_revision())
    assert not team.jobs()
    assert team.trained() == before


def test_timeline_is_printed(timeline, capsys, first, second, serving):
    with capsys.disabled():
        print("\n" + "\n".join(timeline.rows))
    assert timeline.rows


def test_killed_for_memory_says_limit_peak_and_line(team, first, capsys):
    team.submit("greedy", "seed=4", "resources.memory=200Mi")
    said = team.wait(
        "the kernel",
        lambda: "OOMKilled" in (said := team.on_cluster("status", code=None)) and said,
        180,
    )
    line = next(line for line in said.splitlines() if "OOMKilled" in line)
    with capsys.disabled():
        print(f"\n{line}")
    assert "OOMKilled: the limit is 200Mi, last known peak " in line
    assert "raise resources.memory in experiments/greedy/experiment.yaml:" in line
    team.revert("^Train greedy$")
    team.wait("the Job to go", lambda: not team.jobs())


def test_log_is_followed_by_identity(team, first):
    team.submit("followed", "seed=5")
    (job,) = team.wait("the Job", team.jobs)
    run = team.jobs()[job]["metadata"]["labels"]["ml-pipeline/run"]
    said = team.on_cluster("logs", "-f", f"followed/{run}")
    assert "finished: accuracy" in said
    team.wait("the receipt", lambda: team.reconcile() and team.run_of("followed"))

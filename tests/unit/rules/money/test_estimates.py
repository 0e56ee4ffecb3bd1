"""Estimates on simulated runs whose noise is that of real ones: durations.json holds 40 runs of the trainer on two cores."""

import json
import random
import statistics
from collections import defaultdict

import pytest
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.money.estimates import ENOUGH, History, estimated, priced

from tests.conftest import FIXTURES
from tests.support.many import WAITING, valid_tree

RUNS = 400


@pytest.fixture(scope="module")
def noise() -> list[float]:
    """How much longer than their like real runs took, as a factor."""
    by_epochs = defaultdict(list)
    for run in json.loads((FIXTURES / "durations.json").read_text()):
        by_epochs[run["epochs"]].append(run["duration_s"])
    return [
        duration / statistics.median(group) for group in by_epochs.values() for duration in group
    ]


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return Snapshot(valid_tree())


@pytest.fixture(scope="module")
def experiment(snapshot):
    return snapshot.experiments["waiting"]


def run_of(snapshot, epochs: int, seconds: float, **more):
    run = snapshot.runs_by_reference["good/31a4e76e1a"]
    parameters = run.decided_by.parameters.model_copy(update={"epochs": epochs})
    decided = run.decided_by.model_copy(update={"parameters": parameters})
    return run.model_copy(update={"decided_by": decided, "duration_s": seconds, **more})


def asking(experiment, epochs: int):
    return experiment.model_copy(
        update={
            "parameters": experiment.parameters.model_copy(update={"epochs": epochs}),
            "budget": experiment.budget.model_copy(update={"max_duration": "90d"}),
        }
    )


def simulated(snapshot, experiment, noise, known: int) -> list[tuple[float, float, float]]:
    """Median, 90th percentile and truth for runs of models whose start and epochs take a random time."""
    numbers, found = random.Random(known), []
    for _ in range(RUNS):
        start, step = numbers.uniform(1, 60), numbers.lognormvariate(0, 1.5)
        choices = numbers.choice([[30], [10, 20, 40], [5, 50, 500]])

        def took(epochs: int, start=start, step=step) -> float:
            return (start + step * epochs) * numbers.choice(noise)

        runs = [
            run_of(snapshot, epochs, took(epochs)) for epochs in numbers.choices(choices, k=known)
        ]
        epochs = numbers.choice(choices)
        estimate = estimated(runs, asking(experiment, epochs))
        found.append((estimate.p50_s, estimate.p90_s, took(epochs)))
    return found


@pytest.mark.parametrize("known", [3, 5, 10, 30])
def test_median_error_is_below_a_fifth_once_three_like_runs_are_known(
    snapshot, experiment, noise, known, capsys
):
    found = simulated(snapshot, experiment, noise, known)
    error = statistics.median(abs(p50 - truth) / truth for p50, _, truth in found)
    covered = sum(truth <= p90 for _, p90, truth in found) / len(found)
    with capsys.disabled():
        print(
            f"\n{len(found)} simulated runs, {known} like runs known: median error {error:.1%}, {covered:.0%} below p90",
            end=" ",
        )
    assert error <= 0.2
    assert covered >= 0.85


def test_real_runs_are_estimated_from_the_ones_before(snapshot, experiment):
    real = json.loads((FIXTURES / "durations.json").read_text())
    errors = []
    for number in range(ENOUGH, len(real)):
        runs = [run_of(snapshot, run["epochs"], run["duration_s"]) for run in real[:number]]
        estimate = estimated(runs, asking(experiment, real[number]["epochs"]))
        errors.append(abs(estimate.p50_s - real[number]["duration_s"]) / real[number]["duration_s"])
    assert statistics.median(errors) <= 0.2


def test_with_no_like_run_it_is_the_budget(experiment):
    estimate = estimated([], experiment)
    assert (estimate.runs, estimate.p50_s, estimate.p90_s) == (0, 900, 900)


def test_nothing_takes_longer_than_it_may(snapshot, experiment):
    estimate = estimated([run_of(snapshot, 30, 5000.0)] * 3, experiment)
    assert (estimate.p50_s, estimate.p90_s) == (900, 900)


def test_more_epochs_take_longer(snapshot, experiment):
    runs = [run_of(snapshot, epochs, 10.0 + 2 * epochs) for epochs in (10, 20, 30)]
    assert estimated(runs, asking(experiment, 100)).p50_s == pytest.approx(210)


def test_waiting_is_the_median_of_like_runs(snapshot, experiment):
    runs = [run_of(snapshot, 30, 60.0, queued_s=wait) for wait in (5.0, 90.0, 20.0)]
    assert estimated(runs, experiment).queued_s == 20.0


def test_like_runs_share_architecture_data_and_workers(files):
    snapshot = Snapshot(files)
    history = History(snapshot)
    assert {run.experiment for run in history.like(snapshot.experiments["waiting"])} == {
        "good",
        "better",
        "weak",
    }
    other = snapshot.experiments["waiting"].model_copy(
        update={"model": snapshot.experiments["waiting"].model.model_copy(update={"type": "cnn"})}
    )
    assert history.like(other) == []


def test_data_that_is_not_prepared_has_no_like_run(files):
    files[WAITING] = files[WAITING].replace(b"bundled://digits", b"bundled://wine")
    snapshot = Snapshot(files)
    assert priced(snapshot, History(snapshot), snapshot.experiments["waiting"]).estimate.runs == 0


def test_price_has_both_kinds_of_node(files):
    path = "environments/local/environment.yaml"
    files[path] = files[path].replace(
        b"price_per_hour: 0.08", b"price_per_hour: 0.08, spot_price_per_hour: 0.02"
    )
    snapshot = Snapshot(files)
    price = priced(snapshot, History(snapshot), snapshot.experiments["waiting"])
    assert price.spot == pytest.approx(price.on_demand / 4)
    assert price.p50 == price.on_demand

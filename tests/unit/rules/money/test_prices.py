import pytest
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.money.prices import (
    duration,
    gpu_hours,
    money,
    month_cost,
    node_share,
    pool_for,
    run_cost,
)

from tests.conftest import REPOSITORY, folder


@pytest.fixture
def shipped():
    return load_snapshot(folder(REPOSITORY, "environments") | folder(REPOSITORY, "experiments"))


def test_gpu_run_takes_the_gpu_pool(shipped):
    experiment, staging = shipped.experiments["imagenet-resnet50"], shipped.environments["staging"]
    assert pool_for(experiment, staging).name == "a100"
    assert node_share(experiment, pool_for(experiment, staging)) == 1.0


def test_spot_run_pays_the_spot_price(shipped):
    cost = run_cost(shipped.experiments["imagenet-resnet50"], shipped.environments["staging"], 3600)
    assert (cost.amount, cost.currency) == (5.88, "USD")


def test_small_run_takes_the_cheapest_share(shipped):
    experiment, local = shipped.experiments["digits-mlp"], shipped.environments["local"]
    assert run_cost(experiment, local, 3600).amount == pytest.approx(0.5 * 0.08)


def test_what_no_pool_holds_has_no_cost(shipped):
    assert (
        run_cost(shipped.experiments["imagenet-resnet50"], shipped.environments["local"], 60)
        is None
    )


def shared(shipped, gpus: int, option: str):
    experiment = shipped.experiments["imagenet-resnet50"]
    resources = experiment.resources.model_copy(update={"gpus": gpus, "cpu": "1", "memory": "8Gi"})
    return experiment.model_copy(update={"resources": resources, "options": (option,)})


def test_four_quarters_of_a_gpu_are_one_gpu_hour(shipped):
    quarter = shared(shipped, 1, "gpu-shared")
    total = sum(gpu_hours(quarter, shipped.environments["staging"], 3600) for _ in range(4))
    assert total == pytest.approx(1.0, abs=0.01)


def test_four_quarters_of_a_gpu_cost_one_gpu(shipped):
    staging, whole = shipped.environments["staging"], shared(shipped, 1, "kueue")
    quarter = run_cost(shared(shipped, 1, "gpu-shared"), staging, 3600)
    assert 4 * quarter.amount == pytest.approx(run_cost(whole, staging, 3600).amount, rel=0.01)


def test_seven_slices_are_one_gpu(shipped):
    staging = shipped.environments["staging"]
    assert gpu_hours(shared(shipped, 7, "gpu-mig"), staging, 3600) == pytest.approx(1.0)


def test_served_model_costs_its_share_of_a_node_for_a_month(snapshot):
    promotion, local = snapshot.promotions["local", "digits"], snapshot.environments["local"]
    assert month_cost(promotion, local, 2) == pytest.approx(2 * 0.5 * 0.08 * 730)


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0.00"), (0.0007, "0.0007"), (0.05, "0.0500"), (12.345, "12.35")]
)
def test_small_amounts_keep_their_digits(amount, text):
    assert money(amount) == text


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text

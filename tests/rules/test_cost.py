import pytest
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.cost import node_share, pool_for, run_cost

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
    assert run_cost(shipped.experiments["imagenet-resnet50"], shipped.environments["local"], 60) is None

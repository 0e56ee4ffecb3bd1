"""What an experiment may ask for where it trains."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.money.prices import pool_for
from ml_pipeline.rules.review.experiments import experiment_faults

from tests.conftest import FIXTURES, folder

VALID = Snapshot(folder(FIXTURES / "valid"))
PATH = "experiments/waiting/experiment.yaml"
WAITING = VALID.experiments["waiting"]
RICH = {"max_cost": 1000.0}


def experiment(environment="local", options=(), workers=1, budget=None, **resources):
    parts = {
        "resources": WAITING.resources.model_copy(update=resources),
        "budget": WAITING.budget.model_copy(update=budget or {}),
        "topology": WAITING.topology.model_copy(update={"workers": workers}),
    }
    return WAITING.model_copy(
        update={**parts, "environment": environment, "options": tuple(options)}
    )


def faults(*arguments, **asked) -> list[str]:
    found = experiment_faults(VALID, PATH, experiment(*arguments, **asked))
    return [f"{fault.key}: {fault.text.partition(';')[0]}" for fault in found]


def test_modest_experiment_has_no_fault():
    assert faults() == []


def test_unknown_environment_is_the_one_fault_that_is_told():
    (fault,) = faults("nowhere", memory="900Ti")
    assert fault == "environment: 'nowhere' does not exist"


@pytest.mark.parametrize(
    ("memory", "fault"),
    [
        ("6Gi", None),
        ("6145Mi", "resources.memory: '6145Mi' is above the largest node of local, 6Gi"),
    ],
)
def test_memory_is_that_of_a_whole_node_at_most(memory, fault):
    assert faults(memory=memory) == ([fault] if fault else [])


@pytest.mark.parametrize(
    ("cpu", "fault"),
    [("2", None), ("2001m", "resources.cpu: '2001m' is above the largest node of local, 2")],
)
def test_cores_are_those_of_a_whole_node_at_most(cpu, fault):
    assert faults(cpu=cpu) == ([fault] if fault else [])


def test_memory_and_cores_are_both_told():
    keys = [fault.partition(":")[0] for fault in faults(memory="7Gi", cpu="3")]
    assert keys == ["resources.memory", "resources.cpu"]


def test_more_gpus_than_a_node_has_fit_no_pool():
    (fault,) = faults("staging", gpus=6, budget=RICH)
    assert fault.startswith("resources: fit no single pool of staging (cpu ")


def test_gpu_where_there_is_none_is_told_and_nothing_more():
    (fault,) = faults(gpus=1, memory="900Ti")
    assert fault == "resources.gpus: '1' asked, but no pool of local has a GPU"


@given(
    st.sampled_from(["local", "staging", "production"]),
    st.integers(1, 100),
    st.integers(1, 1200),
    st.integers(0, 9),
)
def test_no_fault_of_resources_means_a_pool_that_holds_them(environment, cpu, memory, gpus):
    asked = {"cpu": str(cpu), "memory": f"{memory}Gi", "gpus": gpus}
    told = [f for f in faults(environment, budget=RICH, **asked) if f.startswith("resources")]
    facts = VALID.environments[environment]
    pool = pool_for(experiment(environment, **asked), facts)
    assert (told == []) == (pool is not None)
    if pool:
        assert cpu <= cpu_cores(pool.cpu)
        assert memory_bytes(asked["memory"]) <= memory_bytes(pool.memory)
        assert gpus <= pool.gpus


@pytest.mark.parametrize(
    ("environment", "asked", "fault"),
    [
        ("local", {"options": ["spot"]}, "'spot' is on, but no pool of local has a spot price"),
        ("staging", {"options": ["kueue"]}, "'kueue' is on, but staging has no queue"),
        (
            "staging",
            {"options": ["gpu-shared", "gpu-mig"], "gpus": 1},
            "'gpu-shared' and 'gpu-mig' exclude each other",
        ),
        (
            "staging",
            {"options": ["gpu-shared"]},
            "a GPU option is on, but resources.gpus is 0",
        ),
        (
            "staging",
            {"options": ["distributed"]},
            "'distributed' goes with more than 1 worker, topology.workers is 1",
        ),
    ],
)
def test_option_that_does_not_go_is_told(environment, asked, fault):
    assert faults(environment, budget=RICH, **asked) == [f"options: {fault}"]


def test_workers_without_the_option_are_told_at_their_own_key():
    (fault,) = faults(workers=2)
    assert fault.startswith("topology.workers: 'distributed' goes with more than 1 worker")


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ("staging", {"options": ["spot"]}),
        ("local", {"options": ["kueue"]}),
        ("staging", {"options": ["gpu-mig"], "gpus": 1}),
        ("local", {"options": ["distributed"], "workers": 2}),
    ],
)
def test_option_that_goes_is_not_told(environment, asked):
    assert faults(environment, budget=RICH, **asked) == []


@pytest.mark.parametrize(("cost", "count"), [(0.011, 0), (0.009, 1)])
def test_budget_pays_for_the_longest_that_the_run_may_take(cost, count):
    """Half of a node of 0.08 USD an hour, for 15 minutes, is one cent."""
    found = faults(budget={"max_cost": cost, "max_duration": "15m"})
    assert len(found) == count
    assert all("does not pay for 15m (0.01 USD)" in fault for fault in found)

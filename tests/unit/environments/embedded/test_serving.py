import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.adapters.metrics import Counters
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.environments.embedded import windows as module
from ml_pipeline.environments.embedded.records import PodStatus
from ml_pipeline.environments.embedded.router import Readiness, Router
from ml_pipeline.environments.embedded.serving import Serving, cluster, effective_weights
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.embedded.windows import WARM_UP_REQUESTS
from ml_pipeline.rules.render.serving import RUN, TARGET
from ml_pipeline.rules.rollout.latency import Latency

NAMES = st.sampled_from(["a", "b", "c"])
WEIGHTS = st.dictionaries(NAMES, st.integers(1, 100), max_size=3)


def test_new_weights_wait_for_every_predictor():
    assert effective_weights({"a": 90, "b": 10}, {"a": 100}, {"a"}) == {"a": 100}


def test_new_weights_apply_once_all_are_ready():
    assert effective_weights({"a": 90, "b": 10}, {"a": 100}, {"a", "b"}) == {"a": 90, "b": 10}


def test_a_dead_predictor_leaves_its_traffic_to_the_others():
    assert effective_weights({"a": 90, "b": 10}, {"a": 90, "b": 10}, {"a"}) == {"a": 90}


def test_after_a_restart_the_ready_ones_serve():
    assert effective_weights({"a": 90, "b": 10}, {}, {"a"}) == {"a": 90}


def test_revert_after_the_end_keeps_the_new_one_until_the_old_is_ready():
    assert effective_weights({"a": 100}, {"b": 100}, {"b"}) == {"b": 100}


def test_nothing_wanted_routes_nothing():
    assert effective_weights({}, {"a": 100}, {"a"}) == {}


@given(WEIGHTS, WEIGHTS, st.sets(NAMES))
def test_traffic_only_goes_to_what_is_ready(wanted, current, ready):
    assert effective_weights(wanted, current, ready).keys() <= ready


@given(WEIGHTS.filter(bool), WEIGHTS, st.sets(NAMES))
def test_someone_serves_as_long_as_anyone_wanted_is_ready(wanted, current, ready):
    assert bool(effective_weights(wanted, current, ready)) >= bool(wanted.keys() & ready)


def test_clusters_carry_model_and_predictor():
    assert cluster("digits", {"name": "run-0123456789"}).startswith("digits-run-0123456789-")


def test_weight_is_no_part_of_a_server():
    assert cluster("digits", {"name": "a", "traffic": 10}) == cluster(
        "digits", {"name": "a", "traffic": 50}
    )


def test_another_template_is_another_server():
    assert cluster("digits", {"name": "a", "graph": {"modelUri": "x"}}) != cluster(
        "digits", {"name": "a", "graph": {"modelUri": "y"}}
    )


# ---- windows: what a step has shown


class Pods:
    """Stands in for processes: each runs until it is told to have ended."""

    def __init__(self) -> None:
        self.running: dict[str, PodStatus] = {}

    def start(self, name, pod, **_) -> None:
        self.running[name] = PodStatus("Running")

    def status(self, name):
        return self.running.get(name)

    def stop(self, name) -> bool:
        return True

    def remove(self, name) -> None:
        del self.running[name]


class Traffic:
    """Stands in for Envoy's counters; tests/unit/environments/embedded/test_traffic.py holds the real ones."""

    def __init__(self) -> None:
        self.counters: dict[str, Counters] = {}

    def add(self, name: str, answered: int = 0, failed: int = 0, milliseconds: float = 5.0) -> None:
        new = Counters(answered, failed, 0, Latency({milliseconds: answered}))
        self.counters[name] = self.counters.get(name, Counters()).plus(new)

    def scrape(self, admin):
        return dict(self.counters)


def deployment(rollout: str = "r1", model: str = "digits", **weights: int) -> dict:
    found = [
        {
            "name": f"run-{run}",
            "traffic": weight,
            "annotations": {RUN: f"x/{run}"},
            "graph": {"name": model, "modelUri": f"pvc://artifacts/{run}"},
            "componentSpecs": [{"spec": {"containers": [{"name": model}]}}],
        }
        for run, weight in weights.items()
    ]
    metadata = {"name": model, "namespace": "ns", "annotations": {TARGET: rollout}}
    return {"metadata": metadata, "spec": {"predictors": found}}


@pytest.fixture
def traffic(monkeypatch):
    found = Traffic()
    monkeypatch.setattr(module.metrics, "scrape", found.scrape)
    monkeypatch.setattr(module, "SCRAPE_SECONDS", -1.0)
    return found


@pytest.fixture
def serving(tmp_path, monkeypatch, traffic):
    router = Router(State(tmp_path), 8080)
    found = Serving(State(tmp_path), Pods(), router)
    monkeypatch.setattr(router, "readiness", lambda: seen(found, ready=True))
    return found


def seen(serving, **facts) -> dict[str, Readiness]:
    """What Envoy says of every server that runs."""
    running = [s for s in serving.servers.values() if s.started]
    return {server.name: Readiness(server.port, **facts) for server in running}


def rolled(serving, *deployments) -> None:
    """Apply and tick until what is wanted is routed."""
    serving.apply(list(deployments))
    for _ in range(3):
        serving.tick()


def names(serving) -> dict[str, str]:
    return {server.run.removeprefix("x/"): name for name, server in serving.servers.items()}


def shown(serving, run: str) -> dict:
    rows = serving.state.read("serving/digits")["evidence"]
    return next(row for row in rows if row["run"] == f"x/{run}")


def warm(serving, traffic, run: str) -> None:
    traffic.add(names(serving)[run], WARM_UP_REQUESTS, milliseconds=500.0)
    serving.tick()


def test_first_answers_of_a_server_count_but_not_their_latency(serving, traffic):
    rolled(serving, deployment(a=90, b=10))
    warm(serving, traffic, "b")
    traffic.add(names(serving)["b"], 30)
    serving.tick()
    row = shown(serving, "b")
    assert row["requests"] == WARM_UP_REQUESTS + 30
    assert row["latency"] == {"500.0": 0, "5.0": 30}


def test_failures_count_from_the_first_request(serving, traffic):
    rolled(serving, deployment(a=90, b=10))
    traffic.add(names(serving)["b"], failed=5)
    serving.tick()
    assert shown(serving, "b")["errors"] == 5


def test_next_step_counts_anew(serving, traffic):
    rolled(serving, deployment(a=90, b=10))
    traffic.add(names(serving)["b"], 30, 5)
    serving.tick()
    rolled(serving, deployment(a=50, b=50))
    assert (shown(serving, "b")["requests"], shown(serving, "b")["errors"]) == (0, 0)


def test_another_rollout_of_the_same_weights_counts_anew(serving, traffic):
    rolled(serving, deployment("r1", a=90, b=10))
    traffic.add(names(serving)["b"], 30)
    serving.tick()
    rolled(serving, deployment("r2", a=90, b=10))
    assert shown(serving, "b")["requests"] == 0


def test_what_a_server_did_before_it_ended_is_not_forgotten(serving, traffic):
    rolled(serving, deployment(a=90, b=10))
    name = names(serving)["b"]
    traffic.add(name, 30, 5)
    serving.tick()
    serving.pods.running[name] = PodStatus("Ended", exit_code=1)
    serving.tick()
    assert serving.state.read("serving/digits")["routed"] == {"x/a": 90}
    serving.servers[name].not_before = 0.0
    for _ in range(3):
        serving.tick()
    assert serving.state.read("serving/digits")["routed"] == {"x/a": 90, "x/b": 10}
    assert (shown(serving, "b")["requests"], shown(serving, "b")["errors"]) == (35, 5)


def test_restarted_server_warms_up_again(serving, traffic):
    rolled(serving, deployment(a=90, b=10))
    warm(serving, traffic, "b")
    name = names(serving)["b"]
    serving.pods.running[name] = PodStatus("Ended", exit_code=1)
    serving.tick()
    serving.servers[name].not_before = 0.0
    serving.tick()
    warm(serving, traffic, "b")
    assert sum(shown(serving, "b")["latency"].values()) == 0


def test_restarted_envoy_loses_nothing_that_was_counted(serving, traffic):
    rolled(serving, deployment(a=90, b=10))
    name = names(serving)["b"]
    traffic.add(name, 30, 5)
    serving.tick()
    traffic.counters = {name: Counters(2, 1)}
    serving.tick()
    assert (shown(serving, "b")["requests"], shown(serving, "b")["errors"]) == (38, 6)


def test_what_envoy_counted_before_this_process_looked_is_not_of_this_step(serving, traffic):
    serving.apply([deployment(a=90, b=10)])
    for name in names(serving).values():
        traffic.add(name, 1000, 1000)
    rolled(serving, deployment(a=90, b=10))
    assert shown(serving, "b")["requests"] == 0


def test_silent_envoy_leaves_the_evidence_as_it_was(serving, traffic, monkeypatch):
    rolled(serving, deployment(a=90, b=10))
    traffic.add(names(serving)["b"], 30)
    serving.tick()

    def silent(admin):
        raise UnavailableError("Envoy does not answer")

    monkeypatch.setattr(module.metrics, "scrape", silent)
    serving.tick()
    assert shown(serving, "b")["requests"] == 30


def routes(serving) -> list[dict]:
    table = json.loads((serving.state.root / "envoy" / "rds.json").read_bytes())
    return table["resources"][0]["virtual_hosts"][0]["routes"]


def test_before_the_first_revision_every_address_says_503(serving):
    serving.tick()
    assert [r["direct_response"]["status"] for r in routes(serving)] == [503]


def test_a_model_without_a_ready_predictor_says_503_and_others_404(serving, monkeypatch):
    monkeypatch.setattr(serving.router, "readiness", lambda: seen(serving, ready=False))
    rolled(serving, deployment(a=100))
    infer, *_, others = routes(serving)
    assert infer["match"]["path"] == "/seldon/ns/digits/v2/models/digits/infer"
    assert (infer["direct_response"]["status"], others["direct_response"]["status"]) == (503, 404)

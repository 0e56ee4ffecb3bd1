import json
from itertools import pairwise

import pytest
from ml_pipeline.environments.embedded.endpoint import Route
from ml_pipeline.environments.embedded.router import BUCKETS, Router, Upstream
from ml_pipeline.environments.embedded.state import State


@pytest.fixture
def router(tmp_path) -> Router:
    found = Router(State(tmp_path), 8080)
    found.prepare()
    return found


def written(router, name: str) -> dict:
    return json.loads((router.state.root / "envoy" / f"{name}.json").read_bytes())


def test_everything_listens_on_loopback(router):
    assert '"address": "0.0.0.0"' not in json.dumps(written(router, "bootstrap"))


def test_weights_become_weighted_clusters(router):
    router.set_routes([Route("/seldon/ns/digits/", "digits", {"a": 90, "b": 10})])
    route = written(router, "rds")["resources"][0]["virtual_hosts"][0]["routes"][0]
    assert {c["name"]: c["weight"] for c in route["route"]["weighted_clusters"]["clusters"]} == {
        "a": 90,
        "b": 10,
    }


def test_clusters_point_to_ports(router):
    router.set_clusters([Upstream("a", "digits", 5001)])
    (found,) = written(router, "cds")["resources"]
    assert (
        found["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"][
            "socket_address"
        ]["port_value"]
        == 5001
    )


def test_idle_connections_end_before_the_server_ends_them(router):
    router.set_clusters([Upstream("a", "digits", 5001)])
    (found,) = written(router, "cds")["resources"]
    (options,) = found["typed_extension_protocol_options"].values()
    assert float(options["common_http_protocol_options"]["idle_timeout"].removesuffix("s")) < 5


def test_nothing_is_written_when_nothing_changed(router):
    assert router.set_clusters([Upstream("a", "digits", 5001)])
    assert not router.set_clusters([Upstream("a", "digits", 5001)])


def test_each_change_has_its_version(router):
    before = int(written(router, "cds")["version_info"])
    router.set_clusters([Upstream("a", "digits", 5001)])
    assert int(written(router, "cds")["version_info"]) > before


def test_silent_envoy_says_nothing_of_clusters(router):
    assert router.readiness() is None


def test_buckets_are_fine_enough_for_a_p99():
    assert all(b / a < 1.21 for a, b in pairwise(BUCKETS))
    assert BUCKETS[0] == 0.5
    assert BUCKETS[-1] > 1000 * 30 * 1.2  # the route's timeout and a bucket more

from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.local.serving import cluster, effective_weights

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

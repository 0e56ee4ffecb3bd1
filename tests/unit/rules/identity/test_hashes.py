import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.promotion import Resources, Rollout
from ml_pipeline.documents.reader import read
from ml_pipeline.rules.identity.hashes import (
    data_identity,
    digest_of,
    rollout_id,
    run_identity,
    run_inputs,
)

PATH = "experiments/waiting/experiment.yaml"
SHA = "c" * 64


def identities(raw: bytes) -> tuple[str, str]:
    experiment, _ = read(PATH, raw)
    return data_identity(experiment), run_identity(run_inputs(experiment, SHA))


def changed(files, old: str, new: str) -> tuple[str, str]:
    assert old in files[PATH].decode()
    return identities(files[PATH].decode().replace(old, new).encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# yaml-language-server", "# another comment"),
        ("owner: vision", "owner: speech"),
        ("memory: 2Gi", "memory: 3Gi"),
        ("min_accuracy: 0.9", "min_accuracy: 0.5"),
        ("{epochs: 30, batch_size: 64", "{batch_size: 64, epochs: 30"),
        ("learning_rate: 0.006", "learning_rate: 6.0e-3"),
        ("batch_size: 64, ", ""),
    ],
)
def test_what_does_not_decide_the_result_keeps_the_identity(files, old, new):
    assert changed(files, old, new) == identities(files[PATH])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 7", "seed: 8"),
        ("epochs: 30", "epochs: 31"),
        ("type: mlp", "type: cnn"),
        ("aaaa", "aaab"),
    ],
)
def test_what_decides_the_result_makes_another_run(files, old, new):
    assert changed(files, old, new)[1] != identities(files[PATH])[1]


def test_parameters_do_not_make_other_data(files):
    assert changed(files, "epochs: 30", "epochs: 31")[0] == identities(files[PATH])[0]


def test_other_code_makes_no_other_data(files):
    assert changed(files, "aaaa", "aaab")[0] == identities(files[PATH])[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("digits}", "wine}"),
        ("digits}", "digits, holdout: 0.3}"),
        ("digits}", "digits, preparation: 2}"),
        ("environment: local", "environment: staging"),
    ],
)
def test_source_preparation_and_place_make_other_data(files, old, new):
    assert changed(files, old, new)[0] != identities(files[PATH])[0]


def test_place_makes_no_other_run(files):
    assert changed(files, "local", "staging")[1] == identities(files[PATH])[1]


def test_identity_of_known_data_never_changes(files):
    assert identities(files[PATH])[0].startswith("216b187a78")


def test_identity_of_a_known_run_never_changes(files):
    assert identities(files[PATH])[1].startswith("ddd4bf48a3")


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_order_of_keys_does_not_matter(data):
    assert digest_of(data) == digest_of(dict(reversed(data.items())))


def test_rollouts_of_other_environments_are_others(snapshot):
    promotion = snapshot.promotions["local", "digits"]
    assert rollout_id("local", promotion) != rollout_id("staging", promotion)


@pytest.mark.parametrize(
    "change",
    [
        {"run": "good/31a4e76e1a"},
        {"baseline": None},
        {"attempt": 2},
        {"rollout": Rollout(steps=(20, 100))},
    ],
)
def test_what_a_rollout_is_names_it(snapshot, change):
    promotion = snapshot.promotions["local", "digits"]
    assert rollout_id("local", promotion.model_copy(update=change)) != rollout_id(
        "local", promotion
    )


@pytest.mark.parametrize(
    "change",
    [
        {"resources": Resources(memory="9Gi")},
        {"rollout": Rollout(min_requests=1, max_error_rate_increase=0.5, max_p99_increase=9.0)},
    ],
)
def test_what_changes_while_a_rollout_runs_does_not_name_it(snapshot, change):
    promotion = snapshot.promotions["local", "digits"]
    assert rollout_id("local", promotion.model_copy(update=change)) == rollout_id(
        "local", promotion
    )

import pytest
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.layout import is_automations
from ml_pipeline.rules.identity.weights import WeightsPatch
from ml_pipeline.rules.render.serving import rollout_component
from ml_pipeline.rules.review.two_pens import hand_written, rollout_faults

FOLDER = "environments/local/rollouts/digits"
COMPONENT = f"{FOLDER}/kustomization.yaml"
PATCH = f"{FOLDER}/0123456789.yaml"
STEP = to_yaml(WeightsPatch.between({"a/1": 90, "b/2": 10}, {"a/1": 50, "b/2": 50}).operations())


def component(*targets: str) -> bytes:
    return to_yaml(rollout_component("digits", list(targets)))


OPEN = {COMPONENT: component()}
MOVED = {COMPONENT: component("0123456789"), PATCH: STEP}


def by_hand(before, after) -> list[str]:
    changed = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
    return [fault.path for fault in hand_written(before, after, changed, {})]


def test_opened_component_is_what_promote_writes():
    assert by_hand({}, OPEN) == []


def test_step_by_hand_is_found_even_as_automation_writes_it():
    assert by_hand(OPEN, MOVED) == [PATCH]


def test_what_this_machines_environment_made_is_no_forgery():
    texts = {
        fault.path: fault.text for fault in hand_written(OPEN, MOVED, MOVED, {PATCH: "local/main"})
    }
    assert texts == {
        PATCH: "is what local/main holds, and stays there; compare with --base local/main, "
        "or begin a branch of what is to be shared, without it"
    }


def test_removal_is_no_finding():
    assert by_hand(MOVED, OPEN) == []
    assert by_hand(MOVED, {}) == []


def test_component_that_does_not_follow_from_its_folder_is_found():
    assert by_hand(OPEN, {COMPONENT: component("0123456789")}) == [COMPONENT]


@pytest.mark.parametrize(
    "path",
    [
        "experiments/a/runs/0123456789.yaml",
        "experiments/a/data/x",
        "environments/local/verdicts/digits/0123456789.yaml",
        PATCH,
    ],
)
def test_files_of_automation_are_known(path):
    assert is_automations(path)
    assert by_hand({}, {path: b"x\n"}) == by_hand({path: b"y\n"}, {path: b"x\n"}) == [path]


@pytest.mark.parametrize(
    "path", ["experiments/a/experiment.yaml", "environments/local/promotions/digits.yaml"]
)
def test_files_of_people_are_not(path):
    assert not is_automations(path)


@pytest.mark.parametrize(
    ("first", "weights"),
    [
        ({"a/1": 90, "b/2": 10}, {"a/1": 50, "b/2": 50}),
        ({"a/1": 90, "b/2": 10}, {"b/2": 100}),
        ({"a/1": 90, "b/2": 10}, {"a/1": 100}),
    ],
)
def test_what_automation_writes_is_no_fault(first, weights):
    files = {**MOVED, PATCH: to_yaml(WeightsPatch.between(first, weights).operations())}
    assert list(rollout_faults(files, files)) == []


@pytest.mark.parametrize(
    "patch",
    [
        "- {op: replace, path: /spec/predictors/0/graph/modelUri, value: x}",
        "- {op: replace, path: /spec/predictors/0/traffic, value: '100'}",
        "- {op: replace, path: /spec/predictors/0/traffic, value: true}",
        "- {op: replace, path: /spec/predictors/0/traffic, value: 100, from: /x}",
        "- {op: replace, path: /spec/predictors/1/traffic, value: 100}",
        "- {op: add, path: /spec/predictors/0/traffic, value: 100}",
        "- {op: remove, path: /spec/predictors}\n- {op: replace, path: /spec/predictors/0/traffic, value: 100}",
        "- {op: remove, path: /spec/predictors/0}",
        "- {op: replace, path: /spec/predictors/0/traffic, value: 100}\n- {op: remove, path: /spec/predictors/1}",
        "[]",
        "a: b",
        "- x",
    ],
)
def test_rollout_that_is_more_or_less_than_weights_is_found(patch):
    files = {**MOVED, PATCH: patch.encode()}
    (fault,) = rollout_faults(files, files)
    assert (fault.path, fault.text) == (PATCH, "is not what automation writes; restore it from git")


def test_weights_that_do_not_sum_are_found():
    files = {**MOVED, PATCH: STEP.replace(b"50", b"40")}
    (fault,) = rollout_faults(files, files)
    assert "weights [40, 40] must each be at least 1 and sum to 100" in fault.text


@pytest.mark.parametrize("name", ["job.yaml", "0123456789.yml", "deep/kustomization.yaml", "x"])
def test_other_file_in_a_rollout_is_found(name):
    files = {**OPEN, f"{FOLDER}/{name}": b"x: 1\n"}
    texts = {fault.path: fault.text for fault in rollout_faults(files, files)}
    assert texts[f"{FOLDER}/{name}"] == "is no file of automation; delete it"

import pytest
from ml_pipeline.rules.identity.weights import WeightsPatch, first_step

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"


def test_first_step_keeps_almost_all_where_it_is(snapshot):
    assert first_step(snapshot.promotions["local", "digits"]) == {GOOD: 90, BETTER: 10}


@pytest.mark.parametrize("weights", [{GOOD: 50, BETTER: 50}, {BETTER: 100}, {GOOD: 100}])
def test_patch_leads_to_the_weights_and_holds_nothing_else(snapshot, weights):
    first = first_step(snapshot.promotions["local", "digits"])
    patch = WeightsPatch.between(first, weights)
    operations = patch.operations()
    assert WeightsPatch.read(operations) == patch
    assert patch.applied_to(first) == weights
    assert {
        operation["path"].split("/")[-1] for operation in operations if operation["op"] == "replace"
    } == {"traffic"}


def replace(number: int, weight: object):
    return {"op": "replace", "path": f"/spec/predictors/{number}/traffic", "value": weight}


REMOVE = {"op": "remove", "path": "/spec/predictors/0"}


@pytest.mark.parametrize(
    "operations",
    [
        None,
        {},
        [],
        ["x"],
        [REMOVE],
        [replace(1, 100)],
        [replace(0, "100")],
        [{**replace(0, 1), "value": True}],
        [replace(0, 100), REMOVE],
        [{**replace(0, 100), "op": "add"}],
        [{**replace(0, 100), "from": "/x"}],
        [REMOVE, REMOVE, replace(0, 100)],
    ],
)
def test_what_automation_does_not_write_is_no_patch(operations):
    assert WeightsPatch.read(operations) is None


@pytest.mark.parametrize(
    "patch", [WeightsPatch((2,), (100,)), WeightsPatch((), (10, 20, 70))], ids=["gone", "kept"]
)
def test_patch_of_a_step_with_more_predictors_does_not_fit(patch):
    with pytest.raises(ValueError, match="predictor that is not there"):
        patch.applied_to({GOOD: 90, BETTER: 10})

from collections import Counter

import pytest
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.automation.holds import hold_of, holds_of
from ml_pipeline.rules.automation.triage import Triage

from tests.conftest import FIXTURES, folder

VALID = folder(FIXTURES / "valid")
WAITING = "experiments/waiting/experiment.yaml"
GOOD = "experiments/good/runs/31a4e76e1a.yaml"
PROMOTION = "environments/local/promotions/digits.yaml"
UNREADABLE = b"kind: [\n"


def reason(path: str = WAITING, faults: int = 1, **dependents: int) -> str:
    said = [Fault(path, 3, "seed", f"is wrong {number}; correct it") for number in range(faults)]
    return hold_of(path, said, Counter(dependents)).reason


def held(environment: str, **changed: bytes) -> list[str]:
    holds = holds_of(Triage(Snapshot({**VALID, **changed})), environment)
    return [hold.what for hold in holds]


def test_hold_is_one_line_with_the_place_the_fault_and_the_way_out():
    assert reason() == (
        f"{WAITING}:3: seed: is wrong 0; correct it, "
        f"or take it out with `ml-pipeline withdraw {WAITING}`"
    )


def test_first_fault_is_told_and_the_others_are_counted():
    assert "is wrong 0; correct it (and 2 more), or" in reason(faults=3)
    assert "is wrong 1" not in reason(faults=3)


@pytest.mark.parametrize(
    ("dependents", "waits"),
    [
        ({"experiment": 1}, "; 1 experiment cannot go on without it"),
        ({"promotion": 1, "experiment": 2}, "; 2 experiments and 1 promotion cannot go on"),
    ],
)
def test_what_waits_for_it_is_counted_by_kind(dependents, waits):
    assert waits in reason(**dependents)


@pytest.mark.parametrize("path", [WAITING, GOOD])
def test_what_an_experiment_has_can_be_withdrawn(path):
    assert reason(path).endswith(f"or take it out with `ml-pipeline withdraw {path}`")


@pytest.mark.parametrize("path", [PROMOTION, "base/training-job/job.yaml", "experiments/a/x.md"])
def test_whatever_else_goes_with_its_commit(path):
    assert reason(path).endswith(f"or revert its commit, `git log -1 -- {path}`")


def test_file_of_an_environment_is_held_there_alone():
    assert held("local", **{PROMOTION: UNREADABLE}) == [PROMOTION]
    assert held("staging", **{PROMOTION: UNREADABLE}) == []


def test_experiment_is_held_where_it_trains():
    too_large = VALID[WAITING].replace(b"memory: 2Gi", b"memory: 900Ti")
    assert held("local", **{WAITING: too_large}) == [WAITING]
    assert held("staging", **{WAITING: too_large}) == []


def test_receipt_is_held_where_its_run_was_trained():
    renamed = VALID[GOOD].replace(b"id: '31a4e76e1a'", b"id: '0000000000'")
    assert held("local", **{GOOD: renamed}) == [GOOD]
    assert held("staging", **{GOOD: renamed}) == []


@pytest.mark.parametrize("raw", [UNREADABLE, b"environment: staging\n"])
def test_what_nobody_can_read_concerns_every_environment(raw):
    assert held("local", **{WAITING: raw}) == held("staging", **{WAITING: raw}) == [WAITING]


def test_experiment_of_an_environment_that_does_not_exist_concerns_all():
    nowhere = VALID[WAITING].replace(b"environment: local", b"environment: nowhere")
    assert held("staging", **{WAITING: nowhere}) == [WAITING]


def test_holds_are_in_the_order_of_paths_and_count_what_waits():
    data = "experiments/better/data/216b187a78.yaml"
    changed = {data: UNREADABLE, WAITING: UNREADABLE}
    first, second = holds_of(Triage(Snapshot({**VALID, **changed})), "local")
    assert (first.what, second.what) == (data, WAITING)
    assert first.reason.endswith("; 4 experiments cannot go on without it")
    assert "cannot go on" not in second.reason

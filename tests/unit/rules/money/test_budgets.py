import pytest
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.rules.money.budgets import advice, months, over_budget
from ml_pipeline.rules.money.estimates import History

from tests.support.many import WAITING, rendered, roomy_tree
from tests.support.simulate import settle

ENVIRONMENT = "environments/local/environment.yaml"


def edited(files, path: str, old: str, new: str) -> dict[str, bytes]:
    assert old in files[path].decode()
    return {**files, path: files[path].decode().replace(old, new).encode()}


def month(files, when: str = "2026-01"):
    snapshot = load_snapshot(files)
    return months(snapshot, History(snapshot), when)["local"]


def faults(before, after, when: str = "2026-01") -> list[str]:
    old, new = load_snapshot(before), load_snapshot(after)
    found = over_budget(new, months(old, History(old), when), months(new, History(new), when))
    return [str(fault) for fault in found]


def test_month_holds_what_was_spent_what_waits_and_what_serves(files):
    found = month(files)
    assert found.spent == pytest.approx(3 * 0.000667, abs=1e-4)
    assert list(found.waiting) == ["waiting"]
    assert [(s.model, s.predictors) for s in found.served] == [("digits", 2)]
    assert found.left == pytest.approx(100 - found.expected)


def test_another_month_has_spent_nothing(files):
    assert month(files, "2026-02").spent == 0


def test_settled_run_waits_no_more_and_has_been_paid(files):
    found = month(settle(rendered(files)))
    assert list(found.waiting) == []
    assert found.spent == pytest.approx(4 * 0.000667, abs=1e-4)


def test_same_run_asked_for_twice_is_paid_once(files):
    files["experiments/also/experiment.yaml"] = files[WAITING].replace(
        b"name: waiting", b"name: also"
    )
    assert len(month(files).waiting) == 1


def test_budget_that_a_change_uses_up_is_named(files):
    before = edited(files, ENVIRONMENT, "monthly: 100", "monthly: 58.5")
    after = dict(before)
    text = (
        before[WAITING]
        .decode()
        .replace("max_duration: 15m", "max_duration: 9h")
        .replace("bundled://digits", "bundled://wine")
    )
    after["experiments/more/experiment.yaml"] = (
        text.replace("name: waiting", "name: more")
        .replace("max_cost: 0.05", "max_cost: 5")
        .encode()
    )
    (fault,) = faults(before, after)
    assert fault.startswith("environments/local/environment.yaml:")
    assert (
        "budget.monthly: '58.5' is less than 58.76 USD expected in 2026-01, 0.36 more than before; ask for less"
        in fault
    )


def test_budget_already_spent_stops_nothing_that_makes_it_no_worse(files):
    broke = edited(files, ENVIRONMENT, "monthly: 100", "monthly: 1")
    assert faults(broke, {p: raw for p, raw in broke.items() if p != WAITING}) == []


def test_dearer_nodes_use_up_a_budget_too(files):
    (fault,) = faults(
        files, edited(files, ENVIRONMENT, "price_per_hour: 0.08", "price_per_hour: 0.8")
    )
    assert "'100' is less than 584." in fault


def like_runs(peak: float) -> dict[str, bytes]:
    files = roomy_tree()
    for path in [p for p in files if "/runs/" in p and b"outcome: succeeded" in files[p]]:
        files[path] += f"peak_memory_mb: {peak}\n".encode()
        files[path] = files[path].replace(b"duration_s: 60.0", b"duration_s: 72000.0")
    return edited(files, WAITING, "memory: 2Gi", "memory: 600Gi")


def hints(files, name: str = "waiting") -> list[str]:
    snapshot = Snapshot(files)
    return advice(snapshot, History(snapshot), snapshot.experiments[name])


def test_advice_has_amounts_of_money():
    files = edited(
        like_runs(5200.0),
        WAITING,
        "max_duration: 15m, max_cost: 0.05",
        "max_duration: 2d, max_cost: 900",
    )
    spot, memory = hints(files)
    assert spot == "spot saves 65.45 USD a run; add it to options"
    assert memory == "600Gi asked, 5.1Gi used in 3 runs: memory 7Gi saves 96.31 USD a run"


def test_memory_that_is_used_is_not_advised_against():
    files = edited(
        like_runs(400_000.0),
        WAITING,
        "max_duration: 15m, max_cost: 0.05",
        "max_duration: 2d, max_cost: 900",
    )
    assert [said for said in hints(files) if "memory" in said] == []


def test_without_a_spot_price_there_is_no_advice_for_it(files):
    assert hints(files) == []

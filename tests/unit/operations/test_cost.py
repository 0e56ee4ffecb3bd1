import json

import pytest
from ml_pipeline.cli import main
from ml_pipeline.operations.cost import accuracy
from ml_pipeline.operations.cost import cost as costs_of

from tests.conftest import git
from tests.support.simulate import settle


@pytest.fixture
def team(team, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01
    return team


def cost(team, *options: str) -> int:
    return main(["cost", "--repo", str(team), *options])


def test_what_waits_serves_and_is_left_is_printed(team, capsys):
    assert cost(team) == 0
    said = capsys.readouterr().out
    assert (
        "waiting     local        laptop  60 s      78 s  0 s   0.0007    0.0009  0.0007     -     3 like runs"
        in said
    )
    assert "digits serves in local with 2 predictors: 58.40 USD a month" in said
    assert (
        "local in 2026-01: 0.00 spent, 0.00 waiting, 58.40 serving, 41.60 of 100 USD left" in said
    )


def test_budget_that_does_not_suffice_is_a_finding(team, capsys):
    path = team / "environments/local/environment.yaml"
    path.write_text(path.read_text().replace("monthly: 100", "monthly: 50"))
    assert cost(team, "--output", "json") == 1
    assert json.loads(capsys.readouterr().out)["environments"][0]["left"] == -8.4


def test_receipt_holds_estimate_and_actual(team, files, capsys):
    for path, raw in settle(files).items():
        (team / path).parent.mkdir(parents=True, exist_ok=True)
        (team / path).write_bytes(raw)
    assert cost(team, "--accuracy") == 0
    said = capsys.readouterr().out
    assert "waiting/ddd4bf48a3  3     60 s  78 s  60 s  +0%" in said
    assert said.endswith(
        "1 run had an estimate, 1 from 3 like runs or more: of these the median error is 0%, and 100% took no longer than p90\n"
    )


@pytest.mark.parametrize(
    ("runs", "p50", "shown"),
    [
        (3, 90.0, "+50%"),
        (3, 30.0, "-50%"),
        (3, 72_000.0, "1200 times as long"),
        (0, 72_000.0, "only a budget was known"),
    ],
)
def test_error_of_an_estimate_can_be_read(team, files, capsys, runs, p50, shown):
    for path, raw in settle(files).items():
        (team / path).parent.mkdir(parents=True, exist_ok=True)
        (team / path).write_bytes(raw)
    receipt = team / "experiments/waiting/runs/ddd4bf48a3.yaml"
    text = receipt.read_text().replace("p50_s: 60.0", f"p50_s: {p50}")
    receipt.write_text(text.replace("estimate:\n  runs: 3", f"estimate:\n  runs: {runs}"))
    assert cost(team, "--accuracy") == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if "ddd4bf48a3" in line]
    assert row.endswith(f"  60 s  {shown}")


def test_without_estimates_accuracy_says_so(team, capsys):
    assert cost(team, "--accuracy") == 0
    assert capsys.readouterr().out == "0 runs had an estimate, 0 from 3 like runs or more\n"


def test_month_is_this_one_unless_it_is_set(team, capsys, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    cost(team)
    assert "local in 20" in capsys.readouterr().out
    assert git(team, "status", "--short") == ""


def test_operations_return_records_and_print_nothing(team, capsys):
    costs = costs_of(team)
    assert [month.environment for month in costs.months] == ["local", "production", "staging"]
    assert list(costs.months[0].waiting) == ["waiting"]
    assert costs.suffice
    assert accuracy(team).estimates == ()
    assert capsys.readouterr() == ("", "")

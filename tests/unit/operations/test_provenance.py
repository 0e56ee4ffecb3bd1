import json

import pytest
from ml_pipeline.adapters import processes
from ml_pipeline.cli import main

from tests.conftest import git

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"


def output(team, capsys, *arguments: str, code: int = 0) -> str:
    assert main([arguments[0], "--repo", str(team), *arguments[1:]]) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


@pytest.mark.parametrize(
    "link",
    [
        "endpoint",
        "predictor   run-c39d9a14b0 with 10 %",
        "model       sha256 c39d",
        "receipt     experiments/better/runs/c39d9a14b0.yaml",
        "data        sha256 cccc",
        "image       sha256:aaaa",
    ],
)
def test_chain_has_every_link(team, capsys, link):
    assert link in output(team, capsys, "why", "digits")


def test_chain_is_data_for_programs(team, capsys):
    chains = json.loads(output(team, capsys, "why", "digits", "--output", "json"))
    assert [chain["run"]["name"] for chain in chains] == [GOOD, BETTER]
    assert [chain["predictor"]["weight"] for chain in chains] == [90, 10]
    assert chains[0]["promotion"]["commit"] == git(team, "rev-parse", "HEAD")
    assert chains[0]["endpoint"] is None


def test_runs_stand_side_by_side(team, capsys):
    lines = output(team, capsys, "compare", "good", "weak").splitlines()
    assert next(line.split() for line in lines if "learning_rate" in line)[-2:] == [
        "0.002",
        "0.004",
    ]
    assert not any("decided by epochs" in line for line in lines), "what is equal is left out"


def test_compared_runs_are_data_with_real_types(team, capsys):
    (run,) = json.loads(output(team, capsys, "compare", "good", "--output", "json"))
    assert (run["run"], run["duration_s"], run["metrics"]["gate_accuracy"]) == (GOOD, 60.0, 0.98)
    assert run["decided_by"]["parameters"]["epochs"] == 30
    assert run["decided_by"]["image"] == f"sha256:{'a' * 64}"
    assert run["gates"]["quality"] is True
    assert run["cost"] == {"amount": 0.000667, "currency": "USD", "pool": "laptop"}


def test_patterns_are_compared_in_the_order_of_a_metric(team, capsys):
    asked = ("compare", "*e*", "good/*", "--sort", "gate_accuracy", "--output", "json")
    best_first = [run["run"] for run in json.loads(output(team, capsys, *asked))]
    assert best_first == [BETTER, GOOD, "weak/e96261b1e3", "broken/970e519fc8"]
    worst_first = json.loads(output(team, capsys, *asked, "--reverse"))
    assert worst_first[0]["run"] == "weak/e96261b1e3"


def break_another(team) -> None:
    """Somebody else's document on the branch is wrong."""
    (team / "experiments/weak/experiment.yaml").write_text("kind: 5\n")
    git(team, "commit", "--quiet", "--all", "--message", "Break it")
    git(team, "push", "--quiet", "origin", "main")


@pytest.mark.parametrize(
    "asked", [("why", "digits"), ("history", "digits"), ("compare", "good", "better")]
)
def test_document_of_somebody_else_keeps_nobody_from_the_answer(team, capsys, asked):
    break_another(team)
    assert "31a4e76e1a" in output(team, capsys, *asked)


def test_history_is_data_for_programs(team, capsys):
    (begun,) = json.loads(output(team, capsys, "history", "digits", "--output", "json"))
    assert begun["commit"] == git(team, "rev-parse", "HEAD")
    assert begun["serves"] == [{"run": GOOD, "weight": 90}, {"run": BETTER, "weight": 10}]


def test_history_goes_on_past_a_promotion_that_cannot_be_read(team, capsys):
    path = team / "environments/local/promotions/digits.yaml"
    whole = path.read_text()
    for text in ("kind: 5\n", whole):
        path.write_text(text)
        git(team, "commit", "--quiet", "--all", "--message", "Edit")
        git(team, "push", "--quiet", "origin", "main")
    rows = output(team, capsys, "history", "digits").splitlines()[1:]
    assert ["unknown: environments/local/promotions/digits.yaml:1" in row for row in rows] == [
        False,
        True,
        False,
    ]


def test_history_asks_git_as_often_for_many_commits_as_for_one(team, capsys, monkeypatch):
    path = team / "environments/local/promotions/digits.yaml"
    for number in range(5):
        path.write_text(f"# {number}\n{path.read_text()}")
        git(team, "commit", "--quiet", "--all", "--message", "Edit")
    git(team, "push", "--quiet", "origin", "main")
    asked = []
    real = processes.run
    monkeypatch.setattr(processes, "run", lambda *a, **k: asked.append(a) or real(*a, **k))
    assert len(output(team, capsys, "history", "digits").splitlines()) == 7
    assert len([a for a in asked if "cat-file" in a[0]]) == 3, "the head, promotions, weights"


def test_history_says_what_served_and_who_changed_it(team, capsys):
    main(["promote", "--repo", str(team), "good", "--steps", "100"])
    capsys.readouterr()
    newest = output(team, capsys, "history", "digits").splitlines()[1]
    assert "Ada" in newest
    assert "100 % good/31a4e76e1a" in newest


@pytest.mark.parametrize(
    ("command", "message"),
    [("why", "is not promoted in local"), ("history", "was never promoted in local")],
)
def test_unknown_model_is_named(team, capsys, command, message):
    assert message in output(team, capsys, command, "letters", code=2)


def test_unknown_run_is_named(team, capsys):
    assert "has no receipt of a run" in output(team, capsys, "compare", "nobody", code=2)

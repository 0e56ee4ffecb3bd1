import json

import pytest
from ml_pipeline.cli import main

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
    assert [chain["run"].split(",")[0] for chain in chains] == [GOOD, BETTER]


def test_runs_stand_side_by_side(team, capsys):
    lines = output(team, capsys, "compare", "good", "weak").splitlines()
    assert next(line.split() for line in lines if "learning_rate" in line)[-2:] == [
        "0.002",
        "0.004",
    ]
    assert not any("decided by epochs" in line for line in lines), "what is equal is left out"


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

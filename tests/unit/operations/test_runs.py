import json

import pytest
from ml_pipeline.cli import main

from tests.conftest import git

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"


def runs(team, capsys, *arguments: str, code: int = 0) -> str:
    assert main(["runs", "--repo", str(team), *arguments]) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_runs_are_a_table_with_what_people_compare(team, capsys):
    head, *rows = runs(team, capsys, "--sort", "gate_accuracy", "--outcome", "succeeded").split(
        "\n"
    )
    assert head.split()[:3] == ["RUN", "OUTCOME", "gate_accuracy"]
    assert rows[0].split()[:3] == [BETTER, "succeeded", "0.98"]
    assert "failed: quality" in next(row for row in rows if row.startswith("weak/"))


def test_runs_are_data_with_real_types(team, capsys):
    (run,) = json.loads(runs(team, capsys, "--experiment", "good", "--output", "json"))
    assert (run["run"], run["metrics"]["gate_accuracy"], run["gates"]["quality"], run["cost"]) == (
        GOOD,
        0.98,
        True,
        0.000667,
    )


def test_first_ones_only(team, capsys):
    said = runs(team, capsys, "--limit", "2")
    assert len(said.splitlines()) == 4
    assert "2 of 5 runs are shown" in said


def test_none_is_an_answer(team, capsys):
    assert "no runs; `ml-pipeline submit` asks for one" in runs(team, capsys, "--model", "letters")


def test_unreadable_document_is_named_and_the_rest_is_listed(team, capsys):
    (team / "experiments/good/runs/31a4e76e1a.yaml").write_text("kind: 5\n")
    git(team, "commit", "--quiet", "--all", "--message", "Break it")
    git(team, "push", "--quiet", "origin", "main")
    said = runs(team, capsys, code=1)
    assert BETTER in said
    assert "experiments/good/runs/31a4e76e1a.yaml:1: kind: '5' is not the kind" in said


def test_time_that_is_none_is_wrong_usage(team, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["runs", "--repo", str(team), "--since", "yesterday"])
    assert ended.value.code == 2
    assert "argument --since: 'yesterday' must be a whole number and s, m, h or d" in (
        capsys.readouterr().err
    )

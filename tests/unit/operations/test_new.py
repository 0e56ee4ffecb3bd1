import re

import pytest
import yaml
from ml_pipeline.adapters.git.working_tree import open_tree
from ml_pipeline.cli import main
from ml_pipeline.documents.snapshot import Snapshot


def new(team, *arguments: str) -> int:
    return main(["new", "experiment", "wider", "--repo", str(team), *arguments])


def written(team) -> str:
    return (team / "experiments/wider/experiment.yaml").read_text()


def test_experiment_like_another_is_valid_and_commented(team, capsys):
    assert new(team, "--like", "waiting", "--set", "parameters.hidden=128") == 0
    text = written(team)
    assert "  # Width of the hidden layers or first channels; default 64.\n  hidden: 128\n" in text
    assert "  # Share of activations dropped in training; default 0.\n  # dropout: 0.0\n" in text
    assert yaml.safe_load(text)["name"] == "wider"
    assert (
        main(["validate", "--repo", str(team), str(team / "experiments/wider/experiment.yaml")])
        == 0
    )
    assert capsys.readouterr().out.startswith("wrote experiments/wider/experiment.yaml; edit it")


def test_everything_but_the_name_is_that_of_the_other(team):
    new(team, "--like", "waiting")
    found = Snapshot(open_tree(team)).experiments
    assert found["wider"] == found["waiting"].model_copy(update={"name": "wider"})


def test_every_commented_line_may_be_uncommented(team):
    new(team, "--like", "waiting")
    path = team / "experiments/wider/experiment.yaml"
    lines = path.read_text().splitlines()
    keys = [
        number
        for number, line in enumerate(lines)
        if re.match(r" *# [a-z_]+: ", line) and "$schema" not in line
    ]
    for number in keys:
        lines[number] = lines[number].replace("# ", "", 1)
    path.write_text("\n".join(lines) + "\n")
    assert keys
    assert main(["validate", "--repo", str(team), str(path)]) == 0


def test_experiment_that_exists_is_left_alone(team, capsys):
    assert main(["new", "experiment", "good", "--like", "waiting", "--repo", str(team)]) == 2
    assert (
        capsys.readouterr().err
        == "experiments/good/experiment.yaml:1: exists already; choose another name, or edit it\n"
    )


def test_unknown_other_is_named_with_those_that_are_there(team, capsys):
    assert new(team, "--like", "gone") == 2
    assert (
        "experiment 'gone' does not exist; known are better, broken, good, waiting, weak"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["Upper", "a b", "x" * 41, "a;b"])
def test_name_that_breaks_the_rule_writes_nothing(team, capsys, name):
    assert main(["new", "experiment", name, "--like", "waiting", "--repo", str(team)]) == 2
    assert ": name: " in capsys.readouterr().err
    assert not (team / "experiments" / name).exists()


def test_setting_that_breaks_a_rule_writes_nothing(team, capsys):
    assert new(team, "--like", "waiting", "--set", "resources.memory=900Gi") == 2
    assert "'900Gi' is above the largest node of local" in capsys.readouterr().err
    assert not (team / "experiments/wider").exists()

import json
import subprocess
import sys

import pytest
from ml_pipeline.cli import main
from ml_pipeline.operations.validate import Counts, validate, validate_files

from tests.conftest import FIXTURES, REPOSITORY


def test_valid_tree_is_counted(team, capsys):
    assert main(["validate", "--repo", str(team), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["experiments"] == 5


def test_faults_end_with_code_2_and_one_line_each(team, capsys):
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(
        path.read_text().replace("epochs: 30", "epochs: 0").replace("memory: 2Gi", "memory: 2G")
    )
    assert main(["validate", "--repo", str(team)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("experiments/waiting/experiment.yaml:") for line in lines)


@pytest.mark.parametrize("name", ["empty-file", "not-utf-8", "yaml-bomb"])
def test_unreadable_files_are_no_bug(team, capsys, name):
    (team / "experiments/waiting/experiment.yaml").write_bytes(
        (FIXTURES / "invalid" / f"{name}.yaml").read_bytes()
    )
    assert main(["validate", "--repo", str(team)]) == 2
    assert "bug" not in capsys.readouterr().err


def test_this_repository_is_valid():
    done = subprocess.run(
        [sys.executable, "-m", "ml_pipeline.cli", "validate"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def some(team, *files: str) -> int:
    return main(["validate", "--repo", str(team), *(str(team / file) for file in files)])


def test_only_the_named_files_are_looked_at(team, capsys):
    (team / "experiments/good/experiment.yaml").write_text("kind: Experiment\n")
    assert some(team, "experiments/waiting/experiment.yaml") == 0
    assert capsys.readouterr().out == "valid: experiments/waiting/experiment.yaml\n"


def test_what_a_named_file_refers_to_is_looked_at_too(team, capsys):
    (team / "environments/local/environment.yaml").write_text("kind: Environment\n")
    assert some(team, "experiments/waiting/experiment.yaml") == 2
    assert (
        "environments/local/environment.yaml:1: name: is missing; add it" in capsys.readouterr().err
    )


def test_faults_of_all_named_files_come_at_once(team, capsys):
    for name in ("good", "waiting"):
        path = team / f"experiments/{name}/experiment.yaml"
        path.write_text(path.read_text().replace("environment: local", "environment: lab"))
    assert (
        some(team, "experiments/good/experiment.yaml", "experiments/waiting/experiment.yaml") == 2
    )
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        "experiments/good/experiment.yaml",
        "experiments/waiting/experiment.yaml",
    ]


def test_promotion_is_held_against_its_receipt(team, capsys):
    path = team / "environments/local/promotions/digits.yaml"
    path.write_text(path.read_text().replace("run: better/c39d9a14b0", "run: weak/e96261b1e3"))
    assert some(team, "environments/local/promotions/digits.yaml") == 2
    assert "fails its gate, quality: 0.5 against 0.9" in capsys.readouterr().err


def test_stray_file_is_in_no_place(team, capsys):
    (team / "experiments/notes.yaml").write_text("a: b\n")
    assert some(team, "experiments/notes.yaml") == 2
    assert "is in no place that holds documents" in capsys.readouterr().err


STRAY = "environments/staging/training/notes.yaml"


@pytest.mark.parametrize("named", [[], [STRAY]], ids=["all", "named"])
def test_file_where_flux_builds_is_a_fault(team, capsys, named):
    (team / STRAY).write_text("a: b\n")
    assert some(team, *named) == 2
    assert f"{STRAY}:1: is not what `ml-pipeline render` writes" in capsys.readouterr().err


@pytest.mark.parametrize("named", [[], ["base/serving/kustomization.yaml"]], ids=["all", "named"])
def test_character_that_is_not_seen_is_a_fault(team, capsys, named):
    with (team / "base/serving/kustomization.yaml").open("a") as sink:
        sink.write("# \u2066\n")
    assert some(team, *named) == 2
    assert "holds U+2066, a character that is not seen; delete it" in capsys.readouterr().err


@pytest.mark.parametrize(
    "file", ["experiments/gone/experiment.yaml", "README.md", "../outside.yaml"]
)
def test_file_that_is_none_of_the_documents_is_named(team, capsys, file):
    assert some(team, file) == 2
    assert "correct the path" in capsys.readouterr().err


def test_relative_path_is_that_of_the_shell(team, capsys, monkeypatch):
    monkeypatch.chdir(team / "experiments/waiting")
    assert main(["validate", "--repo", "../..", "experiment.yaml"]) == 0


def test_operations_return_what_they_found_and_print_nothing(team, capsys):
    path = "experiments/waiting/experiment.yaml"
    assert validate(team) == Counts(experiments=5, runs=4, data=1, promotions=1, environments=3)
    assert validate_files(team, [team / path]) == [path]
    assert capsys.readouterr() == ("", "")

import json
import subprocess
import sys

import pytest
from ml_pipeline.cli import main

from tests.conftest import FIXTURES, REPOSITORY


def test_valid_tree_is_counted(team, capsys):
    assert main(["validate", "--repo", str(team), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["experiments"] == 5


def test_faults_end_with_code_2_and_one_line_each(team, capsys):
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(path.read_text().replace("epochs: 30", "epochs: 0").replace("memory: 2Gi", "memory: 2G"))
    assert main(["validate", "--repo", str(team)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("experiments/waiting/experiment.yaml:") for line in lines)


@pytest.mark.parametrize("name", ["empty-file", "not-utf-8", "yaml-bomb"])
def test_unreadable_files_are_no_bug(team, capsys, name):
    (team / "experiments/waiting/experiment.yaml").write_bytes((FIXTURES / "invalid" / f"{name}.yaml").read_bytes())
    assert main(["validate", "--repo", str(team)]) == 2
    assert "bug" not in capsys.readouterr().err


def test_this_repository_is_valid():
    done = subprocess.run([sys.executable, "-m", "ml_pipeline.cli", "validate"], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

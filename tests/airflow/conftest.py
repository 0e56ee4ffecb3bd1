"""Tests of what knows Airflow: in an environment of its own, which `make airflow` installs."""

import os
import tempfile
from importlib.util import find_spec

import pytest

from tests.airflow.team import Team

if find_spec("airflow") is None:
    collect_ignore_glob = ["test_*.py"]  # of .venv, which collects all tests to run the others
else:
    # Airflow reads them when it is imported: before any test.
    HOME = tempfile.TemporaryDirectory(prefix="airflow-")
    os.environ |= {
        "AIRFLOW_HOME": HOME.name,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }


@pytest.fixture
def retraining_team(team, tmp_path, monkeypatch) -> Team:
    """A team with the DAGs in its repository, and what an Airflow of theirs is told."""
    found = Team(team, tmp_path)
    for name, value in found.settings.items():
        monkeypatch.setenv(name, value)
    return found

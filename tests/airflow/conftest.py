"""Tests of what knows Airflow: in an environment of its own, which `make airflow` installs."""

from importlib.util import find_spec

if find_spec("airflow") is None:
    collect_ignore_glob = ["test_*.py"]  # of .venv, which collects all tests to run the others

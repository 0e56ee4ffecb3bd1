import json

import pytest
from ml_pipeline.cli import main
from ml_pipeline.local.state import State


@pytest.fixture
def state(tmp_path) -> State:
    found = State(tmp_path / ".ml-pipeline")
    found.origin.mkdir(parents=True)
    for name, labels in (("a", {"pipeline": "ml-training"}), ("b", {"pipeline": "other"})):
        manifest = {"metadata": {"labels": labels}}
        found.write(
            f"jobs/{name}",
            {"name": name, "manifest": manifest, "phase": "Pending", "attempt": 0, "message": "waits for cpu: 1 asked, 0 of 2 free"},
        )
    predictor = {"name": "digits-run-1", "run": "x/0123456789", "weight": 100, "ready": True, "message": "ready"}
    found.write(
        "serving/digits", {"model": "digits", "labels": {}, "state": "Available", "url": "http://127.0.0.1:1", "predictors": [predictor]}
    )
    return found


def status(state, *options: str) -> int:
    return main(["status", "--repo", str(state.root.parent), *options])


def test_what_waits_says_for_what(state, capsys):
    status(state)
    assert "waits for cpu: 1 asked, 0 of 2 free" in capsys.readouterr().out


def test_labels_select(state, capsys):
    status(state, "-l", "pipeline=ml-training", "--output", "json")
    data = json.loads(capsys.readouterr().out)
    assert ([job["name"] for job in data["jobs"]], data["models"]) == (["a"], [])


def test_served_models_are_shown_with_their_weights(state, capsys):
    status(state)
    assert "100 %  x/0123456789  ready" in capsys.readouterr().out


def test_environment_that_is_down_is_a_finding(state, capsys):
    assert status(state) == 1
    assert "down; start it with `ml-pipeline up`" in capsys.readouterr().out


def test_revision_that_does_not_build_is_shown(state, capsys):
    state.write("revision", {"applied": "a" * 40, "seen": "b" * 40, "error": "does not build: no such file"})
    status(state)
    assert "revision bbbbbbbbbb does not build: no such file" in capsys.readouterr().out


def test_clone_without_environment_names_the_command(tmp_path, capsys):
    assert main(["status", "--repo", str(tmp_path)]) == 2
    assert "start it with `ml-pipeline up`" in capsys.readouterr().err

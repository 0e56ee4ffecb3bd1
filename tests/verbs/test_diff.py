import json

import pytest
from ml_pipeline.adapters.revisions import Comparison
from ml_pipeline.cli import main
from ml_pipeline.verbs.diff import changed_roots

from tests.conftest import git


@pytest.fixture
def team(rendered_team):
    return rendered_team


def diff(team, *options: str) -> int:
    return main(["diff", "--repo", str(team), *options])


def compared(before, after) -> Comparison:
    return Comparison(
        before,
        after,
        frozenset(
            path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
        ),
    )


def more_memory(team) -> None:
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(path.read_text().replace("memory: 2Gi", "memory: 3Gi"))
    main(["render", "--repo", str(team)])


def test_unchanged_tree_changes_nothing(team, capsys):
    assert diff(team) == 0
    assert capsys.readouterr().out == "nothing changes\n"


def test_change_names_consequence_objects_and_fields(team, capsys):
    more_memory(team)
    capsys.readouterr()
    assert diff(team) == 1
    said = capsys.readouterr().out
    assert said.startswith(
        "restarts waiting/ddd4bf48a3 from its checkpoint in another Job: 0.0007 USD "
    )
    assert "~ Job local-training/waiting-train-" in said
    assert (
        "spec.template.spec.containers[trainer].resources.limits.memory (and 1 more): 2Gi -> 3Gi"
        in said
    )


def test_changed_image_is_one_line_a_predictor(team, capsys):
    path = team / "environments/local/environment.yaml"
    path.write_text(path.read_text().replace("b" * 64, "e" * 64))
    main(["render", "--repo", str(team)])
    capsys.readouterr()
    diff(team)
    said = capsys.readouterr().out
    assert "~ SeldonDeployment local-serving/digits" in said
    assert (
        f"componentSpecs[0].spec.containers[digits].image (and 1 more): serving@sha256:{'b' * 10}... -> serving@sha256:{'e' * 10}..."
        in said
    )


def test_json_has_both_sides(team, capsys):
    more_memory(team)
    capsys.readouterr()
    diff(team, "--output", "json")
    data = json.loads(capsys.readouterr().out)
    assert [c["kind"] for c in data["consequences"]] == ["restarts"]
    (replaced,) = data["objects"]
    assert (replaced["action"], replaced["was"] != replaced["name"]) == ("replace", True)


def test_unknown_base_is_named(team, capsys):
    assert diff(team, "--base", "gone") == 2
    assert (
        "'gone' is not a revision of this repository; fetch it, or correct the name"
        in capsys.readouterr().err
    )


def broken_at_base(team, path: str) -> None:
    good = (team / path).read_text()
    (team / path).write_text("kind: Experiment\n")
    git(team, "commit", "--quiet", "--all", "--message", "Break")
    (team / path).write_text(good)


def test_document_that_was_not_valid_can_be_repaired(team, capsys):
    broken_at_base(team, "experiments/good/experiment.yaml")
    assert diff(team, "--base", "HEAD") == 1
    assert "good/31a4e76e1a is trained already" in capsys.readouterr().out


def test_base_that_cannot_be_compared_with_is_named_with_its_fault(team, capsys):
    broken_at_base(team, "environments/local/promotions/digits.yaml")
    assert diff(team, "--base", "HEAD") == 2
    assert (
        "HEAD cannot be compared with, it holds: environments/local/promotions/digits.yaml:1: "
        in capsys.readouterr().err
    )


def test_changed_base_builds_everything(files):
    roots = changed_roots(compared(files, {**files, "base/training-job/job.yaml": b"x: 1\n"}))
    assert "environments/local/serving/digits" in roots
    assert "environments/staging/platform" in roots


def test_changed_rollout_builds_its_model(files):
    after = {**files, "environments/local/rollouts/digits/0123456789.yaml": b"[]\n"}
    assert changed_roots(compared(files, after)) == ["environments/local/serving/digits"]


def test_experiment_that_is_not_rendered_yet_is_named(team, capsys):
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(path.read_text().replace("memory: 2Gi", "memory: 3Gi"))
    diff(team)
    assert (
        capsys.readouterr().err
        == "waiting is not rendered as it is now; run `ml-pipeline render`, this compares what is rendered\n"
    )
    more_memory(team)
    capsys.readouterr()
    diff(team)
    assert capsys.readouterr().err == ""


def test_run_that_another_experiment_has_rendered_is_not_stale(team, capsys):
    path = team / "experiments/also/experiment.yaml"
    path.parent.mkdir()
    path.write_text(
        (team / "experiments/waiting/experiment.yaml")
        .read_text()
        .replace("name: waiting", "name: zebra")
    )
    path.parent.rename(team / "experiments/zebra")
    main(["render", "--repo", str(team)])
    capsys.readouterr()
    diff(team)
    assert capsys.readouterr() == ("zebra/ddd4bf48a3 goes on as it is\n", "")

import json

import pytest
from ml_pipeline.cli import main
from ml_pipeline.operations import diff as operation

from tests.conftest import git


@pytest.fixture
def team(rendered_team):
    return rendered_team


def diff(team, *options: str) -> int:
    return main(["diff", "--repo", str(team), *options])


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


def test_manifest_beside_the_overlays_is_shown_as_flux_will_apply_it(team, capsys):
    (team / "environments/staging/training/notes.yaml").write_text(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: miner, namespace: staging-training}\n"
    )
    assert diff(team) == 1
    said = capsys.readouterr()
    assert "+ Job staging-training/miner" in said.out
    assert (
        "environments/staging/training/notes.yaml:1: is not what `ml-pipeline render`" in said.err
    )


def test_object_of_peoples_own_is_told_by_kind_and_what_it_grants(team, capsys):
    folder = team / "environments/staging/platform/team"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [binding.yaml]\n"
    )
    (folder / "binding.yaml").write_text(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: admin}\n"
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n"
        "subjects: [{kind: User, name: mallory}]\n"
    )
    main(["render", "--repo", str(team)])
    capsys.readouterr()
    diff(team)
    assert capsys.readouterr().out.startswith(
        "adds ClusterRoleBinding admin in the whole cluster, which gives cluster-admin to User mallory\n"
    )


def test_hidden_character_in_a_changed_file_is_a_fault(team, capsys):
    with (team / "base/serving/kustomization.yaml").open("a") as sink:
        sink.write("# \u202e\n")
    assert diff(team) == 2
    assert "holds U+202E, a character that is not seen; delete it" in capsys.readouterr().err


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


def test_operation_returns_the_difference_and_talks_to_whom_it_is_given(team, capsys):
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(path.read_text().replace("memory: 2Gi", "memory: 3Gi"))
    said: list[str] = []
    difference = operation.diff(team, talk=said.append)
    assert [c.kind for c in difference.consequences] == ["nothing"]
    assert difference.objects == ()
    assert [line.partition(";")[0] for line in said] == ["waiting is not rendered as it is now"]
    assert capsys.readouterr() == ("", "")

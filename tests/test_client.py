import re

import pytest
from ml_pipeline import PipelineClient
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.identity.served import serving_of

from tests.conftest import REPOSITORY, git
from tests.support.simulate import settle

HYPERPARAMS = {"learning_rate": 0.001, "batch_size": 32, "epochs": 100}


@pytest.fixture
def client(team):
    """A team that also has the ImageNet experiment of this repository."""
    path = "experiments/imagenet-resnet50/experiment.yaml"
    repository = Repository(team)
    parent = repository.fetch()
    repository.push(
        repository.commit(
            parent, Changes({path: (REPOSITORY / path).read_bytes()}), "Add imagenet"
        ),
        parent,
    )
    return PipelineClient(repo=team)


def head(team):
    repository = Repository(team)
    return load_snapshot(repository.read(repository.fetch()))


def finish(team) -> None:
    repository = Repository(team)
    parent = repository.fetch()
    files = repository.read(parent)
    settled = settle(files)
    repository.push(
        repository.commit(parent, Changes(settled, frozenset(files) - settled.keys()), "Settle"),
        parent,
    )


def test_large_run_becomes_a_branch_for_an_environment_that_holds_it(client, team):
    run = client.submit_training(
        model_type="resnet50",
        dataset="imagenet",
        hyperparams=HYPERPARAMS,
        resources={"gpus": 4, "memory": "32Gi"},
        budget={"max_cost": 500.0},
    )
    assert run.id.startswith("imagenet-resnet50-")
    assert (run.branch, run.experiment.environment) == (f"experiments/{run.id}", "staging")
    assert git(team, "ls-remote", "origin", f"refs/heads/experiments/{run.id}")
    assert run.status() == "pending"


def test_small_run_is_merged_and_waited_for(client, team):
    run = client.submit_training("mlp", "digits", {"epochs": 5})
    assert (run.branch, run.status()) == ("main", "pending")
    finish(team)
    assert run.wait(timeout=5) == "succeeded"
    assert run.id.startswith("digits-mlp/")
    assert run.receipt().metrics["gate_accuracy"] == 0.98


def test_same_files_as_the_command_writes(client, team, tmp_path):
    run = client.submit_training("mlp", "wine", {"epochs": 5}, owner="python-client")
    path = "experiments/wine-mlp/experiment.yaml"
    draft = tmp_path / "draft.yaml"
    draft.write_bytes(head(team).files[path])
    assert main(["submit", "--repo", str(team), str(draft), "--merge"]) == 0
    assert Repository(team).fetch() == run.revision


def test_experiment_that_is_there_is_never_replaced(client, team):
    before = head(team).files
    run = client.submit_training("resnet50", "imagenet", HYPERPARAMS, environment="local")
    assert run.id != "imagenet-resnet50"
    assert {path: head(team).files[path] for path in before} == before


def test_same_arguments_are_the_same_experiment(client, team):
    first = client.submit_training("mlp", "digits", {"epochs": 5})
    other = client.submit_training("mlp", "digits", {"epochs": 6})
    assert (first.experiment.name, other.experiment.name[:11]) == ("digits-mlp", "digits-mlp-")
    before = Repository(team).fetch()
    for run, epochs in ((first, 5), (other, 6)):
        again = client.submit_training("mlp", "digits", {"epochs": epochs})
        assert again.experiment == run.experiment
    assert Repository(team).fetch() == before


def test_name_of_an_experiment_that_says_something_else_is_refused(client, team):
    before = Repository(team).fetch()
    with pytest.raises(
        PipelineError,
        match=r"experiment 'waiting' exists with another owner, cost_centre, parameters, seed, .*; give it another name=",
    ):
        client.submit_training("mlp", "digits", {"epochs": 5}, name="waiting")
    assert Repository(team).fetch() == before


def test_name_that_waits_on_a_branch_is_refused_too(client, team):
    asked = {"resources": {"gpus": 1}, "name": "large", "budget": {"max_cost": 500.0}}
    run = client.submit_training("mlp", "digits", {"epochs": 5}, **asked)
    assert run.branch == "experiments/large"
    with pytest.raises(PipelineError, match="'large' exists with another parameters"):
        client.submit_training("mlp", "digits", {"epochs": 6}, **asked)


def test_run_that_another_experiment_has_trained_is_that_run(client, team):
    first = client.submit_training("mlp", "digits", {"epochs": 5})
    finish(team)
    before = Repository(team).fetch()
    same = client.submit_training("mlp", "digits", {"epochs": 5}, owner="someone")
    assert (same.status(), same.id) == ("succeeded", first.id)
    assert Repository(team).fetch() == before


def test_snippet_of_the_readme_adds_an_experiment_and_changes_none(shipped, monkeypatch):
    snippet = re.search(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    before = head(shipped)
    monkeypatch.chdir(shipped)
    monkeypatch.setattr("ml_pipeline.client.time.sleep", lambda _: finish(shipped))
    names: dict = {}
    exec(snippet[1], names)
    after = head(shipped)
    assert names["run"].status() == "succeeded"
    assert {name: after.experiments[name] for name in before.experiments} == dict(
        before.experiments
    )
    assert serving_of(after, "local", "digits").promotion.run == names["run"].id


def test_model_is_promoted(client, team):
    client.promote_model(model_id="good/31a4e76e1a", environment="local", traffic_percentage=100)
    assert serving_of(head(team), "local", "digits").promotion.run == "good/31a4e76e1a"


def test_promotion_is_handed_out_and_not_printed(client, team, capsys):
    made = client.promote_model("good/31a4e76e1a", "local", traffic_percentage=100)
    assert (made.model, made.run, made.revision) == (
        "digits",
        "good/31a4e76e1a",
        Repository(team).fetch(),
    )
    assert capsys.readouterr().out == ""


def test_wrong_values_are_refused_and_nothing_is_committed(client, team):
    before = Repository(team).fetch()
    with pytest.raises(InvalidDocumentsError, match="epochs: '0' must be at least 1"):
        client.submit_training("mlp", "digits", {"epochs": 0}, environment="local")
    assert Repository(team).fetch() == before


def test_unknown_dataset_names_the_known(client):
    with pytest.raises(PipelineError, match="known are breast_cancer, digits, imagenet"):
        client.submit_training("mlp", "mnist", {"epochs": 1})


def test_what_no_environment_holds_is_refused(client):
    with pytest.raises(PipelineError, match="no environment has a node"):
        client.submit_training("mlp", "digits", {"epochs": 1}, resources={"gpus": 64})


def test_waiting_has_an_end(client):
    run = client.submit_training("mlp", "digits", {"epochs": 5})
    with pytest.raises(PipelineError, match="still pending"):
        run.wait(timeout=0)

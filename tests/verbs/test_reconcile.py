import pytest
from ml_pipeline.adapters import mlflow
from ml_pipeline.adapters.git import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.local.state import State
from ml_pipeline.verbs.reconcile import one_pass, open_eyes
from ml_pipeline.verbs.up import open_origin

from tests.conftest import git
from tests.simulate import serving_status, trained


@pytest.fixture
def state(team, monkeypatch) -> State:
    """An environment whose MLflow has finished the waiting run."""
    main(["render", "--repo", str(team)])
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--message", "Render")
    found = State(team / ".ml-pipeline")
    open_origin(team, found)
    found.write("endpoints", {"mlflow": 9})
    monkeypatch.setattr(
        mlflow.Tracking,
        "results",
        lambda self, awaited: {identity: trained(identity) for identity in awaited},
    )
    return found


def head(state):
    repository = Repository(state.origin)
    return load_snapshot(repository.read("main"))


def test_pass_commits_the_receipt_as_automation(team, state, capsys):
    assert main(["reconcile", "--repo", str(team), "--once"]) == 0
    assert "Record run waiting/ddd4bf48a3" in capsys.readouterr().out
    assert git(state.origin, "log", "-1", "--format=%an: %s%n%b", "main").startswith(
        "ml-pipeline: Record run waiting/ddd4bf48a3\nAll gates passed."
    )


def test_receipt_names_the_commit_of_the_experiment(team, state):
    main(["reconcile", "--repo", str(team), "--once"])
    (run,) = (run for run in head(state).runs.values() if run.experiment == "waiting")
    assert run.commit == git(
        state.origin,
        "log",
        "-1",
        "--format=%H",
        "main",
        "--",
        "experiments/waiting/experiment.yaml",
    )


def test_second_pass_does_nothing(team, state, capsys):
    main(["reconcile", "--repo", str(team), "--once"])
    first = git(state.origin, "rev-parse", "main")
    assert main(["reconcile", "--repo", str(team), "--once"]) == 0
    assert capsys.readouterr().out.endswith("nothing to do\n")
    assert git(state.origin, "rev-parse", "main") == first


def test_dry_run_prints_the_plan_and_pushes_nothing(team, state, capsys):
    before = git(state.origin, "rev-parse", "main")
    assert main(["reconcile", "--repo", str(team), "--dry-run"]) == 1
    assert "Record run waiting/ddd4bf48a3" in capsys.readouterr().out
    assert git(state.origin, "rev-parse", "main") == before


def test_dry_run_says_what_a_rollout_waits_for(team, state, capsys):
    state.write("serving/digits", serving_status(head(state).files, requests=214))
    main(["reconcile", "--repo", str(team), "--dry-run"])
    assert "waits: 214 of 500 requests answered" in capsys.readouterr().out


def test_branch_that_moves_meanwhile_is_read_again(team, state, monkeypatch):
    """A person pushes between the plan and the push of automation; both commits stand."""
    push, moved = Repository.push, []

    def late(self, revision, expected):
        if not moved:
            moved.append(True)
            git(team, "commit", "--quiet", "--allow-empty", "--message", "A person was faster")
            git(team, "push", "--quiet", "local", "HEAD:main")
        push(self, revision, expected)

    monkeypatch.setattr(Repository, "push", late)
    one_pass(open_eyes(team, "local"), "local")
    subjects = git(state.origin, "log", "-2", "--format=%s", "main").splitlines()
    assert subjects == ["Record run waiting/ddd4bf48a3", "A person was faster"]


def test_unknown_environment_is_named(team, state, capsys):
    assert main(["reconcile", "--repo", str(team), "--env", "moon", "--once"]) == 2
    assert "environment 'moon' does not exist" in capsys.readouterr().err


def test_environment_whose_cluster_cannot_be_reached_is_held(team, state, capsys, tmp_path):
    nowhere = tmp_path / "kubeconfig"
    assert (
        main(
            [
                "reconcile",
                "--repo",
                str(team),
                "--env",
                "staging",
                "--once",
                "--kubeconfig",
                str(nowhere),
            ]
        )
        == 1
    )
    assert "held: no cluster to talk to" in capsys.readouterr().err


def test_invalid_documents_on_the_branch_hold(team, state, capsys):
    (team / "experiments/good/experiment.yaml").write_text("kind: Experiment\n")
    git(team, "commit", "--quiet", "--all", "--message", "Break")
    git(team, "push", "--quiet", "local", "HEAD:main")
    assert main(["reconcile", "--repo", str(team), "--once"]) == 1
    assert (
        "faults on the branch, first: experiments/good/experiment.yaml:1" in capsys.readouterr().err
    )

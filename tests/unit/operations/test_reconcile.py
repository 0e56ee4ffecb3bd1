import re

import pytest
from ml_pipeline.adapters.git.code import package_at, package_here
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.environments.embedded.observe import Observer
from ml_pipeline.environments.embedded.runtime import EmbeddedRuntime
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.operations import reconcile
from ml_pipeline.operations.reconcile import one_pass, open_reconciler
from ml_pipeline.operations.up import open_origin
from ml_pipeline.rules.automation.observed import Hold, Observed

from tests.conftest import REPOSITORY, git
from tests.support.simulate import serving_status, spoken, trained


@pytest.fixture
def state(team, monkeypatch) -> State:
    """An environment in which the waiting run has finished."""
    main(["render", "--repo", str(team)])
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--message", "Render")
    found = State(team / ".ml-pipeline")
    open_origin(team, found)
    found.write("endpoints", {"mlflow": 9})
    monkeypatch.setattr(Observer, "look", spoken(trained))
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
    one_pass(open_reconciler(team, "local"))
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
    assert ": no cluster to talk to" in capsys.readouterr().err


def break_(team, path: str, text: str = "kind: [\n") -> None:
    (team / path).write_text(text)
    git(team, "commit", "--quiet", "--all", "--message", "Break")
    git(team, "push", "--quiet", "local", "HEAD:main")


def test_invalid_document_on_the_branch_holds_what_needs_it_alone(team, state, capsys):
    break_(team, "experiments/good/experiment.yaml")
    assert main(["reconcile", "--repo", str(team), "--once"]) == 1
    said = capsys.readouterr()
    assert "Record run waiting/ddd4bf48a3" in said.out
    assert re.match(
        r"held since 20\d\d-\d\d-\d\d \d\d:\d\d, [0-9a-f]{10} by Ada: experiments/good/experiment.yaml:2: is not YAML: .*, "
        r"or take it out with `ml-pipeline withdraw experiments/good/experiment.yaml`\n$",
        said.err,
    )


def link_(team, path: str, target: str) -> None:
    (team / path).unlink()
    (team / path).symlink_to(target)
    git(team, "commit", "--quiet", "--all", "--message", "Link")
    git(team, "pull", "--quiet", "--rebase", "local", "main")
    git(team, "push", "--quiet", "local", "HEAD:main")


def test_link_on_the_branch_holds_itself_alone_until_it_is_withdrawn(team, state, capsys):
    path = "experiments/good/experiment.yaml"
    link_(team, path, "../waiting/experiment.yaml")
    assert main(["reconcile", "--repo", str(team), "--once"]) == 1
    said = capsys.readouterr()
    assert "Record run waiting/ddd4bf48a3" in said.out
    assert f"by Ada: {path}:1: is a symbolic link, which Flux leaves out" in said.err
    assert main(["submit", "--repo", str(team), f"{team}/experiments/waiting/experiment.yaml"]) == 2
    assert f"{path}:1: is a symbolic link" in capsys.readouterr().err
    assert main(["withdraw", path, "--repo", str(team)]) == 0
    assert main(["reconcile", "--repo", str(team), "--once"]) == 0


def test_link_that_comes_between_two_passes_holds_itself_alone(team, state, monkeypatch):
    def link():
        link_(team, "experiments/good/experiment.yaml", "../waiting/experiment.yaml")

    passes(monkeypatch, link, lambda: None)
    main(["reconcile", "--repo", str(team)])
    (row,) = state.read("held")
    assert "is a symbolic link, which Flux leaves out" in row["reason"]


def test_branch_of_the_environment_is_reconciled(team, state, capsys):
    path = team / "environments/local/environment.yaml"
    path.write_text(f"{path.read_text()}branch: release\n")
    git(team, "commit", "--quiet", "--all", "--message", "Reconcile release")
    git(team, "push", "--quiet", "local", "HEAD:main")
    open_origin(team, state)
    main_was = git(state.origin, "rev-parse", "main")
    assert main(["reconcile", "--repo", str(team), "--once"]) == 0
    assert (
        git(state.origin, "log", "-1", "--format=%s", "release") == "Record run waiting/ddd4bf48a3"
    )
    assert git(state.origin, "rev-parse", "main") == main_was


def test_branch_of_a_cluster_s_environment_is_reconciled(team):
    path = team / "environments/staging/environment.yaml"
    path.write_text(f"{path.read_text()}branch: release\n")
    git(team, "commit", "--quiet", "--all", "--message", "Reconcile release")
    assert open_reconciler(team, "staging").repository.branch == "release"


class Stopped(Exception):
    """Ends the endless loop of a test."""


def passes(monkeypatch, *between):
    """Let the endless loop make passes, one of these calls after each, and end it after the last."""
    left = list(between)

    def sleep(_):
        if not left:
            raise Stopped
        left.pop(0)()

    monkeypatch.setattr(reconcile.time, "sleep", sleep)


def test_held_is_left_where_status_reads_it(team, state, monkeypatch, capsys):
    break_(team, "experiments/good/experiment.yaml")
    passes(monkeypatch)
    main(["reconcile", "--repo", str(team)])
    (row,) = state.read("held")
    assert row["what"] == "experiments/good/experiment.yaml"
    main(["status", "--repo", str(team)])
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"held since {row['since']}: {row['reason']}"


def test_what_is_held_no_more_is_gone_from_status(team, state, monkeypatch):
    break_(team, "experiments/good/experiment.yaml")

    def mend():
        assert state.read("held")
        git(team, "revert", "--no-edit", "HEAD")
        git(team, "pull", "--quiet", "--rebase", "local", "main")
        git(team, "push", "--quiet", "local", "HEAD:main")

    passes(monkeypatch, mend)
    main(["reconcile", "--repo", str(team)])
    assert state.read("held") is None


def test_silence_is_held_since_it_began(team, state, monkeypatch):
    silent = Observed("local", holds=(Hold("MLflow", "does not answer (1)"),))
    monkeypatch.setattr(Observer, "look", lambda *_: silent)
    passes(monkeypatch)
    main(["reconcile", "--repo", str(team)])
    (row,) = state.read("held")
    state.write("held", [{**row, "since": "2026-01-01 00:00"}])
    again = Observed("local", holds=(Hold("MLflow", "does not answer (2)"),))
    monkeypatch.setattr(Observer, "look", lambda *_: again)
    main(["reconcile", "--repo", str(team)])
    assert [str(entry) for entry in EmbeddedRuntime(state, "local").holds()] == [
        "held since 2026-01-01 00:00: does not answer (2)"
    ]


def test_bug_that_ends_every_pass_is_seen_in_status(team, state, monkeypatch, capsys):
    def bug(*_):
        raise KeyError("x")

    monkeypatch.setattr(Observer, "look", bug)
    assert main(["reconcile", "--repo", str(team)]) == 3
    assert "a bug ends every pass (KeyError: 'x')" in state.read("held")[0]["reason"]


def test_reconciler_ends_when_its_code_has_changed_on_the_branch(team, state, monkeypatch, capsys):
    def merge():
        (team / "scripts/ml_pipeline").mkdir(parents=True)
        (team / "scripts/ml_pipeline/new.py").write_text("")
        git(team, "pull", "--quiet", "--rebase", "local", "main")
        git(team, "add", "--all", "scripts")
        git(team, "commit", "--quiet", "--message", "Add a key")
        git(team, "push", "--quiet", "local", "HEAD:main")

    passes(monkeypatch, merge)
    assert main(["reconcile", "--repo", str(team)]) == 1
    assert "ended: scripts/ml_pipeline has changed on the branch" in capsys.readouterr().err


def test_fault_that_may_be_one_for_old_code_alone_says_so(team, state, capsys):
    (team / "scripts/ml_pipeline").mkdir(parents=True)
    (team / "scripts/ml_pipeline/new.py").write_text("")
    git(team, "add", "--all", "scripts")
    path = team / "experiments/good/experiment.yaml"
    break_(team, "experiments/good/experiment.yaml", path.read_text() + "priority: high\n")
    main(["reconcile", "--repo", str(team), "--once"])
    said = capsys.readouterr().err
    assert "priority: is not a known key" in said
    assert "this process runs other code than scripts/ml_pipeline on the branch" in said


def test_own_code_is_recognised(state):
    """Blob ids are those of git: the same modules are the same code."""
    repository = Repository(REPOSITORY)
    here = package_here({})
    path = REPOSITORY / "scripts/ml_pipeline/cli.py"
    assert here["cli.py"] == git(REPOSITORY, "hash-object", str(path))
    assert package_at(repository, "HEAD").keys() & here.keys()


def test_one_pass_of_many_results_walks_the_history_once(team, state, monkeypatch):
    walks = []
    walk = Repository.last_changes
    monkeypatch.setattr(
        Repository, "last_changes", lambda self, *a: walks.append(a) or walk(self, *a)
    )
    reconciler = open_reconciler(team, "local")
    one_pass(reconciler)
    one_pass(reconciler)
    assert len(walks) == 1

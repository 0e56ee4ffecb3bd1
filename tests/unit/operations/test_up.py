import subprocess

import pytest
from ml_pipeline.adapters import processes
from ml_pipeline.cli import main
from ml_pipeline.environments.embedded.observe import running
from ml_pipeline.environments.embedded.state import MARKER, State
from ml_pipeline.operations.up import open_origin, sweep

from tests.conftest import git


def test_origin_is_seeded_with_the_branch_and_kept(team):
    state = State(team / ".ml-pipeline")
    open_origin(team, state)
    first = git(state.origin, "rev-parse", "main")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "More")
    open_origin(team, state)
    assert git(state.origin, "rev-parse", "main") == first
    assert "local" in git(team, "remote").split()


def release(team) -> None:
    path = team / "environments/local/environment.yaml"
    path.write_text(f"{path.read_text()}branch: release\n")
    git(team, "commit", "--quiet", "--all", "--message", "Reconcile release")


def test_git_server_has_the_branch_that_the_environment_names(team):
    state = State(team / ".ml-pipeline")
    release(team)
    open_origin(team, state)
    assert git(state.origin, "symbolic-ref", "--short", "HEAD") == "release"
    assert git(state.origin, "branch", "--format=%(refname:short)") == "release"
    assert git(state.origin, "rev-parse", "release") == git(team, "rev-parse", "HEAD")


def test_changed_branch_begins_where_the_old_one_is(team):
    state = State(team / ".ml-pipeline")
    open_origin(team, state)
    release(team)
    git(team, "push", "--quiet", "local", "HEAD:main")
    git(team, "reset", "--quiet", "--hard", "HEAD~")
    for _ in range(2):
        open_origin(team, state)
        for bare in (state.origin, state.automation):
            assert git(bare, "symbolic-ref", "--short", "HEAD") == "release"
    assert git(state.origin, "rev-parse", "release") == git(state.origin, "rev-parse", "main")


def test_unknown_environment_is_refused_before_anything_is_made(team, capsys):
    assert main(["up", "--repo", str(team), "--env", "moon"]) == 2
    assert "'moon' does not exist at HEAD; known are local" in capsys.readouterr().err
    assert not (team / ".ml-pipeline").exists()


def test_interrupted_seeding_is_made_anew(team):
    state = State(team / ".ml-pipeline")
    state.origin.with_suffix(".building").mkdir(parents=True)
    (state.origin.with_suffix(".building") / "half").write_text("x")
    open_origin(team, state)
    assert git(state.origin, "rev-parse", "main") == git(team, "rev-parse", "HEAD")


def test_environment_that_is_not_embedded_is_refused(team, capsys):
    assert main(["up", "--repo", str(team), "--env", "staging"]) == 2
    assert "runtime is not embedded" in capsys.readouterr().err


def test_down_where_nothing_was_up_names_the_command(team, capsys):
    assert main(["down", "--repo", str(team)]) == 2
    assert "start it with `ml-pipeline up`" in capsys.readouterr().err


@pytest.mark.parametrize("pid", [2**22 + 1, 1])
def test_pid_of_another_process_is_not_taken_for_the_environment(tmp_path, pid):
    state = State(tmp_path)
    state.write("supervisor", {"pid": pid})
    assert running(state) is None


def test_sweep_of_nothing_is_quiet(tmp_path):
    sweep(State(tmp_path))


def test_shallow_clone_is_named_with_the_repair(team, tmp_path, capsys):
    git(team, "commit", "--quiet", "--allow-empty", "--message", "More")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{team}", "shallow")
    assert main(["up", "--repo", str(tmp_path / "shallow")]) == 2
    assert capsys.readouterr().err == (
        "git push: a shallow clone lacks the history; fetch it with `git fetch --unshallow`\n"
    )


def test_interrupted_start_leaves_nothing_running(team, monkeypatch, capsys):
    state = State(team / ".ml-pipeline")

    def slow(command, *, cwd, env, log):
        return subprocess.Popen(["sleep", "600"], cwd=cwd, env=env)

    def interrupt(state):
        raise KeyboardInterrupt

    monkeypatch.setattr("ml_pipeline.operations.up.processes.spawn", slow)
    monkeypatch.setattr("ml_pipeline.operations.up.mlflow_answers", interrupt)
    monkeypatch.setattr("ml_pipeline.operations.up.running", lambda state: bool(left()))

    def left() -> list[int]:
        return [
            p for p in processes.with_variable(MARKER, str(state.root)) if processes.is_alive(p)
        ]

    assert main(["up", "--repo", str(team)]) == 130
    assert left() == []
    assert capsys.readouterr().err == (
        "interrupted; stopping what has started ...\ninterrupted; the next run carries on\n"
    )

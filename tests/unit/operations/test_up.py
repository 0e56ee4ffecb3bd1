import os
import shutil
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ml_pipeline.adapters import processes
from ml_pipeline.adapters.files import write_whole
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.cli import main
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.observe import running
from ml_pipeline.environments.embedded.records import Endpoints
from ml_pipeline.environments.embedded.state import MARKER, State
from ml_pipeline.operations.up import open_origin, sweep, up

from tests.conftest import git, until


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


def test_facts_that_are_broken_on_the_branch_alone_are_mended_by_what_is_said(team, capsys):
    open_origin(team, State(team / ".ml-pipeline"))
    path = team / "environments/local/environment.yaml"
    good = path.read_text()
    commit(team, path, good.replace("kind: Environment", "kind: Env"))
    git(team, "reset", "--quiet", "--hard", "HEAD~")
    assert main(["up", "--repo", str(team)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("local/main:environments/local/environment.yaml:3: kind: 'Env' is not")
    assert said.endswith("; mend it on top of `git pull --rebase local main`\n")
    git(team, "pull", "--rebase", "local", "main")
    commit(team, path, good)
    open_origin(team, State(team / ".ml-pipeline"))


def commit(team, path, text: str) -> None:
    path.write_text(text)
    git(team, "commit", "--quiet", "--all", "--message", "Change")
    git(team, "push", "--quiet", "local", "HEAD:main")


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


def test_automation_that_was_half_made_is_made_anew(team):
    state = State(team / ".ml-pipeline")
    state.automation.with_suffix(".building").mkdir(parents=True)
    (state.automation.with_suffix(".building") / "half").write_text("x")
    open_origin(team, state)
    assert git(state.automation, "rev-parse", "main") == git(team, "rev-parse", "HEAD")


def test_lock_of_a_git_that_was_killed_stands_in_no_way(team):
    state = State(team / ".ml-pipeline")
    open_origin(team, state)
    (state.origin / "config.lock").touch()
    os.utime(state.origin / "config.lock", (0, 0))
    open_origin(team, state)
    assert not (state.origin / "config.lock").exists()


# --- starting and stopping, with a stand-in for the supervisor ---

# It says who it is, as the supervisor does, and leaves a file when it is told to end; then it takes
# its time, in which `end` is written to that file.
STAND_IN = """
import os, signal, sys, time
from pathlib import Path
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.state import State
state = State(Path(sys.argv[1]))
def stop(*_):
    records.say_stopping(state)
    saved = state.root / f"saved-{os.getpid()}"
    saved.write_text("")
    time.sleep(0.3)
    saved.write_text("end")
    records.forget_supervisor(state)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
records.save_supervisor(state, records.SupervisorRecord(os.getpid(), "local"))
time.sleep(600)
"""


class Machine:
    """Starts stand-ins, and notes which; each service answers at once."""

    def __init__(self, state: State, monkeypatch) -> None:
        self.state, self.code, self.started = state, STAND_IN, []
        self.spawn = processes.spawn
        monkeypatch.setattr("ml_pipeline.operations.up.processes.spawn", self._spawn)
        self.silent = lambda state: ""
        monkeypatch.setattr("ml_pipeline.operations.up.silent_service", lambda s: self.silent(s))

    def _spawn(self, command, **options):
        code = [command[0], "-c", self.code, str(self.state.root)]
        self.started.append(self.spawn(code, **options))
        return self.started[-1]

    def begin(self) -> int:
        """A supervisor that is up, whose `up` nobody waits for any more."""
        process = self._spawn(
            [sys.executable],
            cwd=self.state.root,
            env=self.state.environ(),
            log=self.state.log("supervisor"),
        )
        until(lambda: running(self.state))
        return process.pid

    def left(self) -> list[int]:
        marked = processes.with_variable(MARKER, str(self.state.root))
        return [pid for pid in marked if processes.is_alive(pid)]


@pytest.fixture
def machine(team, monkeypatch):
    state = State(team / ".ml-pipeline")
    open_origin(team, state)
    records.save_endpoints(state, Endpoints(1, 2))
    found = Machine(state, monkeypatch)
    yield found
    sweep(state)
    for process in found.started:
        process.wait()


def test_up_starts_what_down_stops(team, machine):
    assert main(["up", "--repo", str(team)]) == 0
    assert machine.left() == [machine.started[0].pid]
    assert main(["down", "--repo", str(team)]) == 0
    assert machine.left() == []


def test_second_up_waits_for_the_first_and_starts_nothing(team, machine):
    waits = threading.Event()
    machine.silent = lambda _: "" if waits.is_set() else "mlflow"
    with ThreadPoolExecutor() as pool:
        first = pool.submit(up, team)
        until(lambda: running(machine.state))
        second = pool.submit(up, team, talk=lambda _: waits.set())
        assert first.result().mlflow == second.result().mlflow
    assert len(machine.started) == 1


def test_up_waits_for_what_an_up_that_was_killed_has_started(team, machine):
    pid = machine.begin()
    answers = ["mlflow", "envoy", "reconcile"]
    machine.silent = lambda _: answers.pop(0) if answers else ""
    up(team)
    assert answers == []
    assert running(machine.state).pid == pid


def test_supervisor_that_ends_while_it_is_waited_for_is_started_anew(team, machine):
    pid = machine.begin()

    def answer(state):
        if running(state).pid == pid:
            os.kill(pid, signal.SIGKILL)
            return "mlflow"
        return ""

    machine.silent = answer
    up(team)
    assert running(machine.state).pid == machine.started[1].pid


@pytest.mark.parametrize("is_told", [True, False], ids=["after the signal", "before the signal"])
def test_up_after_an_interrupted_down_waits_for_the_end_and_starts_anew(team, machine, is_told):
    pid = machine.begin()
    records.say_stopping(machine.state)
    if is_told:
        os.kill(pid, signal.SIGTERM)
    up(team)
    assert (machine.state.root / f"saved-{pid}").read_text() == "end"
    assert running(machine.state).pid == machine.started[1].pid


def test_interrupted_down_leaves_what_the_next_one_ends(team, machine, monkeypatch):
    pid = machine.begin()

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ml_pipeline.operations.up.processes.send", interrupt)
        assert main(["down", "--repo", str(team)]) == 130
    assert running(machine.state) is None
    assert main(["down", "--repo", str(team)]) == 0
    assert (machine.state.root / f"saved-{pid}").read_text() == "end"
    assert machine.left() == []


def test_environment_that_is_up_is_not_taken_for_another_one(team, machine, capsys):
    machine.begin()
    assert main(["up", "--repo", str(team), "--env", "other"]) == 2
    assert capsys.readouterr().err == (
        "environment 'local' is up here; stop it first with `ml-pipeline down`\n"
    )


@pytest.mark.parametrize(
    ("code", "why"),
    [("raise SystemExit(3)", "its process ended with 3"), ("exit('no port is free')", "no port")],
)
def test_start_that_fails_is_told_in_its_own_words(team, machine, capsys, code, why):
    machine.code = code
    machine.state.log("supervisor").parent.mkdir()
    machine.state.log("supervisor").write_text("what an earlier one has said\n")
    assert main(["up", "--repo", str(team)]) == 2
    assert f"the environment did not start: {why}" in capsys.readouterr().err


def test_service_that_never_answers_is_named(team, machine, monkeypatch, capsys):
    monkeypatch.setattr("ml_pipeline.operations.up.START_SECONDS", 0.0)
    machine.begin()
    machine.silent = lambda _: "envoy"
    assert main(["up", "--repo", str(team)]) == 2
    assert "envoy does not answer; `ml-pipeline logs envoy` says why" in capsys.readouterr().err


def test_interrupted_start_leaves_nothing_running(team, machine, capsys):
    def interrupt(state):
        raise KeyboardInterrupt

    machine.silent = interrupt
    assert main(["up", "--repo", str(team)]) == 130
    assert machine.left() == []
    assert capsys.readouterr().err == (
        "interrupted; stopping what has started ...\ninterrupted; the next run carries on\n"
    )


# --- damage ---


@pytest.mark.parametrize("raw", [b"{", None], ids=["damaged", "gone"])
def test_addresses_that_are_lost_while_it_is_up_are_made_anew_by_what_is_said(
    team, machine, monkeypatch, capsys, raw
):
    monkeypatch.setattr("ml_pipeline.operations.up.silent_service", asked_of_mlflow)
    machine.code = STAND_IN.replace("signal.signal(", PORTS + "signal.signal(", 1)
    assert main(["up", "--repo", str(team)]) == 0
    path = machine.state.file("endpoints")
    path.unlink() if raw is None else path.write_bytes(raw)
    assert main(["up", "--repo", str(team)]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert f"remove it with `rm -f {path}`, and `ml-pipeline down` and `ml-pipeline up`" in line
    path.unlink(missing_ok=True)
    for command in ("down", "up"):
        assert main([command, "--repo", str(team)]) == 0


PORTS = "records.save_endpoints(state, records.Endpoints(1, 2))\n"


def asked_of_mlflow(state) -> str:
    return "" if records.addresses(state) else "mlflow"


LOGS, RECONCILE = "logs x", "reconcile --dry-run"


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("supervisor", ["status", "up", "down"]),
        ("stopping", ["up", "down"]),
        ("jobs/a", ["status", LOGS, RECONCILE]),
        ("logs/jobs/a", [LOGS]),
        ("serving/a", ["status", RECONCILE]),
        ("held", ["status", RECONCILE]),
        ("revision", ["status"]),
    ],
)
def test_damaged_file_is_one_line_with_the_repair(team, capsys, name, commands):
    state = State(team / ".ml-pipeline")
    open_origin(team, state)
    state.write("endpoints", {"mlflow": 9, "endpoint": 9})
    write_whole(state.file(name), b"{")
    for command in commands:
        assert main([*command.split(), "--repo", str(team)]) == 2
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1, said
        assert said[0].startswith(f"{state.file(name)}: is no JSON; remove it with `rm -f")


def no_branch(origin) -> None:
    git(origin, "update-ref", "-d", "refs/heads/main")


def cut_refs(origin) -> None:
    git(origin, "pack-refs", "--all")
    packed = (origin / "packed-refs").read_bytes()
    (origin / "packed-refs").write_bytes(packed[:-20])


def no_head(origin) -> None:
    (origin / "HEAD").write_bytes(b"")


def no_refs(origin) -> None:
    shutil.rmtree(origin / "refs")


@pytest.mark.parametrize("damage", [no_branch, cut_refs, no_head, no_refs])
def test_branch_that_is_lost_comes_back_by_what_is_said(team, machine, capsys, damage):
    state = machine.state
    git(team, "commit", "--quiet", "--allow-empty", "--message", "More")
    git(team, "push", "--quiet", "local", "HEAD:main")
    git(team, "reset", "--quiet", "--hard", "HEAD~")
    seen = Repository(state.automation).fetch()
    head = git(team, "rev-parse", "HEAD")
    damage(state.origin)
    move = f"mv {state.origin} {state.origin.with_suffix('.damaged')}"
    for command in ("status", "up", "promote good", "withdraw x", RECONCILE):
        assert main([*command.split(), "--repo", str(team)]) == 2
        assert capsys.readouterr().err == (
            f"{state.origin}: is damaged and has lost its branch; `ml-pipeline down`, `{move}` and "
            "`ml-pipeline up` make it anew of what automation has seen of the branch last\n"
        )
    assert main(["down", "--repo", str(team)]) == 0
    state.origin.rename(state.origin.with_suffix(".damaged"))
    assert main(["up", "--repo", str(team)]) == 0
    assert git(state.origin, "rev-parse", "main") == seen
    assert git(team, "rev-parse", "HEAD") == head != seen


def test_damaged_repository_of_automation_is_not_taken_for_the_clone(team, machine, capsys):
    state = machine.state
    no_head(state.automation)
    before = (team / ".git/config").read_bytes()
    for command in ("up", RECONCILE):
        assert main([*command.split(), "--repo", str(team)]) == 2
        assert f"{state.automation}: is damaged; `ml-pipeline down`" in capsys.readouterr().err
    assert (team / ".git/config").read_bytes() == before
    shutil.rmtree(state.automation)
    assert main(["up", "--repo", str(team)]) == 0

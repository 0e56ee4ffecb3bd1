import errno
import os
import signal

import pytest
from ml_pipeline.adapters.files import write_whole
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.records import SupervisorRecord
from ml_pipeline.environments.embedded.services import program
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.embedded.supervisor import Supervisor, main, read_environment
from ml_pipeline.operations.up import open_origin

from tests.conftest import git


def test_facts_come_from_the_branch(team):
    (team / "environments/local/environment.yaml").write_text("not committed")
    assert read_environment(Repository(team), "local").name == "local"


@pytest.mark.parametrize(
    ("name", "message"),
    [("staging", "runtime is not embedded"), ("moon", "does not exist at main")],
)
def test_other_environments_are_refused(team, name, message):
    with pytest.raises(PipelineError, match=message):
        read_environment(Repository(team), name)


def test_broken_facts_are_named(team):
    (team / "environments/local/environment.yaml").write_text("kind: Environment\n")
    git(team, "commit", "--quiet", "--all", "--message", "Break")
    with pytest.raises(InvalidDocumentsError, match="apiVersion: is missing"):
        read_environment(Repository(team), "local")


@pytest.fixture
def supervisor(team, tmp_path):
    state = State(tmp_path / "state")
    git(tmp_path, "clone", "--quiet", "--bare", str(team), str(state.origin))
    return Supervisor(state, "local")


def test_revision_that_does_not_build_leaves_the_last_good_one(supervisor, team):
    supervisor._follow()
    good = supervisor.state.read("revision")["applied"]
    (team / "base/serving/seldondeployment.yaml").unlink()
    git(team, "commit", "--quiet", "--all", "--message", "Break")
    git(team, "push", "--quiet", str(supervisor.state.origin), "HEAD:main")
    supervisor._follow()
    revision = supervisor.state.read("revision")
    assert (revision["applied"], revision["seen"]) == (good, git(team, "rev-parse", "HEAD"))
    assert "does not build" in revision["error"]


def test_branch_of_the_git_server_is_followed(team, tmp_path):
    git(team, "checkout", "--quiet", "-b", "release")
    state = State(tmp_path / "state")
    git(tmp_path, "clone", "--quiet", "--bare", str(team), str(state.origin))
    supervisor = Supervisor(state, "local")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "More")
    git(team, "push", "--quiet", str(state.origin), "HEAD:release")
    supervisor._follow()
    assert state.read("revision")["applied"] == git(team, "rev-parse", "HEAD")


def test_packed_branch_is_followed(supervisor):
    head = git(supervisor.state.origin, "rev-parse", "main")
    git(supervisor.state.origin, "pack-refs", "--all")
    supervisor._follow()
    assert supervisor.state.read("revision")["applied"] == head


def test_full_disk_stalls_the_loop_and_does_not_end_it(supervisor, monkeypatch, caplog, quick_loop):
    ticks = []

    def full():
        ticks.append(1)
        if len(ticks) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(supervisor.services, "tick", full)
    supervisor.run()
    assert len(ticks) == 2
    assert "free space there" in caplog.text


def test_supervisor_that_was_told_to_end_is_not_up_while_it_stops_its_pods(
    supervisor, monkeypatch, quick_loop
):
    records.save_supervisor(supervisor.state, SupervisorRecord(os.getpid(), "local"))
    seen = []

    def stop_all(seconds):
        seen.append((records.supervisor(supervisor.state), stopping_pid(supervisor.state)))

    monkeypatch.setattr(supervisor, "_tick", lambda: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr(supervisor.pods, "stop_all", stop_all)
    supervisor.run()
    assert seen == [(None, os.getpid())]


def stopping_pid(state) -> int | None:
    record = records.stopping_supervisor(state)
    return record.pid if record else None


def test_full_disk_at_the_start_is_one_line(team, monkeypatch):
    def full(state, record):
        raise OSError(errno.ENOSPC, "No space left on device", "/x")

    monkeypatch.setattr(records, "save_supervisor", full)
    state = State(team / ".ml-pipeline")
    open_origin(team, state)
    with pytest.raises(SystemExit) as end:
        main(str(state.root), "local")
    assert end.value.code == "/x: No space left on device; free space there"


def test_damage_stalls_the_loop_and_does_not_end_it(supervisor, monkeypatch, caplog, quick_loop):
    write_whole(supervisor.state.file("jobs/a"), b"{")
    ticks = []

    def mend(error):
        ticks.append(error)
        supervisor.state.drop("jobs/a")
        os.kill(os.getpid(), signal.SIGTERM)
        return str(error)

    monkeypatch.setattr("ml_pipeline.environments.embedded.supervisor._in_words", mend)
    supervisor.run()
    assert len(ticks) == 1
    assert "jobs/a.json: is no JSON; remove it with `rm -f" in caplog.text


def test_environment_whose_files_are_damaged_does_not_start(supervisor):
    write_whole(supervisor.state.file("jobs/a"), b"{")
    with pytest.raises(SystemExit) as end:
        main(str(supervisor.state.root), "local")
    assert "jobs/a.json: is no JSON; remove it with" in str(end.value.code)


def test_no_free_port_is_not_taken_for_a_full_disk(team, monkeypatch, caplog):
    def none(wanted=None):
        raise OSError(errno.EADDRINUSE, "no port is free", "127.0.0.1")

    monkeypatch.setattr("ml_pipeline.environments.embedded.supervisor.free_port", none)
    state = State(team / ".ml-pipeline")
    open_origin(team, state)
    with pytest.raises(SystemExit) as end:
        main(str(state.root), "local")
    assert (
        end.value.code == "127.0.0.1: no port is free; end a program that listens on this machine"
    )


def test_missing_envoy_is_said_before_anything_starts(supervisor, monkeypatch):
    monkeypatch.setattr(
        "ml_pipeline.environments.embedded.supervisor.program", lambda name: program(f"no-{name}")
    )
    with pytest.raises(PipelineError, match="no-envoy is not in .*; run `make setup`"):
        Supervisor(supervisor.state, "local")


def test_ports_are_kept_for_the_next_time(supervisor):
    ports = supervisor.state.read("endpoints")
    Supervisor(supervisor.state, "local")
    assert supervisor.state.read("endpoints") == ports

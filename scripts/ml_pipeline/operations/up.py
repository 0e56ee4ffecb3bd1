"""The embedded environment of this checkout: up and down."""

import os
import shutil
import signal
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.files import locked
from ml_pipeline.adapters.git.facts import on_branch, read_facts
from ml_pipeline.adapters.git.repository import Repository, clear_stale_locks
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.git_server import (
    newest_known,
    open_automation,
    open_git_server,
)
from ml_pipeline.environments.embedded.health import silent_service
from ml_pipeline.environments.embedded.observe import find_state, running, state_of, stopping
from ml_pipeline.environments.embedded.privacy import make_private, private_files
from ml_pipeline.environments.embedded.state import MARKER, State
from ml_pipeline.environments.embedded.store import lacking
from ml_pipeline.operations import Talk, silent
from ml_pipeline.operations.bases import REMOTE

START_SECONDS = 120.0  # MLflow makes its database first
STOP_SECONDS = 40.0  # the supervisor gives its processes 30 to save what they have
_SUPERVISOR = "ml_pipeline.environments.embedded.supervisor"
_SUPERVISOR_LOG = "supervisor"


@dataclass(frozen=True)
class Up:
    """That it is up: where people look, and what receipts name and this machine does not have.

    Nothing is said to be missing where it was up already: who started it was told.
    """

    mlflow: str
    endpoint: str
    remote: str
    origin: Path
    missing: tuple[str, ...] = ()


def up(repo: Path, environment: str = "local", *, talk: Talk = silent) -> Up:
    """Start the environment unless it runs; what it was doing goes on where it was.

    Raises:
        PipelineError: it does not exist, or did not start; names the log to read.
    """
    state = state_of(repo)
    if not state.origin.exists():
        read_facts(Repository(repo), environment)  # refused before anything is made
    with private_files():
        make_private(state.root)
        with _alone(state, talk):
            if _joins(state, environment):
                return _with_addresses(state)
            _finish_stopping(state, talk)
            _start(repo, state, environment, talk)
            return _with_addresses(state, tuple(missing_bytes(state, environment)))


def down(repo: Path, *, talk: Talk = silent) -> None:
    """Stop everything; nothing of it survives.

    Data, models, logs and git stay for the next `up`.

    Raises:
        PipelineError: it was never started.
    """
    state = find_state(repo)
    with _alone(state, talk):
        supervisor = running(state) or stopping(state)
        if supervisor:
            _stop(state, supervisor.pid)
        sweep(state)


def _alone(state: State, talk: Talk) -> AbstractContextManager[None]:
    """One `up` or `down` at a time: each would end what another one is starting."""
    return locked(
        state.lock, lambda: talk("another `up` or `down` is at work here; waiting for its end ...")
    )


def _joins(state: State, environment: str) -> bool:
    """Wait until the environment that runs is ready; False where none does, or it ends."""
    supervisor = running(state)
    if supervisor is None:
        return False
    if supervisor.environment not in ("", environment):
        raise PipelineError(
            f"environment {supervisor.environment!r} is up here; "
            "stop it first with `ml-pipeline down`"
        )
    # One whose `up` was killed may still be starting.
    return _becomes_ready(state, supervisor.pid)


def _finish_stopping(state: State, talk: Talk) -> None:
    """Wait for an environment whose `down` was interrupted."""
    # Asked after `running`: one that begins to stop between the two questions is found here.
    supervisor = stopping(state)
    if supervisor:
        talk("what ran here is stopping; waiting for its end ...")
        _stop(state, supervisor.pid)


def _start(repo: Path, state: State, environment: str, talk: Talk) -> None:
    # A supervisor that was killed has left processes; two environments would share their files.
    sweep(state)
    open_origin(repo, state, environment)
    command = [sys.executable, "-m", _SUPERVISOR, str(state.root), environment]
    log = state.log("supervisor")
    begin = log.stat().st_size if log.exists() else 0
    process = processes.spawn(command, cwd=state.root, env=state.environ(), log=log)
    try:
        is_ready = _becomes_ready(state, process.pid)
    except KeyboardInterrupt:
        # The supervisor has a session of its own: Ctrl-C did not reach it.
        talk("interrupted; stopping what has started ...")
        _stop(state, process.pid)
        sweep(state)
        raise
    if not is_ready:
        why = _last_line(log, begin) or f"its process ended with {process.wait()}"
        raise PipelineError(f"the environment did not start: {why}; see {log}")


def _becomes_ready(state: State, supervisor: int) -> bool:
    """Wait until a supervisor and its services are ready; False where it ends before."""
    end = time.monotonic() + START_SECONDS
    while True:
        record = running(state)
        # What another supervisor has said, or left behind, says nothing of this one.
        is_its_own = record is not None and record.pid == supervisor
        silent_one = silent_service(state) if is_its_own else _SUPERVISOR_LOG
        if not silent_one:
            return True
        if not processes.is_alive(supervisor):  # no need to wait for what has ended
            return False
        if time.monotonic() > end:
            raise PipelineError(
                f"the environment is not ready after {START_SECONDS:.0f} s: {silent_one} does not "
                f"answer; `ml-pipeline logs {silent_one}` says why"
            )
        time.sleep(0.1)


def _last_line(log: Path, begin: int) -> str:
    """The last line that was added to a log from a place on; empty where nothing was."""
    added = log.read_bytes()[begin:].decode(errors="replace")
    return "".join(added.strip().splitlines()[-1:])


def _with_addresses(state: State, missing: tuple[str, ...] = ()) -> Up:
    # What the supervisor has chosen: the ports of the last time, or others if those are taken.
    ports = records.addresses(state)
    models = f"http://127.0.0.1:{ports.endpoint}/seldon/<namespace>/<model>"
    return Up(
        mlflow=f"http://127.0.0.1:{ports.mlflow}",
        endpoint=f"{models}/v2/models/<model>/infer",
        remote=REMOTE,
        origin=state.origin,
        missing=missing,
    )


def _stop(state: State, supervisor: int) -> None:
    """Ask the supervisor to end, which gives what it runs the time to say where it was."""
    # Before the signal: whoever is interrupted here leaves a supervisor that nobody takes for one
    # that stays up.
    records.say_stopping(state)
    processes.send([supervisor], signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while processes.is_alive(supervisor) and time.monotonic() < end:
        time.sleep(0.05)


def sweep(state: State) -> None:
    """End every process of this environment that is left, whatever became of its parent."""
    # Again and again: what is killed may have started something a moment before.
    while left := _left(state):
        processes.send(left, signal.SIGKILL)
        time.sleep(0.02)
    records.forget_supervisor(state)


def _left(state: State) -> list[int]:
    """Processes of this environment, but for the one that may have called this command."""
    marked = processes.with_variable(MARKER, str(state.root))
    return [pid for pid in marked if processes.is_alive(pid) and pid != os.getppid()]


def open_origin(repo: Path, state: State, environment: str = "local") -> None:
    """The git server of this machine, seeded with the checkout, and the remote `local` to it.

    Its HEAD names the environment's branch. Where the branch itself has come to name another one,
    that begins where this one is.

    Raises:
        PipelineError: the environment does not exist.
        InvalidDocumentsError: its document is not valid.
    """
    checkout = Repository(repo)
    if not state.origin.exists():
        branch = read_facts(checkout, environment).branch
        make_private(state.root)
        building = _beside(state.origin)
        checkout.call("init", "--quiet", "--bare", f"--initial-branch={branch}", str(building))
        source, revision = _seed(checkout, state, branch)
        source.call("push", "--quiet", str(building), f"{revision}:refs/heads/{branch}")
        building.rename(state.origin)
    _follow_its_branch(state, environment)
    # A repository of its own: `reconcile` takes no lock in the clone that a person works in.
    if state.automation.exists():
        open_automation(state.automation)  # refused here, as all below would be another's
    else:
        building = _beside(state.automation)
        checkout.call("clone", "--quiet", "--bare", str(state.origin), str(building))
        building.rename(state.automation)
    for bare in (state.origin, state.automation):
        clear_stale_locks(bare)  # of whoever was killed half-way through the next line
        # Also of what somebody pushes there, whatever his umask.
        Repository(bare).call("config", "core.sharedRepository", "0600")
    if REMOTE not in checkout.call("remote").split():
        checkout.call("remote", "add", REMOTE, str(state.origin))


def _seed(checkout: Repository, state: State, branch: str) -> tuple[Repository, str]:
    """What the branch of a new git server begins with, and where that is."""
    if state.automation.exists():
        # One that was lost: what automation has committed need not be in the checkout.
        automation = open_automation(state.automation, branch)
        known = newest_known(automation)
        if known:
            return automation, known
    return checkout, "HEAD"


def _beside(repository: Path) -> Path:
    """Where a repository is made before it gets its name: who is interrupted leaves no half of it."""
    building = repository.with_suffix(".building")
    # What somebody who was interrupted has left: git clones into an empty folder only.
    shutil.rmtree(building, ignore_errors=True)
    return building


def _follow_its_branch(state: State, environment: str) -> None:
    origin = open_git_server(state.origin)
    here = origin.branch
    try:
        wanted = read_facts(origin, environment, here).branch
    except InvalidDocumentsError as error:
        raise on_branch(error, REMOTE, here) from error
    if wanted == here:
        return
    if not origin.call("branch", "--list", wanted):
        origin.call("branch", wanted, here)
    origin.call("symbolic-ref", "HEAD", f"refs/heads/{wanted}")
    shutil.rmtree(state.automation, ignore_errors=True)  # it holds nothing that is not pushed


def missing_bytes(state: State, environment: str) -> list[str]:
    """What receipts name and this machine does not have, a line each.

    Nothing while the branch cannot be read, which `status` tells.
    """
    try:
        origin = open_git_server(state.origin)
        snapshot = Snapshot(origin.read(origin.branch))
        return lacking(state, snapshot, environment)
    except PipelineError:
        return []

"""The embedded environment of this checkout: up and down."""

import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.health import mlflow_answers
from ml_pipeline.environments.embedded.observe import find_state, running
from ml_pipeline.environments.embedded.privacy import make_private, private_files
from ml_pipeline.environments.embedded.state import MARKER, State
from ml_pipeline.environments.embedded.store import lacking
from ml_pipeline.layout import STATE
from ml_pipeline.operations import Talk, silent

REMOTE = "local"
START_SECONDS = 120.0  # MLflow makes its database first
STOP_SECONDS = 40.0  # the supervisor gives its processes 30 to save what they have
_SUPERVISOR = "ml_pipeline.environments.embedded.supervisor"


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
    state = State(repo.resolve() / STATE)
    with private_files():
        if state.root.exists():
            make_private(state.root)
        if running(state):
            return _with_addresses(state)
        _start(repo, state, environment, talk)
        return _with_addresses(state, tuple(missing_bytes(state, environment)))


def _start(repo: Path, state: State, environment: str, talk: Talk) -> None:
    # A supervisor that was killed has left processes; two environments would share their files.
    sweep(state)
    open_origin(repo, state, environment)
    command = [sys.executable, "-m", _SUPERVISOR, str(state.root), environment]
    process = processes.spawn(
        command, cwd=state.root, env=state.environ(), log=state.log("supervisor")
    )
    try:
        _wait_until_ready(state, process)
    except KeyboardInterrupt:
        # The supervisor has a session of its own: Ctrl-C did not reach it.
        talk("interrupted; stopping what has started ...")
        _stop(process.pid)
        sweep(state)
        raise


def _wait_until_ready(state: State, process: processes.Started) -> None:
    log = state.log("supervisor")
    end = time.monotonic() + START_SECONDS
    while not (running(state) and mlflow_answers(state)):
        if process.poll() is not None:  # no need to wait for what has ended
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise PipelineError(f"the environment did not start: {''.join(last)}; see {log}")
        if time.monotonic() > end:
            raise PipelineError(
                f"the environment is not ready after {START_SECONDS:.0f} s; "
                f"see {state.pod('mlflow') / 'log'}"
            )
        time.sleep(0.1)


def _with_addresses(state: State, missing: tuple[str, ...] = ()) -> Up:
    # What the supervisor has chosen: the ports of the last time, or others if those are taken.
    ports = state.read("endpoints")
    models = f"http://127.0.0.1:{ports['endpoint']}/seldon/<namespace>/<model>"
    return Up(
        mlflow=f"http://127.0.0.1:{ports['mlflow']}",
        endpoint=f"{models}/v2/models/<model>/infer",
        remote=REMOTE,
        origin=state.origin,
        missing=missing,
    )


def down(repo: Path) -> None:
    """Stop everything; nothing of it survives.

    Data, models, logs and git stay for the next `up`.

    Raises:
        PipelineError: it was never started.
    """
    state = find_state(repo)
    supervisor = running(state)
    if supervisor:
        _stop(supervisor)
    sweep(state)


def _stop(supervisor: int) -> None:
    """Ask the supervisor to end, which gives what it runs the time to say where it was."""
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
    state.drop("supervisor")


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
        # Made beside its place and renamed: whoever is interrupted leaves no half of it there.
        building = state.origin.with_suffix(".building")
        checkout.call("init", "--quiet", "--bare", f"--initial-branch={branch}", str(building))
        checkout.call("push", "--quiet", str(building), f"HEAD:refs/heads/{branch}")
        building.rename(state.origin)
    _follow_its_branch(state, environment)
    # A repository of its own: `reconcile` takes no lock in the clone that a person works in.
    if not state.automation.exists():
        building = state.automation.with_suffix(".building")
        checkout.call("clone", "--quiet", "--bare", str(state.origin), str(building))
        building.rename(state.automation)
    for bare in (state.origin, state.automation):
        # Also of what somebody pushes there, whatever his umask.
        Repository(bare).call("config", "core.sharedRepository", "0600")
    if REMOTE not in checkout.call("remote").split():
        checkout.call("remote", "add", REMOTE, str(state.origin))


def _follow_its_branch(state: State, environment: str) -> None:
    origin = Repository(state.origin)
    here = origin.head_branch()
    wanted = read_facts(origin, environment, here).branch
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
        origin = Repository(state.origin)
        snapshot = Snapshot(origin.read(origin.head_branch()))
        return lacking(state, snapshot, environment)
    except PipelineError:
        return []

"""`ml-pipeline up` and `down`: the embedded environment of this checkout."""

import os
import shutil
import signal
import sys
import time
import urllib.request
from pathlib import Path

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.commands import console
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.observe import find_state, running
from ml_pipeline.environments.embedded.privacy import make_private, private_files
from ml_pipeline.environments.embedded.state import MARKER, State
from ml_pipeline.environments.embedded.store import lacking

REMOTE = "local"
START_SECONDS, STOP_SECONDS = 120.0, 40.0


def up(repo: Path, environment: str = "local", *, wait: bool = True) -> int:
    """Start the environment, or say that it runs; what it was doing goes on where it was."""
    with private_files():
        return _up(repo, State(repo.resolve() / ".ml-pipeline"), environment, wait=wait)


def _up(repo: Path, state: State, environment: str, *, wait: bool) -> int:
    if state.root.exists():
        make_private(state.root)
    if running(state):
        console.result(addresses(state))
        return console.OK
    sweep(state)
    open_origin(repo, state, environment)
    command = [
        sys.executable,
        "-m",
        "ml_pipeline.environments.embedded.supervisor",
        str(state.root),
        environment,
    ]
    process = processes.spawn(
        command, cwd=state.root, env=state.environ(), log=state.log("supervisor")
    )
    try:
        _wait_until_ready(state, process, wait=wait)
    except KeyboardInterrupt:
        console.talk("interrupted; stopping what has started ...")
        _stop(process.pid)
        sweep(state)
        raise
    console.result(addresses(state))
    for line in missing_bytes(state, environment):
        console.talk(line)
    return console.OK


def _wait_until_ready(state: State, process: processes.Started, *, wait: bool) -> None:
    end = time.monotonic() + START_SECONDS
    while not (running(state) and (not wait or _answers(state))):
        if process.poll() is not None:
            last = state.log("supervisor").read_text(errors="replace").strip().splitlines()[-1:]
            raise PipelineError(
                f"the environment did not start: {''.join(last)}; see {state.log('supervisor')}"
            )
        if time.monotonic() > end:
            raise PipelineError(
                f"the environment is not ready after {START_SECONDS:.0f} s; see {state.root / 'pods/mlflow/log'}"
            )
        time.sleep(0.1)


def down(repo: Path) -> int:
    """Stop everything; nothing of it survives. Data, models, logs and git stay for the next `up`."""
    state = find_state(repo)
    supervisor = running(state)
    if supervisor:
        _stop(supervisor)
    sweep(state)
    console.result("down")
    return console.OK


def _stop(supervisor: int) -> None:
    processes.send([supervisor], signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while processes.is_alive(supervisor) and time.monotonic() < end:
        time.sleep(0.05)


def sweep(state: State) -> None:
    """End every process of this environment that is left, whatever became of its parent."""
    while left := [
        pid
        for pid in processes.with_variable(MARKER, str(state.root))
        if processes.is_alive(pid) and pid != os.getppid()
    ]:
        processes.send(left, signal.SIGKILL)
        time.sleep(0.02)
    state.drop("supervisor")


def open_origin(repo: Path, state: State, environment: str = "local") -> None:
    """The git server of this machine, seeded with the checkout, whose HEAD names the environment's branch, and the remote `local`
    to it. Where the branch itself has come to name another one, that begins where this one is.

    Raises:
        PipelineError: the environment does not exist.
        InvalidDocumentsError: its document is not valid.
    """
    checkout = Repository(repo)
    if not state.origin.exists():
        branch = read_facts(checkout, environment).branch
        make_private(state.root)
        building = state.origin.with_suffix(".building")
        checkout.call("init", "--quiet", "--bare", f"--initial-branch={branch}", str(building))
        checkout.call("push", "--quiet", str(building), f"HEAD:refs/heads/{branch}")
        building.rename(state.origin)
    _follow_its_branch(state, environment)
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
    """What receipts name and this machine does not have; nothing while the branch cannot be read, which `status` tells."""
    try:
        origin = Repository(state.origin)
        return lacking(state, Snapshot(origin.read(origin.head_branch())), environment)
    except PipelineError:
        return []


def addresses(state: State) -> str:
    """Where people look."""
    ports = state.read("endpoints")
    rows = [
        ("MLflow", f"http://127.0.0.1:{ports['mlflow']}"),
        (
            "endpoint",
            f"http://127.0.0.1:{ports['endpoint']}/seldon/<namespace>/<model>/v2/models/<model>/infer",
        ),
    ]
    return console.table([*rows, ("git remote", f"{REMOTE}  ({state.origin})")])


def _answers(state: State) -> bool:
    ports = state.read("endpoints")
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{ports['mlflow']}/health", timeout=1
        ) as answer:
            return bool(answer.status == 200)
    except (OSError, TypeError):
        return False

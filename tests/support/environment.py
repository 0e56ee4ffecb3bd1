"""A real embedded environment: MLflow, Envoy, MLServer and the trainer as processes, in a clone of this repository."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from ml_pipeline.adapters import processes
from ml_pipeline.adapters.git.code import digest_at
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.environments.embedded.state import MARKER, State

from tests.conftest import REPOSITORY, git

EXPERIMENT = (REPOSITORY / "experiments/digits-mlp/experiment.yaml").read_text()
WAIT_SECONDS = 180.0


@dataclass
class Environment:
    """A clone with its environment, driven through the command line alone."""

    clone: Path

    @property
    def state(self) -> State:
        return State(self.clone / ".ml-pipeline")

    def pipeline(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ml_pipeline.cli", *arguments],
            cwd=self.clone,
            capture_output=True,
            text=True,
            umask=0,  # of somebody who lets everybody write
        )
        assert done.returncode == code, done.stdout + done.stderr
        return (done.stdout + done.stderr).strip()

    def submit(self, name: str, *settings: str) -> None:
        draft = self.clone.parent / f"{name}.yaml"
        text = EXPERIMENT.replace("name: digits-mlp", f"name: {name}")
        # Without the image that the repository pins: `submit` pins that of the clone's own code.
        kept = [line for line in text.splitlines() if not line.startswith("image:")]
        draft.write_text("\n".join(kept) + "\n")
        sets = [f"--set={setting}" for setting in settings]
        self.pipeline("submit", str(draft), "--merge", *sets)

    def head(self) -> Snapshot:
        repository = Repository(self.state.origin)
        return load_snapshot(repository.read("main"))

    def wait(self, what: str, probe, seconds: float = WAIT_SECONDS):
        end = time.monotonic() + seconds
        while not (found := probe()):
            assert time.monotonic() < end, f"waited {seconds} s for {what}\n{self.tail()}"
            time.sleep(0.05)
        return found

    def tail(self) -> str:
        lines: list[str] = []
        for log in (self.state.log("supervisor"), *self.state.root.glob("pods/*/log")):
            if log.exists():
                lines += [f"--- {log}", *log.read_text(errors="replace").splitlines()[-5:]]
        return "\n".join(lines)

    def run_of(self, name: str):
        """The receipt of an experiment's run, None while there is none."""
        return next((run for run in self.head().runs.values() if run.experiment == name), None)

    def revert(self, grep: str) -> None:
        """Plain git: pull, revert the newest commit whose subject matches, push."""
        git(self.clone, "fetch", "--quiet", "local")
        git(self.clone, "checkout", "--quiet", "--detach", "local/main")
        commit = git(self.clone, "log", "-1", "--format=%H", f"--grep={grep}")
        git(self.clone, "revert", "--no-edit", commit)
        push = ["git", "push", "--quiet", "local", "HEAD:main"]
        # Automation pushes to the same branch: whoever comes second takes the first along.
        for _ in range(5):
            if subprocess.run(push, cwd=self.clone, capture_output=True).returncode == 0:
                return
            git(self.clone, "fetch", "--quiet", "local")
            git(self.clone, "rebase", "--quiet", "local/main")
        raise AssertionError("the revert was never pushed")

    def serving(self) -> dict:
        return self.state.read("serving/digits") or {}

    def servers(self, run: str) -> list[str]:
        """Names of the predictor processes of a run."""
        return sorted(path.name for path in self.state.root.glob(f"pods/digits-run-{run}-*"))

    def kill(self, pid: int | None) -> None:
        if pid:
            processes.send([pid], signal.SIGKILL)

    def alive(self) -> list[int]:
        return [
            pid
            for pid in processes.with_variable(MARKER, str(self.state.root))
            if processes.is_alive(pid)
        ]

    def finished_runs(self) -> list[str]:
        return finished_runs(f"http://127.0.0.1:{self.state.read('endpoints')['mlflow']}")


def finished_runs(uri: str) -> list[str]:
    """Identities of all MLflow runs that have finished, from the real server."""

    def post(method, body):
        request = urllib.request.Request(
            f"{uri}/api/2.0/mlflow/{method}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    experiments = [
        e["experiment_id"] for e in post("experiments/search", {"max_results": 100})["experiments"]
    ]
    runs = post(
        "runs/search",
        {"experiment_ids": experiments, "filter": "tags.settled = 'true'", "max_results": 500},
    )
    return sorted(
        tag["value"]
        for run in runs.get("runs", ())
        for tag in run["data"]["tags"]
        if tag["key"] == "identity"
    )


def make_clone(folder: Path) -> Path:
    """A repository that holds what is committed or about to be, without experiments."""
    clone = folder / "team"
    clone.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main", str(clone))
    listed = git(REPOSITORY, "ls-files", "--cached", "--others", "--exclude-standard")
    for path in listed.splitlines():
        if _is_wanted(path):
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            (clone / path).write_bytes((REPOSITORY / path).read_bytes())
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Begin")
    pin_serving(clone)
    return clone


def _is_wanted(path: str) -> bool:
    is_of_an_experiment = path.startswith("experiments/") or "/training/data-" in path
    is_there = (REPOSITORY / path).is_file()
    return is_there and not is_of_an_experiment and not path.startswith("tests/")


def pin_serving(clone: Path) -> None:
    """Pin the serving code of this clone, which may be newer than what environment.yaml names."""
    path = clone / "environments/local/environment.yaml"
    digest = digest_at(Repository(clone), "HEAD", "serving")
    lines = [
        f'  serving: {{repository: serving, digest: "{digest}"}}'
        if "repository: serving" in line
        else line
        for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines) + "\n")
    git(clone, "commit", "--quiet", "--allow-empty", "--all", "--message", "Pin serving")


def identify(environ=os.environ) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        environ[f"GIT_{role}_NAME"], environ[f"GIT_{role}_EMAIL"] = "Ada", "ada@example.com"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Up for the tests of one module; afterwards nothing of it is alive."""
    identify()
    found = Environment(make_clone(tmp_path_factory.mktemp("environment")))
    found.pipeline("up")
    yield found
    found.pipeline("down")
    assert found.alive() == []

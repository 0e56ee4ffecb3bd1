"""`ml-pipeline logs`: the log of a Job, a run, a predictor or a service, all tries in turn."""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ml_pipeline.adapters.facts import read_facts
from ml_pipeline.adapters.git import Repository
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.cluster.logs import read
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.local.observe import find_state
from ml_pipeline.local.state import State
from ml_pipeline.rules.overlays import LABEL_DATA, LABEL_RUN
from ml_pipeline.verbs import console
from ml_pipeline.verbs.workspace import runtime_of

FOLLOW_SECONDS = 0.2
_DONE = ("Complete", "Failed")


def logs(
    repo: Path,
    name: str,
    environment: str = "local",
    *,
    cluster: Cluster = ANY,
    follow: bool = False,
) -> int:
    """Print the log; with `follow`, go on until the Job has ended. On a cluster, `name` is a run: experiment/id or its id."""
    if runtime_of(repo, environment) != "embedded":
        namespace = read_facts(Repository(repo), environment).namespaces.training
        for piece in read(cluster, namespace, name.rpartition("/")[2], follow=follow):
            sys.stdout.write(piece.decode(errors="replace"))
            sys.stdout.flush()
        return console.OK
    state = find_state(repo)
    if not _files(state, name):
        raise PipelineError(
            f"no log of {name!r}; known are {', '.join(_known(state)) or 'none yet'}"
        )
    printed: dict[str, int] = {}
    while True:
        ended = _has_ended(state, name)
        for file in _files(state, name):
            content = file.read_bytes()
            sys.stdout.write(content[printed.get(file.name, 0) :].decode(errors="replace"))
            printed[file.name] = len(content)
        sys.stdout.flush()
        if not follow or ended:
            return console.OK
        time.sleep(FOLLOW_SECONDS)


def _files(state: State, name: str) -> list[Path]:
    """Logs of a Job, a run, a pod or a service, oldest first: of pods that are gone, then of those that are there."""
    job = _job_of(state, name)
    wanted = re.compile(rf"{re.escape(job)}-\d+" if job else re.escape(name))
    gone = [
        path
        for path in sorted((state.root / "logs" / "pods").glob("*.log"))
        if wanted.fullmatch(path.stem)
    ]
    there = [
        path for path in sorted(state.root.glob("pods/*/log")) if wanted.fullmatch(path.parent.name)
    ]
    return gone + there + [path for path in (state.log(name),) if "/" not in name and path.exists()]


def _job_of(state: State, name: str) -> str | None:
    """The Job of that name, or the one that was to make that run or data; None where neither is known."""
    short = name.rpartition("/")[2]
    for job, labels in _labels(state):
        if name == job or short in (labels.get(LABEL_RUN), labels.get(LABEL_DATA)):
            return job
    return None


def _labels(state: State) -> Iterator[tuple[str, dict[str, str]]]:
    """Jobs that are there, then those that are gone but whose logs are kept."""
    for job in state.names("jobs"):
        record = state.read(f"jobs/{job}")
        if record:
            yield job, record["manifest"]["metadata"]["labels"]
    for job in state.names("logs/jobs"):
        yield job, (state.read(f"logs/jobs/{job}") or {"labels": {}})["labels"]


def _has_ended(state: State, name: str) -> bool:
    """Jobs end; a service or predictor ends when its pod is gone."""
    record = state.read(f"jobs/{_job_of(state, name) or name}")
    return record["phase"] in _DONE if record else not state.pod(name).exists()


def _known(state: State) -> list[str]:
    return sorted({path.parent.name for path in state.root.glob("pods/*/log")})

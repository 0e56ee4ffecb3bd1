"""What a run, an experiment, a Job, a model or a service has printed, all tries in turn."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.git_server import open_git_server
from ml_pipeline.environments.interface import Runtime
from ml_pipeline.layout import EXPERIMENTS, SHORT, experiment_path
from ml_pipeline.operations.runtime import open_runtime
from ml_pipeline.operations.workspace import ORIGIN, open_branch, runtime_of
from ml_pipeline.rules.diagnosis.logs import LogQuery
from ml_pipeline.rules.identity.awaited import awaited_identity
from ml_pipeline.rules.identity.hashes import data_identity


def logs(
    repo: Path,
    asked: LogQuery,
    environment: str = "local",
    *,
    cluster: Cluster = ANY,
    follow: bool = False,
) -> Iterator[str]:
    """Pieces of the log as they are read; with `follow`, until what prints it has ended.

    Raises:
        PipelineError: nothing of that name prints, or has printed.
    """
    runtime = open_runtime(repo, environment, runtime_of(repo, environment), cluster=cluster)
    branch = _branch_of(repo, runtime)
    wanted = replace(asked, data=branch.data_of(asked.name))
    yield from runtime.logs(wanted, branch, follow=follow)


def _branch_of(repo: Path, runtime: Runtime) -> "_Branch":
    if runtime.git is None:
        return _Branch(open_branch(repo, ORIGIN).repository)
    try:
        repository = open_git_server(runtime.git.origin)
    except PipelineError:
        return _Branch(None)  # what has printed has a log, whatever became of the repository
    return _Branch(repository, repository.branch)


class _Branch:
    """What the branch says of an experiment, where it can be read; nothing otherwise.

    The branch of a remote is fetched for each answer: what is awaited changes while it is followed.
    """

    def __init__(self, repository: Repository | None, revision: str = "") -> None:
        self._repository, self._revision = repository, revision

    def data_of(self, name: str) -> str | None:
        """Short identity of the data that an experiment trains on."""
        experiment = self._experiment(self._snapshot(experiment_path(name)), name)
        return data_identity(experiment)[:SHORT] if experiment else None

    def awaits(self, name: str) -> bool:
        """Whether an experiment of that name waits for its data or its run."""
        snapshot = self._snapshot(EXPERIMENTS)
        experiment = self._experiment(snapshot, name)
        try:
            return bool(experiment and snapshot and awaited_identity(snapshot, experiment))
        except PipelineError:
            return False

    def training_on(self, data: set[str]) -> set[str]:
        """Names of the experiments that train on some data, by short identities."""
        snapshot = self._snapshot(EXPERIMENTS) if data else None
        names = set()
        for name in snapshot.experiments if snapshot else ():
            experiment = self._experiment(snapshot, name)
            if experiment and data_identity(experiment)[:SHORT] in data:
                names.add(name)
        return names

    def _snapshot(self, *roots: str) -> Snapshot | None:
        if self._repository is None:
            return None
        try:
            revision = self._revision or self._repository.fetch()
            return Snapshot(self._repository.read(revision, roots))
        except PipelineError:
            return None

    def _experiment(self, snapshot: Snapshot | None, name: str) -> Experiment | None:
        try:
            return snapshot.experiments.get(name) if snapshot else None
        except PipelineError:
            return None

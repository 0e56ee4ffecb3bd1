"""`ml-pipeline logs`: what a run, an experiment, a Job, a model or a service has printed, all tries in turn."""

import codecs
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kubernetes import ANY, Cluster
from ml_pipeline.commands import console
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.logs import (
    PodLog,
    have_ended,
    logs_of_jobs,
    logs_of_others,
    names_of_others,
    traces,
)
from ml_pipeline.environments.embedded.observe import find_state
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.kubernetes.logs import JobLogs
from ml_pipeline.layout import SHORT
from ml_pipeline.operations.workspace import ORIGIN, open_branch, runtime_of
from ml_pipeline.rules.diagnosis.logs import JobTrace, LogQuery, chosen, to_type_instead
from ml_pipeline.rules.identity.awaited import awaited_identity
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.render.overlays import LABEL_DATA

FOLLOW_SECONDS = 0.2


def logs(
    repo: Path,
    asked: LogQuery,
    environment: str = "local",
    *,
    cluster: Cluster = ANY,
    follow: bool = False,
) -> int:
    """Print the log; with `follow`, go on until what prints it has ended."""
    if runtime_of(repo, environment) == "embedded":
        return _Embedded(find_state(repo), asked).show(follow=follow)
    namespace = read_facts(Repository(repo), environment).namespaces.training
    branch = _Branch(open_branch(repo, ORIGIN).repository)
    found = JobLogs(cluster, namespace, replace(asked, data=branch.data_of(asked.name)))
    for piece in found.read(follow=follow, awaits=lambda: branch.awaits(asked.name)):
        _write(piece.decode(errors="replace"))
    return console.OK


class _Embedded:
    """Logs of the embedded environment under one name."""

    def __init__(self, state: State, asked: LogQuery) -> None:
        self.state = state
        self.branch = _Branch.of(state)
        self.asked = replace(asked, data=self.branch.data_of(asked.name))
        self._offsets: dict[int, int] = {}
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}

    def show(self, *, follow: bool) -> int:
        """Print what there is, and with `follow` what comes.

        Raises:
            PipelineError: nothing of that name prints, or has printed.
        """
        jobs = self._jobs()
        found = self._logs(jobs)
        if not jobs and not found:
            raise PipelineError(f"no log of {self.asked.name!r}; {self._instead()}")
        if not found and not follow:
            raise PipelineError(self._nothing_yet(jobs))
        while True:
            # Asked first: what is printed between the question and the last look would be lost.
            ended = self._has_ended(jobs)
            for log in self._logs(jobs):
                self._print(log)
            if not follow or ended:
                return console.OK
            time.sleep(FOLLOW_SECONDS)
            jobs = self._jobs()

    def _jobs(self) -> list[JobTrace]:
        return chosen(traces(self.state), self.asked)

    def _logs(self, jobs: Sequence[JobTrace]) -> list[PodLog]:
        if not jobs:
            return logs_of_others(self.state, self.asked.name)
        found = logs_of_jobs(self.state, jobs)
        only = self.asked.only
        return found if only is None else found[only - 1 : only]

    def _print(self, log: PodLog) -> None:
        """What has been added since the last look; the log of a pod that goes is moved, and stays the same file."""
        try:
            with log.path.open("rb") as file:
                inode = log.path.stat().st_ino
                file.seek(self._offsets.get(inode, 0))
                added = file.read()
        except FileNotFoundError:  # it is just being moved; the next look finds it
            return
        self._offsets[inode] = self._offsets.get(inode, 0) + len(added)
        decoder = self._decoders.setdefault(
            inode, codecs.getincrementaldecoder("utf-8")(errors="replace")
        )
        _write(decoder.decode(added))

    def _has_ended(self, jobs: Sequence[JobTrace]) -> bool:
        if not jobs:
            return not self.state.pod(self.asked.name).exists()
        if not have_ended(self.state, jobs):
            return False
        return not (self.asked.prepares(jobs) and self.branch.awaits(self.asked.name))

    def _instead(self) -> str:
        jobs = traces(self.state)
        prepared = {job.labels.get(LABEL_DATA) for job in jobs} - {None}
        return to_type_instead(
            self.asked,
            jobs,
            names_of_others(self.state, jobs) | self.branch.experiments_of(prepared),
        )

    def _nothing_yet(self, jobs: Sequence[JobTrace]) -> str:
        tries = len(logs_of_jobs(self.state, jobs))
        if tries:
            return self.asked.no_such_try(tries)
        return f"{self.asked.name!r} has printed nothing yet; `ml-pipeline status` says what {jobs[-1].name} waits for"


class _Branch:
    """What the branch says of an experiment, where it can be read; nothing otherwise."""

    def __init__(self, repository: Repository | None, revision: str = "") -> None:
        self._repository, self._revision = repository, revision

    @classmethod
    def of(cls, state: State) -> "_Branch":
        """The branch of the embedded environment."""
        try:
            repository = Repository(state.origin)
        except PipelineError:
            return cls(None)
        return cls(repository, repository.branch)

    def data_of(self, name: str) -> str | None:
        """Short identity of the data that an experiment trains on."""
        experiment = self._experiment(self._snapshot(f"experiments/{name}/experiment.yaml"), name)
        return data_identity(experiment)[:SHORT] if experiment else None

    def awaits(self, name: str) -> bool:
        """Whether an experiment of that name waits for its data or its run."""
        snapshot = self._snapshot("experiments")
        experiment = self._experiment(snapshot, name)
        try:
            return bool(experiment and snapshot and awaited_identity(snapshot, experiment))
        except PipelineError:
            return False

    def experiments_of(self, prepared: set[str | None]) -> set[str]:
        """Experiments that train on some data."""
        snapshot = self._snapshot("experiments") if prepared else None
        names = snapshot.experiments if snapshot else ()
        found = ((name, self._experiment(snapshot, name)) for name in names)
        return {name for name, e in found if e and data_identity(e)[:SHORT] in prepared}

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


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()

"""What the embedded environment's pods and services have printed, also those of Jobs that are gone.

A pod's log lies in its folder; when the pod goes, it is moved to where logs are kept.
"""

import codecs
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.interface import Experiments
from ml_pipeline.rules.diagnosis.logs import JobTrace, LogQuery, chosen, to_type_instead
from ml_pipeline.rules.render.overlays import LABEL_DATA

FOLLOW_SECONDS = 0.2
_DONE = ("Complete", "Failed")
_PREDICTOR = re.compile(r"(.+)-run-[0-9a-f]{10}-[0-9a-f]{5}")
_KEPT = re.compile(r"(.+?)(\.\d+)?")  # the second log of a name ends with .2, the third with .3


@dataclass(frozen=True)
class PodLog:
    """What a pod, or a service, has printed."""

    pod: str
    path: Path
    written: float
    """When it did so last, in seconds since the epoch."""


class EmbeddedLogs:
    """Logs under one name, from where each was read last."""

    def __init__(self, state: State, asked: LogQuery, experiments: Experiments) -> None:
        self.state, self.asked, self.experiments = state, asked, experiments
        self._offsets: dict[int, int] = {}
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}

    def read(self, *, follow: bool) -> Iterator[str]:
        """What there is, and with `follow` what comes until whoever prints it has ended.

        Raises:
            PipelineError: nothing of that name prints, or has printed.
        """
        jobs = self._jobs()
        pod_logs = self._logs(jobs)
        if not jobs and not pod_logs:
            raise PipelineError(f"no log of {self.asked.name!r}; {self._instead()}")
        if not pod_logs and not follow:
            raise PipelineError(self._nothing_yet(jobs))
        while True:
            # Asked first: what is printed between the question and the last look would be lost.
            ended = self._has_ended(jobs)
            for log in self._logs(jobs):
                yield self._added(log)
            if not follow or ended:
                return
            time.sleep(FOLLOW_SECONDS)
            jobs = self._jobs()

    def _jobs(self) -> list[JobTrace]:
        return chosen(traces(self.state), self.asked)

    def _logs(self, jobs: Sequence[JobTrace]) -> list[PodLog]:
        if not jobs:
            return logs_of_others(self.state, self.asked.name)
        tries = logs_of_jobs(self.state, jobs)
        only = self.asked.only
        return tries if only is None else tries[only - 1 : only]

    def _added(self, log: PodLog) -> str:
        """What has been added since the last look.

        A log is known by its inode: that of a pod that goes is moved, and stays the same file.
        """
        try:
            with log.path.open("rb") as file:
                inode = log.path.stat().st_ino
                file.seek(self._offsets.get(inode, 0))
                added = file.read()
        except FileNotFoundError:  # it is just being moved; the next look finds it
            return ""
        self._offsets[inode] = self._offsets.get(inode, 0) + len(added)
        return self._decoder(inode).decode(added)

    def _decoder(self, inode: int) -> codecs.IncrementalDecoder:
        """Keeps the first bytes of a letter whose others are not written yet."""
        if inode not in self._decoders:
            self._decoders[inode] = codecs.getincrementaldecoder("utf-8")(errors="replace")
        return self._decoders[inode]

    def _has_ended(self, jobs: Sequence[JobTrace]) -> bool:
        if not jobs:
            return not self.state.pod(self.asked.name).exists()
        if not have_ended(self.state, jobs):
            return False
        # The Job of the data is followed by that of the run, which may not be there yet.
        return not (self.asked.prepares(jobs) and self.experiments.awaits(self.asked.name))

    def _instead(self) -> str:
        jobs = traces(self.state)
        data = {job.labels[LABEL_DATA] for job in jobs if LABEL_DATA in job.labels}
        others = names_of_others(self.state, jobs) | self.experiments.training_on(data)
        return to_type_instead(self.asked, jobs, others)

    def _nothing_yet(self, jobs: Sequence[JobTrace]) -> str:
        tries = len(logs_of_jobs(self.state, jobs))
        if tries:
            return self.asked.no_such_try(tries)
        return (
            f"{self.asked.name!r} has printed nothing yet; "
            f"`ml-pipeline status` says what {jobs[-1].name} waits for"
        )


def traces(state: State) -> list[JobTrace]:
    """Jobs that are there, and those that are gone but whose logs are kept; each name once."""
    by_name = {trace.name: trace for trace in records.kept_traces(state)}
    # Those that are there last: of a name that has come again they are the newer ones.
    for record in records.jobs(state):
        by_name[record.name] = JobTrace(record.name, record.labels, record.created)
    return list(by_name.values())


def logs_of_jobs(state: State, jobs: Iterable[JobTrace]) -> list[PodLog]:
    """One log for each try, the oldest first."""
    return _matching(state, _tries_of(jobs))


def logs_of_others(state: State, name: str) -> list[PodLog]:
    """Logs of a pod, of a predictor, of all predictors of a model, or of a service.

    A predictor is found with or without the hash that ends its name.
    """
    predictors = rf"{re.escape(name)}(-run-[0-9a-f]{{10}})?(-[0-9a-f]{{5}})?"
    pod_logs = _matching(state, re.compile(predictors))
    service = state.log(name)
    if "/" not in name and service.exists():
        pod_logs.append(PodLog(name, service, service.stat().st_mtime))
    return pod_logs


def names_of_others(state: State, jobs: Iterable[JobTrace]) -> set[str]:
    """What else than Jobs has a log: models that serve, or have served, and services."""
    of_jobs = _tries_of(jobs)
    names = {path.stem for path in (state.root / "logs").glob("*.log")}
    for log in _matching(state, re.compile(".*")):
        if not of_jobs.fullmatch(log.pod):
            predictor = _PREDICTOR.fullmatch(log.pod)
            names.add(predictor[1] if predictor else log.pod)
    return names


def have_ended(state: State, jobs: Iterable[JobTrace]) -> bool:
    """Whether none of these Jobs prints any more."""
    there = (records.job(state, job.name) for job in jobs)
    return all(record is None or record.phase in _DONE for record in there)


def _tries_of(jobs: Iterable[JobTrace]) -> re.Pattern[str]:
    """Names of the pods of some Jobs."""
    names = "|".join(re.escape(job.name) for job in jobs)
    return re.compile(rf"({names})-\d+")


def _matching(state: State, wanted: re.Pattern[str]) -> list[PodLog]:
    """Logs of pods whose names match, those that were written last at the end."""
    pod_logs = []
    for pod, path in _places(state):
        if not wanted.fullmatch(pod):
            continue
        try:
            pod_logs.append(PodLog(pod, path, path.stat().st_mtime))
        except FileNotFoundError:  # it is just being moved to where it is kept
            continue
    return sorted(pod_logs, key=lambda log: (log.written, log.pod))


def _places(state: State) -> list[tuple[str, Path]]:
    """Every log of a pod, with the pod's name.

    Those of pods that are there come first: one that is just being moved is found twice, not never.
    """
    places = [(path.parent.name, path) for path in state.root.glob("pods/*/log")]
    for path in (state.root / "logs" / "pods").glob("*.log"):
        kept = _KEPT.fullmatch(path.stem)
        places.append((kept[1] if kept else path.stem, path))
    return places

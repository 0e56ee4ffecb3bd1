"""The log of a run on a cluster: of its pods, one after the other, by the names that people give it."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ml_pipeline.adapters.kubernetes import JOBS, PODS, Cluster, NotServedError, Object
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.rules.diagnosis.job_view import JOB_NAME, views
from ml_pipeline.rules.diagnosis.logs import JobTrace, LogQuery, chosen, to_type_instead
from ml_pipeline.rules.render.overlays import LABEL_DATA, LABEL_EXPERIMENT, LABEL_RUN

FOLLOW_SECONDS = 0.5
_INDEX = "batch.kubernetes.io/job-completion-index"
_IDENTITY = re.compile(r"[0-9a-f]{10}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class _Seen:
    """The Jobs that are meant, as far as they are still there, and the pods of all that are meant, oldest first."""

    traces: list[JobTrace] = field(default_factory=list)
    jobs: list[Object] = field(default_factory=list)
    pods: list[Object] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        """Whether none of the Jobs starts a pod any more."""
        return all(v.phase in ("Complete", "Failed") for v in views(self.jobs, self.pods, ()))


@dataclass(frozen=True)
class JobLogs:
    """Logs in a namespace of what was asked for."""

    cluster: Cluster
    namespace: str
    asked: LogQuery

    def read(self, *, follow: bool, awaits: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
        """Logs of all pods, oldest first; with `follow`, until the Jobs have ended.

        `awaits` says of an experiment whose data has been prepared whether its run is still to come.

        Raises:
            PipelineError: there is no such pod.
        """
        printed: set[str] = set()
        while True:
            seen = self._look()
            if not seen.traces and not printed:
                raise PipelineError(self._nothing())
            tries = self._tries(seen.pods)
            if seen.pods and not tries and not follow:
                raise PipelineError(self.asked.no_such_try(len(seen.pods)))
            for pod in tries:
                name = pod["metadata"]["name"]
                if name not in printed and _has_started(pod):
                    printed.add(name)
                    yield from self._log(name, follow=follow)
            if not follow or (
                seen.has_ended and not (self.asked.prepares(seen.traces) and awaits())
            ):
                return
            time.sleep(FOLLOW_SECONDS)

    def _look(self) -> _Seen:
        jobs, pods = self._objects()
        traces = {_job_of(pod): _trace(_job_of(pod), pod) for pod in pods}
        traces |= {job["metadata"]["name"]: _trace(job["metadata"]["name"], job) for job in jobs}
        meant = chosen(traces.values(), self.asked)
        names = {trace.name for trace in meant}
        return _Seen(
            meant,
            [job for job in jobs if job["metadata"]["name"] in names],
            [pod for pod in pods if _job_of(pod) in names],
        )

    def _objects(self) -> tuple[list[Object], list[Object]]:
        """Jobs and pods that may be meant, each once; the API server is asked for these alone, there may be thousands."""
        jobs: dict[str, Object] = {}
        pods: dict[str, Object] = {}
        for selector in self._selectors():
            for kind, found in ((JOBS, jobs), (PODS, pods)):
                objects = self.cluster.objects(kind, self.namespace, selector)
                found |= {thing["metadata"]["name"]: thing for thing in objects}
        for name in {_job_of(pod) for pod in pods.values()} - {*jobs, ""}:
            jobs |= self._job(name)
        return list(jobs.values()), sorted(
            pods.values(), key=lambda pod: str(pod["metadata"]["creationTimestamp"])
        )

    def _job(self, name: str) -> dict[str, Object]:
        """A Job whose pod was found by the Job's name; a Job has no label of its own name."""
        try:
            return {name: self.cluster.get(f"{JOBS.within(self.namespace)}/{name}")}
        except NotServedError:
            return {}

    def _selectors(self) -> Iterator[str]:
        name, short = self.asked.name, self.asked.name.rpartition("/")[2]
        if "/" in name or _IDENTITY.fullmatch(name):
            if _LABEL.fullmatch(short):
                yield from (f"{LABEL_DATA}={short}", f"{LABEL_RUN}={short}")
            return
        if _LABEL.fullmatch(name):
            yield from (f"{LABEL_EXPERIMENT}={name}", f"{JOB_NAME}={name}")
        if self.asked.data:
            yield f"{LABEL_DATA}={self.asked.data}"

    def _tries(self, pods: Iterable[Object]) -> list[Object]:
        """The pods of the try that is meant; a try of a distributed run has one pod for each process."""
        tries: Counter[str] = Counter()
        found = []
        for pod in pods:
            index = pod["metadata"].get("labels", {}).get(_INDEX, "")
            tries[index] += 1
            if self.asked.only in (None, tries[index]):
                found.append(pod)
        return found

    def _log(self, pod: str, *, follow: bool) -> Iterator[bytes]:
        try:
            yield from self.cluster.log(self.namespace, pod, follow=follow)
        except (NotServedError, UnavailableError):  # gone, or just going: the next pod carries on
            return

    def _nothing(self) -> str:
        jobs = self.cluster.objects(JOBS, self.namespace, "pipeline=ml-training")
        there = [_trace(job["metadata"]["name"], job) for job in jobs]
        instead = to_type_instead(self.asked, there)
        return (
            f"no pod of {self.asked.name!r} is there; its log went with it when it was settled, "
            f"metrics and plots are in MLflow; {instead}"
        )


def _trace(name: str, thing: Object) -> JobTrace:
    about = thing["metadata"]
    created = str(about.get("creationTimestamp", "1970-01-01T00:00:00Z"))
    begun = datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp()
    return JobTrace(name, about.get("labels", {}), begun)


def _job_of(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(JOB_NAME, ""))


def _has_started(pod: Object) -> bool:
    return any(
        "waiting" not in s.get("state", {}) for s in pod["status"].get("containerStatuses") or ()
    )

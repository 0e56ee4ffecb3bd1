"""The log of a run on a cluster: of its pods in turn, by the names that people give it."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ml_pipeline.adapters.kubernetes import JOBS, PODS, Cluster, Kind, NotServedError
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.environments.kubernetes.observe import SELECTOR
from ml_pipeline.rules.diagnosis.job_view import JOB_NAME, views
from ml_pipeline.rules.diagnosis.logs import JobTrace, LogQuery, chosen, to_type_instead
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.overlays import LABEL_DATA, LABEL_EXPERIMENT, LABEL_RUN

FOLLOW_SECONDS = 0.5
# Which process of a distributed run a pod is; Kubernetes labels pods of an Indexed Job so.
_INDEX = "batch.kubernetes.io/job-completion-index"
_IDENTITY = re.compile(r"[0-9a-f]{10}")
# What the API server takes as the value of a label; it refuses a selector with anything else.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class _Seen:
    """What is meant by a name, oldest first."""

    traces: Sequence[JobTrace]
    jobs: Sequence[Object]
    """Of the traces those that are still there."""
    pods: Sequence[Object]

    @property
    def has_ended(self) -> bool:
        """Whether none of the Jobs starts a pod any more."""
        seen = views(self.jobs, self.pods, ())
        return all(view.phase in ("Complete", "Failed") for view in seen)


@dataclass(frozen=True)
class JobLogs:
    """Logs in a namespace of what was asked for."""

    cluster: Cluster
    namespace: str
    asked: LogQuery

    def read(self, *, follow: bool, awaits: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
        """Logs of all pods, oldest first; with `follow`, until the Jobs have ended.

        `awaits` says of an experiment whose data has been prepared whether its run is still to
        come.

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
                    # With `follow` this lasts as long as the pod.
                    yield from self._log(name, follow=follow)
            if not follow or self._is_over(seen, awaits):
                return
            time.sleep(FOLLOW_SECONDS)

    def _is_over(self, seen: _Seen, awaits: Callable[[], bool]) -> bool:
        """Whether nothing more is to come, which a run does after the data that it waits for."""
        return seen.has_ended and not (self.asked.prepares(seen.traces) and awaits())

    def _look(self) -> _Seen:
        jobs, pods = self._jobs_and_pods()
        traces: dict[str, JobTrace] = {}
        for pod in pods:
            traces[_job_of(pod)] = _trace(_job_of(pod), pod)
        # A Job that is still there knows better than its pods when it began.
        for name, job in jobs.items():
            traces[name] = _trace(name, job)
        meant = chosen(traces.values(), self.asked)
        names = {trace.name for trace in meant}
        return _Seen(
            meant,
            [job for name, job in jobs.items() if name in names],
            [pod for pod in pods if _job_of(pod) in names],
        )

    def _jobs_and_pods(self) -> tuple[dict[str, Object], list[Object]]:
        """Jobs by name and pods that may be meant, the oldest pod first.

        The API server is asked for these alone: there may be thousands.
        """
        jobs: dict[str, Object] = {}
        pods: dict[str, Object] = {}
        for selector in self._selectors():
            jobs |= self._named(JOBS, selector)
            pods |= self._named(PODS, selector)
        # A Job has no label of its own name: it is found by that of its pods.
        for name in {_job_of(pod) for pod in pods.values()} - {*jobs, ""}:
            jobs |= self._job(name)
        return jobs, sorted(pods.values(), key=_created)

    def _named(self, kind: Kind, selector: str) -> dict[str, Object]:
        objects = self.cluster.objects(kind, self.namespace, selector)
        return {manifest["metadata"]["name"]: manifest for manifest in objects}

    def _job(self, name: str) -> dict[str, Object]:
        """The Job of that name, if it is still there."""
        try:
            return {name: self.cluster.get(f"{JOBS.within(self.namespace)}/{name}")}
        except NotServedError:
            return {}

    def _selectors(self) -> Iterator[str]:
        """Labels of what a name may mean: a run or data, an experiment or a Job."""
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
        """The pods of the try that is meant.

        A try of a distributed run has one pod for each process.
        """
        tries: Counter[str] = Counter()
        meant = []
        for pod in pods:
            index = pod["metadata"].get("labels", {}).get(_INDEX, "")
            tries[index] += 1
            if self.asked.only in (None, tries[index]):
                meant.append(pod)
        return meant

    def _log(self, pod: str, *, follow: bool) -> Iterator[bytes]:
        try:
            yield from self.cluster.log(self.namespace, pod, follow=follow)
        except (NotServedError, UnavailableError):  # gone, or just going: the next pod carries on
            return

    def _nothing(self) -> str:
        jobs = self._named(JOBS, SELECTOR)
        instead = to_type_instead(self.asked, [_trace(name, job) for name, job in jobs.items()])
        return (
            f"no pod of {self.asked.name!r} is there; its log went with it when it was settled, "
            f"metrics and plots are in MLflow; {instead}"
        )


def _trace(name: str, manifest: Object) -> JobTrace:
    about = manifest["metadata"]
    created = str(about.get("creationTimestamp", "1970-01-01T00:00:00Z"))
    begun = datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp()
    return JobTrace(name, about.get("labels", {}), begun)


def _created(pod: Object) -> str:
    return str(pod["metadata"]["creationTimestamp"])


def _job_of(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(JOB_NAME, ""))


def _has_started(pod: Object) -> bool:
    """Whether a container of the pod runs or has run: before that it has no log."""
    statuses = pod["status"].get("containerStatuses") or ()
    return any("waiting" not in status.get("state", {}) for status in statuses)

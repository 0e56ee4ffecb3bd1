"""A Job of a cluster with its pods and the events of both, as the API server shows them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_pipeline.rules.automation.observed import PodEnd
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.overlays import LABEL_DATA, LABEL_RUN

JOB_NAME = "batch.kubernetes.io/job-name"
_ENDS = ("Complete", "Failed")  # conditions of a Job that has ended


@dataclass(frozen=True)
class JobView:
    """A Job with its pods and the events of both, newest last."""

    job: Object
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()

    @property
    def name(self) -> str:
        """Name of the Job."""
        return str(self.job["metadata"]["name"])

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the Job."""
        return dict(self.job["metadata"].get("labels", {}))

    @property
    def identity(self) -> str:
        """Short identity of the run or data that it is to make, empty where it says none."""
        return self.labels.get(LABEL_RUN) or self.labels.get(LABEL_DATA) or ""

    @property
    def phase(self) -> str:
        """Complete, Failed, Suspended, Running or Pending."""
        end, _ = self._end()
        if end:
            return end
        if self.job["spec"].get("suspend"):
            return "Suspended"
        is_running = any(pod["status"].get("phase") == "Running" for pod in self.pods)
        return "Running" if is_running else "Pending"

    @property
    def ended(self) -> str:
        """When it ended, as the API server writes it; empty while it has not."""
        end, condition = self._end()
        return str(condition.get("lastTransitionTime") or "unknown") if end else ""

    def _end(self) -> tuple[str, Object]:
        """Which condition says that it has ended, and that condition."""
        conditions = conditions_of(self.job)
        for end in _ENDS:
            condition = conditions.get(end, {})
            if condition.get("status") == "True":
                return end, condition
        return "", {}


def views(
    jobs: Iterable[Object], pods: Iterable[Object], events: Iterable[Object]
) -> list[JobView]:
    """Jobs with what belongs to each, in the order of names."""
    pods_by_job: dict[str, list[Object]] = {}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp"))):
        job_name = pod["metadata"].get("labels", {}).get(JOB_NAME, "")
        pods_by_job.setdefault(job_name, []).append(pod)
    events_by_name: dict[str, list[Object]] = {}
    for event in sorted(events, key=_happened):
        name = event["involvedObject"].get("name", "")
        events_by_name.setdefault(name, []).append(event)
    job_views = []
    for job in sorted(jobs, key=lambda job: str(job["metadata"]["name"])):
        own_pods = pods_by_job.get(job["metadata"]["name"], [])
        own_events = []
        for thing in (job, *own_pods):
            own_events += events_by_name.get(thing["metadata"]["name"], [])
        job_views.append(JobView(job, own_pods, own_events))
    return job_views


def pod_ends(view: JobView) -> tuple[PodEnd, ...]:
    """How the pods of a Job have ended, newest last."""
    uid = view.job["metadata"].get("uid")
    ends = []
    for pod in view.pods:
        state = container_state(pod, "terminated")
        # A Job that was deleted may have left pods, which its successor of the same name does not
        # own: what they say is not its own.
        if state is not None and _owner(pod) == uid:
            ends.append(PodEnd(state.get("exitCode", 0), str(state.get("message") or "")))
    return tuple(ends)


def container_state(pod: Object, name: str) -> Object | None:
    """What the first container of a pod is in the state `running`, `waiting` or `terminated` with;
    None where it is not."""
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    state: Object | None = statuses[0].get("state", {}).get(name)
    return state


def conditions_of(manifest: Object) -> Mapping[str, Object]:
    """The conditions in the status of an object, by their type."""
    conditions = manifest.get("status", {}).get("conditions", ())
    return {condition["type"]: condition for condition in conditions}


def _happened(event: Object) -> str:
    """When an event was last seen, to sort by; one without a time sorts after all others."""
    return str(event.get("lastTimestamp") or event.get("eventTime"))


def _owner(pod: Object) -> str | None:
    """Uid of the controller of a pod."""
    for owner in pod["metadata"].get("ownerReferences", ()):
        if owner.get("controller"):
            return str(owner["uid"])
    return None

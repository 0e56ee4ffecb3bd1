"""Why a Job waits, runs or has failed, in one line with the repair: from the objects that the API server shows."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ml_pipeline.documents.fields import as_written, memory_bytes, one_line
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import SHORT
from ml_pipeline.rules.automation.words import PodEnd
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.overlays import LABEL_DATA, LABEL_EXPERIMENT, LABEL_RUN

JOB_NAME = "batch.kubernetes.io/job-name"
_PULL = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
)
_CANNOT_START = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_NEVER, _STOPPED, _KILLED, _LOST = 42, 143, 137, 255
_USERS = 3  # of a data Job, that are named
REASON = 300  # most characters of a reason
FEWER_ROWS = (
    "use fewer rows, the data has to fit into it"  # nobody can raise the limit of a data Job
)
# The first line of what trainer/ending.py leaves; why the container ended is the second.
_PEAK = re.compile(r"\Apeak (\d+) MiB[^;\n]*")


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
        conditions = conditions_of(self.job)
        for ended in ("Complete", "Failed"):
            if conditions.get(ended, {}).get("status") == "True":
                return ended
        if self.job["spec"].get("suspend"):
            return "Suspended"
        return (
            "Running"
            if any(pod["status"].get("phase") == "Running" for pod in self.pods)
            else "Pending"
        )

    @property
    def ended(self) -> str:
        """When it ended, as the API server writes it; empty while it has not."""
        conditions = conditions_of(self.job)
        ends = (conditions.get(ended, {}) for ended in ("Complete", "Failed"))
        times = (
            str(c.get("lastTransitionTime") or "unknown") for c in ends if c.get("status") == "True"
        )
        return next(times, "")


def pod_ends(view: JobView) -> tuple[PodEnd, ...]:
    """How the pods of a Job have ended, newest last. Pods that another Job of the same name has left are not its own."""
    uid = view.job["metadata"].get("uid")
    own = [pod for pod in view.pods if _owner(pod) == uid]
    states = (container_state(pod, "terminated") for pod in own)
    return tuple(
        PodEnd(state.get("exitCode", 0), str(state.get("message") or ""))
        for state in states
        if state is not None
    )


def _owner(pod: Object) -> str | None:
    """Uid of the controller of a pod."""
    owners = (o for o in pod["metadata"].get("ownerReferences", ()) if o.get("controller"))
    return next((str(owner["uid"]) for owner in owners), None)


def views(
    jobs: Iterable[Object], pods: Iterable[Object], events: Iterable[Object]
) -> list[JobView]:
    """Jobs with what belongs to each, in the order of names."""
    by_job: dict[str, list[Object]] = {}
    for pod in sorted(pods, key=lambda p: str(p["metadata"].get("creationTimestamp"))):
        by_job.setdefault(pod["metadata"].get("labels", {}).get(JOB_NAME, ""), []).append(pod)
    about: dict[str, list[Object]] = {}
    for event in sorted(events, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime"))):
        about.setdefault(event["involvedObject"].get("name", ""), []).append(event)
    found = []
    for job in sorted(jobs, key=lambda j: str(j["metadata"]["name"])):
        mine = by_job.get(job["metadata"]["name"], [])
        names = [job["metadata"]["name"], *(pod["metadata"]["name"] for pod in mine)]
        found.append(JobView(job, mine, [event for name in names for event in about.get(name, ())]))
    return found


def last_words(message: str) -> str:
    """Why a container ended, from the termination message that it has left; empty where it said nothing."""
    return one_line(_PEAK.sub("", message), REASON)


def data_users(snapshot: Snapshot, short: str) -> list[str]:
    """The experiments that wait for prepared data, or use it, by the first digits of its identity."""
    names = (name for name, e in snapshot.experiments.items() if data_identity(e)[:SHORT] == short)
    return sorted(names)


def note(view: JobView, snapshot: Snapshot) -> str:
    """What a Job waits for or why it failed, with the repair, and whose data it prepares; empty where there is nothing to say."""
    text = _waits_or_failed(view, snapshot)
    if LABEL_DATA not in view.labels:
        return text
    return of_experiments(text, data_users(snapshot, view.labels[LABEL_DATA]))


def of_experiments(text: str, users: Sequence[str]) -> str:
    """What is said of a data Job, whose name says nothing of the experiments that wait for it."""
    if not users:
        return text
    more = f" and {len(users) - _USERS} more" if len(users) > _USERS else ""
    whose = f"data of {', '.join(users[:_USERS])}{more}"
    return f"{whose}: {text}" if text else whose


def _waits_or_failed(view: JobView, snapshot: Snapshot) -> str:
    if view.phase == "Complete":
        return ""
    if view.phase == "Failed":
        return failure(view, snapshot)
    if view.phase == "Suspended":
        queue = view.labels.get("kueue.x-k8s.io/queue-name")
        return (
            f"waits for admission by Kueue's queue {queue}"
            if queue
            else "is suspended by hand; resume it with spec.suspend: false"
        )
    if not view.pods:
        return _no_pod(view)
    return _pod_waits(view, view.pods[-1], snapshot) or _last_try(view, snapshot)


def failure(view: JobView, snapshot: Snapshot) -> str:
    """Why a Job has failed for good."""
    condition = conditions_of(view.job)["Failed"]
    reason = str(condition.get("reason", "Failed"))
    if reason == "DeadlineExceeded":
        deadline = view.job["spec"].get("activeDeadlineSeconds")
        where = _in_file(view, snapshot, "budget", "max_duration")
        return f"DeadlineExceeded: ran longer than {deadline} s; raise budget.max_duration{where}"
    ended = [text for pod in reversed(view.pods) if (text := ending(view, pod, snapshot))]
    text = ended[0] if ended else condition.get("message", "no pod is left")
    return one_line(f"{reason}: {text}", REASON)


def ending(view: JobView, pod: Object, snapshot: Snapshot) -> str:
    """Why a pod's trainer ended without success, empty where it did not."""
    terminated = container_state(pod, "terminated")
    if pod["status"].get("reason") == "Evicted":
        return f"Evicted: {pod['status'].get('message', '').strip().rstrip('.')}; the next try starts from its checkpoint"
    if terminated is None or terminated.get("exitCode") == 0:
        return ""
    code = terminated["exitCode"]
    if terminated.get("reason") == "OOMKilled" or (
        code == _KILLED and _had_used_its_memory(pod, terminated)
    ):
        return _out_of_memory(view, pod, terminated, snapshot)
    words = last_words(terminated.get("message", ""))
    if words:
        return words if code == _NEVER else f"exit code {code}: {words}"
    if code == _NEVER:
        return f"exit code {code}, it can never work; see `ml-pipeline logs {view.identity}`, correct experiment or data"
    if code == _STOPPED:
        return "stopped by SIGTERM after a checkpoint; the next try goes on from there"
    if code == _LOST:
        return "its node lost the container; the next try goes on from the last checkpoint"
    return f"exit code {code}; see `ml-pipeline logs {view.identity}`"


def _out_of_memory(view: JobView, pod: Object, terminated: Object, snapshot: Snapshot) -> str:
    limit = pod["spec"]["containers"][0]["resources"]["limits"]["memory"]
    peak = _PEAK.search(terminated.get("message", ""))
    known = f", last known {peak[0]}" if peak else ""
    repair = FEWER_ROWS
    if LABEL_EXPERIMENT in view.labels:
        repair = f"raise resources.memory{_in_file(view, snapshot, 'resources', 'memory')}"
    return f"OOMKilled: the limit is {limit}{known}; {repair}"


def _had_used_its_memory(pod: Object, terminated: Object) -> bool:
    """Whether a process that was killed held almost all it may: where the kernel kills a child, only the exit code is left."""
    peak = _PEAK.search(terminated.get("message", ""))
    limit = memory_bytes(pod["spec"]["containers"][0]["resources"]["limits"]["memory"])
    return peak is not None and int(peak[1]) * 2**20 > 0.9 * limit


def _no_pod(view: JobView) -> str:
    for event in reversed(view.events):
        text = str(event.get("message", ""))
        if event.get("reason") == "FailedCreate" and "exceeded quota" in text:
            quota = re.search(
                r"exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)", text
            )
            asked = (
                f"quota {quota[1]}: asked {quota[2]}, used {quota[3]} of {quota[4]}"
                if quota
                else text
            )
            return f"{asked}; wait for other runs, or raise the pools in environment.yaml"
        if event.get("reason") == "FailedCreate":
            return f"its pod is refused: {_denied(text)}"
    return "waits for the Job controller"


def _pod_waits(view: JobView, pod: Object, snapshot: Snapshot) -> str:
    scheduled = conditions_of(pod).get("PodScheduled", {})
    if scheduled.get("reason") == "Unschedulable":
        return _unschedulable(view, pod, str(scheduled.get("message", "")), snapshot)
    waiting = container_state(pod, "waiting") or {}
    if waiting.get("reason") in _PULL:
        image = pod["spec"]["containers"][0]["image"]
        return f"{waiting['reason']}: cannot pull {image}; push the image, or correct images.trainer in environment.yaml"
    if waiting.get("reason") in _CANNOT_START:
        return f"{waiting['reason']}: {waiting.get('message', '')}; make what it names"
    mount = next(
        (
            e
            for e in reversed(view.events)
            if e.get("reason") in ("FailedMount", "FailedAttachVolume")
        ),
        None,
    )
    if mount and pod["status"].get("phase") == "Pending":
        return f"{mount['reason']}: {str(mount.get('message', '')).splitlines()[0]}; see the PersistentVolumeClaim"
    return ""


def _last_try(view: JobView, snapshot: Snapshot) -> str:
    """How the last try ended, while the next one runs or waits for its backoff."""
    for pod in reversed(view.pods):
        if pod["status"].get("phase") == "Failed":
            return ending(view, pod, snapshot)
    return ""


def _unschedulable(view: JobView, pod: Object, message: str, snapshot: Snapshot) -> str:
    """Which resource is short, how much the pod asks, and what the pool of the environment has."""
    claim = re.search(
        r'persistentvolumeclaim "([^"]+)" not found|unbound immediate PersistentVolumeClaims',
        message,
    )
    if claim:
        return f"unschedulable: {claim[0]}; make the claim, or a storage class that provides it"
    short = re.findall(r"Insufficient ([\w./-]*\w)", message)
    if not short:
        return f"unschedulable: {message.split('. ')[0].rstrip('.')}; see options and pools in environment.yaml"
    wanted = pod["spec"]["containers"][0]["resources"]["requests"]
    asked = ", ".join(f"{name} {wanted.get(name, '?')} asked" for name in dict.fromkeys(short))
    key = {"cpu": "cpu", "memory": "memory"}.get(short[0], "gpus")
    pools, where = _pools(view, snapshot, key), _in_file(view, snapshot, "resources", key)
    return f"unschedulable: {asked}{pools}; wait, or lower resources.{key}{where}"


def _pools(view: JobView, snapshot: Snapshot, key: str) -> str:
    experiment = snapshot.experiments.get(view.labels.get(LABEL_EXPERIMENT, ""))
    environment = snapshot.environments.get(experiment.environment) if experiment else None
    if environment is None:
        return ""
    return ", " + ", ".join(
        f"pool {pool.name} has {pool.nodes} x {as_written(getattr(pool, key))}"
        for pool in environment.pools
    )


def _in_file(view: JobView, snapshot: Snapshot, *key: str) -> str:
    """` in file:line` of an experiment's key, or of where it would stand."""
    path = f"experiments/{view.labels.get(LABEL_EXPERIMENT)}/experiment.yaml"
    source = snapshot.source(path)
    return f" in {path}:{source.line(key)}" if source else ""


def _denied(text: str) -> str:
    """A refusal of admission without its preamble."""
    return re.sub(r"^Error creating: ", "", text).strip().rstrip(".")


def container_state(pod: Object, name: str) -> Object | None:
    """What the first container of a pod is in the state `running`, `waiting` or `terminated` with; None where it is not."""
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    found: Object | None = statuses[0].get("state", {}).get(name)
    return found


def conditions_of(thing: Object) -> dict[str, Any]:
    """The conditions in the status of an object, by their type."""
    return {
        condition["type"]: condition for condition in thing.get("status", {}).get("conditions", ())
    }

"""Why a Job waits, runs or has failed, in one line with the repair."""

import re
from collections.abc import Sequence

from ml_pipeline.documents.fields import as_written, memory_bytes, one_line
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import SHORT, experiment_path
from ml_pipeline.rules.diagnosis.job_view import JobView, conditions_of, container_state
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.overlays import LABEL_DATA, LABEL_EXPERIMENT

_PULL = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
)
_CANNOT_START = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
NEVER = 42  # what the trainer ends with where another try ends the same
# Exit codes: after SIGTERM, after SIGKILL, of a container whose end the kubelet has not seen.
_STOPPED, _KILLED, _LOST = 143, 137, 255
_ALMOST_ALL = 0.9  # of its memory: the last peak that a trainer could write down
_USERS = 3  # of a data Job, that are named
REASON = 300  # most characters of a reason
# Nobody can raise the limit of a data Job.
FEWER_ROWS = "use fewer rows, the data has to fit into it"
# The first line of what trainer/ending.py leaves; why the container ended is the second.
_PEAK = re.compile(r"\Apeak (\d+) MiB[^;\n]*")
# What the API server, the scheduler and the volume controller say.
_QUOTA = re.compile(r"exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)")
_NO_CLAIM = re.compile(
    r'persistentvolumeclaim "([^"]+)" not found|unbound immediate PersistentVolumeClaims'
)
_INSUFFICIENT = re.compile(r"Insufficient ([\w./-]*\w)")


def last_words(message: str) -> str:
    """Why a container ended, from the termination message that it has left; empty where it said
    nothing."""
    return one_line(_PEAK.sub("", message), REASON)


def data_users(snapshot: Snapshot, short: str) -> list[str]:
    """The experiments that wait for prepared data, or use it, by the first digits of its
    identity."""
    experiments = snapshot.experiments.items()
    return sorted(name for name, one in experiments if data_identity(one)[:SHORT] == short)


def note(view: JobView, snapshot: Snapshot) -> str:
    """What a Job waits for or why it failed, with the repair, and whose data it prepares; empty
    where there is nothing to say."""
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
        if queue:
            return f"waits for admission by Kueue's queue {queue}"
        return "is suspended by hand; resume it with spec.suspend: false"
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
    text = condition.get("message", "no pod is left")
    for pod in reversed(view.pods):
        end = ending(view, pod, snapshot)
        if end:
            text = end
            break
    return one_line(f"{reason}: {text}", REASON)


def ending(view: JobView, pod: Object, snapshot: Snapshot) -> str:
    """Why a pod's trainer ended without success, empty where it did not."""
    terminated = container_state(pod, "terminated")
    if pod["status"].get("reason") == "Evicted":
        message = pod["status"].get("message", "").strip().rstrip(".")
        return f"Evicted: {message}; the next try starts from its checkpoint"
    if terminated is None or terminated.get("exitCode") == 0:
        return ""
    if _ran_out_of_memory(pod, terminated):
        return _out_of_memory(view, pod, terminated, snapshot)
    code, words = terminated["exitCode"], last_words(terminated.get("message", ""))
    if words:
        return words if code == NEVER else f"exit code {code}: {words}"
    see = f"see `ml-pipeline logs {view.identity}`"
    if code == NEVER:
        return f"exit code {code}, it can never work; {see}, correct experiment or data"
    if code == _STOPPED:
        return "stopped by SIGTERM after a checkpoint; the next try goes on from there"
    if code == _LOST:
        return "its node lost the container; the next try goes on from the last checkpoint"
    return f"exit code {code}; {see}"


def _ran_out_of_memory(pod: Object, terminated: Object) -> bool:
    """Whether the kernel ended it for its memory: said so, or seen from a process that was killed
    and held almost all it may. Where the kernel kills a child, only the exit code is left."""
    if terminated.get("reason") == "OOMKilled":
        return True
    peak = _PEAK.search(terminated.get("message", ""))
    if terminated["exitCode"] != _KILLED or peak is None:
        return False
    return int(peak[1]) * 2**20 > _ALMOST_ALL * memory_bytes(_memory_limit(pod))


def _out_of_memory(view: JobView, pod: Object, terminated: Object, snapshot: Snapshot) -> str:
    peak = _PEAK.search(terminated.get("message", ""))
    known = f", last known {peak[0]}" if peak else ""
    repair = FEWER_ROWS
    if LABEL_EXPERIMENT in view.labels:
        repair = f"raise resources.memory{_in_file(view, snapshot, 'resources', 'memory')}"
    return f"OOMKilled: the limit is {_memory_limit(pod)}{known}; {repair}"


def _memory_limit(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["resources"]["limits"]["memory"])


def _no_pod(view: JobView) -> str:
    for event in reversed(view.events):
        text = str(event.get("message", ""))
        if event.get("reason") != "FailedCreate":
            continue
        if "exceeded quota" not in text:
            return f"its pod is refused: {_denied(text)}"
        quota = _QUOTA.search(text)
        if quota:
            text = f"quota {quota[1]}: asked {quota[2]}, used {quota[3]} of {quota[4]}"
        return f"{text}; wait for other runs, or raise the pools in environment.yaml"
    return "waits for the Job controller"


def _pod_waits(view: JobView, pod: Object, snapshot: Snapshot) -> str:
    scheduled = conditions_of(pod).get("PodScheduled", {})
    if scheduled.get("reason") == "Unschedulable":
        return _unschedulable(view, pod, str(scheduled.get("message", "")), snapshot)
    waiting = container_state(pod, "waiting") or {}
    reason = waiting.get("reason")
    if reason in _PULL:
        image = pod["spec"]["containers"][0]["image"]
        return (
            f"{reason}: cannot pull {image}; "
            "push the image, or correct images.trainer in environment.yaml"
        )
    if reason in _CANNOT_START:
        return f"{reason}: {waiting.get('message', '')}; make what it names"
    mount = _newest_mount_failure(view)
    if mount and pod["status"].get("phase") == "Pending":
        message = str(mount.get("message", "")).splitlines()[0]
        return f"{mount['reason']}: {message}; see the PersistentVolumeClaim"
    return ""


def _newest_mount_failure(view: JobView) -> Object | None:
    for event in reversed(view.events):
        if event.get("reason") in ("FailedMount", "FailedAttachVolume"):
            return event
    return None


def _last_try(view: JobView, snapshot: Snapshot) -> str:
    """How the last try ended, while the next one runs or waits for its backoff."""
    for pod in reversed(view.pods):
        if pod["status"].get("phase") == "Failed":
            return ending(view, pod, snapshot)
    return ""


def _unschedulable(view: JobView, pod: Object, message: str, snapshot: Snapshot) -> str:
    """Which resource is short, how much the pod asks, and what the pool of the environment has."""
    claim = _NO_CLAIM.search(message)
    if claim:
        return f"unschedulable: {claim[0]}; make the claim, or a storage class that provides it"
    short = _INSUFFICIENT.findall(message)
    if not short:
        first = message.split(". ")[0].rstrip(".")
        return f"unschedulable: {first}; see options and pools in environment.yaml"
    wanted = pod["spec"]["containers"][0]["resources"]["requests"]
    asked = ", ".join(f"{name} {wanted.get(name, '?')} asked" for name in dict.fromkeys(short))
    key = {"cpu": "cpu", "memory": "memory"}.get(short[0], "gpus")
    pools, where = _pools(view, snapshot, key), _in_file(view, snapshot, "resources", key)
    return f"unschedulable: {asked}{pools}; wait, or lower resources.{key}{where}"


def _pools(view: JobView, snapshot: Snapshot, key: str) -> str:
    """`, pool laptop has 1 x 8` for each pool of the environment that an experiment trains in."""
    experiment = snapshot.experiments.get(view.labels.get(LABEL_EXPERIMENT, ""))
    environment = snapshot.environments.get(experiment.environment) if experiment else None
    if environment is None:
        return ""
    pools = [
        f", pool {pool.name} has {pool.nodes} x {as_written(getattr(pool, key))}"
        for pool in environment.pools
    ]
    return "".join(pools)


def _in_file(view: JobView, snapshot: Snapshot, *key: str) -> str:
    """` in file:line` of an experiment's key, or of where it would stand."""
    path = experiment_path(view.labels.get(LABEL_EXPERIMENT, ""))
    source = snapshot.source(path)
    return f" in {path}:{source.line(key)}" if source else ""


def _denied(text: str) -> str:
    """A refusal of admission without its preamble."""
    return re.sub(r"^Error creating: ", "", text).strip().rstrip(".")

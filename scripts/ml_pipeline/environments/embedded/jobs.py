"""The Job controller of the embedded environment, as documented for batch/v1.

It knows backoffLimit, podFailurePolicy and activeDeadlineSeconds. A Job is created if its name is
not there (ssa: IfNotPresent) and pruned when it left git.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import cpu_cores, memory_bytes, one_line
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.pods import Pods
from ml_pipeline.environments.embedded.records import LOST, JobRecord, PodStatus
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.layout import experiment_path
from ml_pipeline.rules.diagnosis.pods import FEWER_ROWS, NEVER, REASON, last_words
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.overlays import LABEL_EXPERIMENT

FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1.0, 60.0
BACKOFF_LIMIT = 6  # of a Job that does not say


class Share(NamedTuple):
    """What a pod asks of the machine: cores, and bytes of memory."""

    cores: float
    memory: int


@dataclass
class Jobs:
    """Records of Jobs in `jobs/<name>.json`, each carried forward one transition at a time.

    `cores` and `memory`, in bytes, are what all of them may ask for together.
    """

    state: State
    pods: Pods
    cores: float
    memory: int
    wanted: dict[str, Object] = field(default_factory=dict)

    def apply(self, desired: Sequence[Object]) -> None:
        """Create what is not there, prune what is no longer wanted."""
        self.wanted = {job["metadata"]["name"]: job for job in desired}
        self._create_missing()
        for record in records.jobs(self.state):
            if record.name not in self.wanted:
                # Said first and done later: a supervisor that is killed meanwhile goes on with it.
                self._save(replace(record, phase="Deleting"))

    def tick(self) -> None:
        """Carry every Job forward.

        One that is wanted again while it was being deleted is created once it is gone.
        """
        self._create_missing()
        before = records.jobs(self.state)
        for record in before:
            if record.phase == "Deleting":
                self._delete(record)
            elif record.phase == "Running":
                self._watch(record)
        # Read anew: what has ended in this tick has left its share to others. What waits is taken
        # as it was before, so that a pod which has just failed is tried in the next tick at best.
        taken = [_share(each) for each in records.jobs(self.state) if each.phase == "Running"]
        for record in sorted(before, key=lambda each: (each.created, each.name)):
            if record.phase == "Pending" and self._try_start(record, taken):
                taken.append(_share(record))

    def _create_missing(self) -> None:
        for name in sorted(self.wanted.keys() - set(self.state.names("jobs"))):
            self._save(JobRecord(name, self.wanted[name], "Pending", created=time.time()))

    def _try_start(self, record: JobRecord, taken: Sequence[Share]) -> bool:
        """Start the next try of a Job beside those that have taken theirs; whether it started."""
        if time.time() < (record.not_before or 0):
            return False
        lacking = self._lacking(record, taken)
        if lacking:
            self._note(record, f"waits for {lacking}")
            return False
        attempt = record.attempt + 1
        pod = f"{record.name}-{attempt}"
        started = time.time() if record.started is None else record.started
        try:
            self.pods.start(pod, record.manifest["spec"]["template"]["spec"])
        except PipelineError as error:
            later = time.time() + LONGEST_BACKOFF_SECONDS / 10
            self._note(replace(record, not_before=later), str(error))
            return False
        # After the start: a kill in between leaves a Pending record, and the pod has no parent to
        # live on with; the same try is started again under the same name.
        self._save(
            replace(record, phase="Running", attempt=attempt, pod=pod, started=started, message="")
        )
        return True

    def _watch(self, record: JobRecord) -> None:
        assert record.pod is not None
        assert record.started is not None
        status = self.pods.status(record.pod)
        deadline = record.manifest["spec"].get("activeDeadlineSeconds")
        late = deadline is not None and time.time() - record.started > deadline
        if status and status.is_running:
            if late:
                self.pods.stop(record.pod)
            return
        if late:
            text = f"ran longer than {deadline} s; raise budget.max_duration"
            self._end(record, "Failed", "DeadlineExceeded", text)
            return
        self._settle(record, status or records.lost())

    def _settle(self, record: JobRecord, status: PodStatus) -> None:
        """What follows from the end of a pod."""
        if status.exit_code == 0:
            self._end(record, "Complete", "Completed", "")
            return
        spec = record.manifest["spec"]
        action = failure_action(spec, status)
        message = explain(record, status)
        if action == "FailJob":
            self._end(record, "Failed", "PodFailurePolicy", message)
            return
        failures, wait = record.failures, 0.0
        if action == "Count":
            failures += 1
            wait = min(FIRST_BACKOFF_SECONDS * 2 ** (failures - 1), LONGEST_BACKOFF_SECONDS)
        if failures > spec.get("backoffLimit", BACKOFF_LIMIT):
            text = f"failed {failures} times, last: {message}"
            self._end(record, "Failed", "BackoffLimitExceeded", text)
            return
        again = time.time() + wait
        self._save(
            replace(record, phase="Pending", failures=failures, not_before=again, message=message)
        )

    def _end(
        self,
        record: JobRecord,
        phase: Literal["Complete", "Failed"],
        reason: str,
        message: str,
    ) -> None:
        line = one_line(message, REASON)
        self._save(replace(record, phase=phase, reason=reason, message=line, finished=time.time()))

    def _delete(self, record: JobRecord) -> None:
        if record.pod and not self.pods.stop(record.pod):
            return
        for attempt in range(1, record.attempt + 1):
            self.pods.remove(f"{record.name}-{attempt}")
        # Last: as long as there is a record, the next start takes up what is left of its pods.
        records.forget_job(self.state, record)

    def _lacking(self, record: JobRecord, taken: Sequence[Share]) -> str:
        """What the machine has too little of at the moment, empty if the pod fits."""
        cores, memory = _share(record)
        free_cores = self.cores - sum(share.cores for share in taken)
        free_memory = self.memory - sum(share.memory for share in taken)
        if cores > free_cores:
            return f"cpu: {cores:g} asked, {free_cores:g} of {self.cores:g} free"
        if memory > free_memory:
            return f"memory: {memory // 2**20} MiB asked, {free_memory // 2**20} MiB free"
        return ""

    def _note(self, record: JobRecord, message: str) -> None:
        # Ten times a second the same is said again: only what is new is written.
        if record.message != message:
            self._save(replace(record, message=message))

    def _save(self, record: JobRecord) -> None:
        records.save_job(self.state, record)


def failure_action(spec: Object, status: PodStatus) -> str:
    """FailJob, Ignore or Count: the first matching rule of podFailurePolicy, else Count."""
    for rule in spec.get("podFailurePolicy", {}).get("rules", ()):
        codes = rule.get("onExitCodes")
        if codes and (status.exit_code in codes["values"]) == (codes["operator"] == "In"):
            return str(rule["action"])
        conditions = {condition["type"] for condition in rule.get("onPodConditions", ())}
        if "DisruptionTarget" in conditions and status.reason == LOST:
            return str(rule["action"])
    return "Count"


def explain(record: JobRecord, status: PodStatus) -> str:
    """Why a pod ended, with the repair where one is known."""
    if status.reason == "OOMKilled":
        return _out_of_memory(record, status)
    if status.reason == LOST:
        return "the pod was lost with its environment; it starts again from its checkpoint"
    code, words = status.exit_code, last_words(status.message)
    if words:
        return words if code == NEVER else f"exit code {code}: {words}"
    return f"exit code {code}; see `ml-pipeline logs {record.name}`"


def _out_of_memory(record: JobRecord, status: PodStatus) -> str:
    experiment = record.labels.get(LABEL_EXPERIMENT)
    repair = FEWER_ROWS
    if experiment:
        repair = f"raise resources.memory in {experiment_path(experiment)}"
    limit = _container(record)["resources"]["limits"]["memory"]
    used = status.peak_bytes // 2**20
    return f"OOMKilled: used {used} MiB, the limit is {limit}; {repair}"


def _share(record: JobRecord) -> Share:
    requests = _container(record)["resources"]["requests"]
    return Share(cpu_cores(requests["cpu"]), memory_bytes(requests["memory"]))


def _container(record: JobRecord) -> Object:
    container: Object = record.manifest["spec"]["template"]["spec"]["containers"][0]
    return container

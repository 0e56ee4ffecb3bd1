"""The Job controller of the embedded environment: backoffLimit, podFailurePolicy, activeDeadlineSeconds, as documented
for batch/v1. A Job is created if its name is not there (ssa: IfNotPresent) and pruned when it left git."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import cpu_cores, memory_bytes, one_line
from ml_pipeline.environments.embedded.pods import LOST, Pods
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.rules.diagnosis.pods import FEWER_ROWS, REASON, last_words
from ml_pipeline.rules.render.overlays import LABEL_EXPERIMENT

Job = Mapping[str, Any]
NEVER = 42  # what the trainer ends with where another try ends the same
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1.0, 60.0


@dataclass
class Jobs:
    """Records of Jobs in `jobs/<name>.json`, each carried forward one transition at a time."""

    state: State
    pods: Pods
    cores: float
    memory: int
    wanted: dict[str, Job] = field(default_factory=dict)

    def apply(self, desired: list[Job]) -> None:
        """Create what is not there, prune what is no longer wanted."""
        self.wanted = {job["metadata"]["name"]: job for job in desired}
        self._create_missing()
        for name in set(self.state.names("jobs")) - self.wanted.keys():
            record = self.state.read(f"jobs/{name}")
            self._save({**record, "phase": "Deleting"})

    def tick(self) -> None:
        """Carry every Job forward; one that is wanted again while it was being deleted is created once it is gone."""
        self._create_missing()
        records = self._records()
        for record in records:
            if record["phase"] == "Deleting":
                self._delete(record)
            elif record["phase"] == "Running":
                self._watch(record)
        taken = [
            _requests(other["manifest"]) for other in self._records() if other["phase"] == "Running"
        ]
        for record in sorted(records, key=lambda r: (r["created"], r["name"])):
            if record["phase"] == "Pending" and self._try_start(record, taken):
                taken.append(_requests(record["manifest"]))

    def _create_missing(self) -> None:
        for name in sorted(self.wanted.keys() - set(self.state.names("jobs"))):
            manifest = self.wanted[name]
            self._save(
                {
                    "name": name,
                    "manifest": manifest,
                    "phase": "Pending",
                    "attempt": 0,
                    "failures": 0,
                    "created": time.time(),
                }
            )

    def _records(self) -> list[Job]:
        return [self.state.read(f"jobs/{name}") for name in self.state.names("jobs")]

    def _try_start(self, record: Job, taken: list[tuple[float, int]]) -> bool:
        """Start the next try of a Job beside those that have taken their share; whether it started."""
        if time.time() < record.get("not_before", 0):
            return False
        lacking = self._lacking(record, taken)
        if lacking:
            self._note(record, f"waits for {lacking}")
            return False
        attempt = record["attempt"] + 1
        pod = f"{record['name']}-{attempt}"
        spec = record["manifest"]["spec"]["template"]["spec"]
        started = record.get("started", time.time())
        try:
            self.pods.start(pod, spec)
        except PipelineError as error:
            self._note(
                {**record, "not_before": time.time() + LONGEST_BACKOFF_SECONDS / 10}, str(error)
            )
            return False
        self._save(
            {
                **record,
                "phase": "Running",
                "attempt": attempt,
                "pod": pod,
                "started": started,
                "message": "",
            }
        )
        return True

    def _watch(self, record: Job) -> None:
        spec, status = record["manifest"]["spec"], self.pods.status(record["pod"])
        deadline = spec.get("activeDeadlineSeconds")
        late = deadline is not None and time.time() - record["started"] > deadline
        if status and status["phase"] == "Running":
            if late:
                self.pods.stop(record["pod"])
            return
        if late:
            self._end(
                record,
                "Failed",
                "DeadlineExceeded",
                f"ran longer than {deadline} s; raise budget.max_duration",
            )
            return
        self._settle(record, status or {"exit_code": 137, "reason": LOST, "peak_bytes": 0})

    def _settle(self, record: Job, status: dict[str, Any]) -> None:
        if status["exit_code"] == 0:
            self._end(record, "Complete", "Completed", "")
            return
        spec = record["manifest"]["spec"]
        action = failure_action(spec, status)
        message = explain(record, status)
        if action == "FailJob":
            self._end(record, "Failed", "PodFailurePolicy", message)
            return
        failures = record["failures"] + (action == "Count")
        if failures > spec.get("backoffLimit", 6):
            self._end(
                record,
                "Failed",
                "BackoffLimitExceeded",
                f"failed {failures} times, last: {message}",
            )
            return
        wait = (
            min(FIRST_BACKOFF_SECONDS * 2 ** (failures - 1), LONGEST_BACKOFF_SECONDS)
            if action == "Count"
            else 0.0
        )
        self._save(
            {
                **record,
                "phase": "Pending",
                "failures": failures,
                "not_before": time.time() + wait,
                "message": message,
            }
        )

    def _end(self, record: Job, phase: str, reason: str, message: str) -> None:
        self._save(
            {
                **record,
                "phase": phase,
                "reason": reason,
                "message": one_line(message, REASON),
                "finished": time.time(),
            }
        )

    def _delete(self, record: Job) -> None:
        pod = record.get("pod")
        if pod and not self.pods.stop(pod):
            return
        for attempt in range(1, record["attempt"] + 1):
            self.pods.remove(f"{record['name']}-{attempt}")
        labels = record["manifest"]["metadata"]["labels"]
        trace = {"labels": labels, "created": record["created"]}
        self.state.write(f"logs/jobs/{record['name']}", trace)
        self.state.drop(f"jobs/{record['name']}")

    def _lacking(self, record: Job, taken: list[tuple[float, int]]) -> str:
        """What the machine has too little of at the moment, empty if the pod fits."""
        cores, memory = _requests(record["manifest"])
        free_cores, free_memory = (
            self.cores - sum(c for c, _ in taken),
            self.memory - sum(m for _, m in taken),
        )
        if cores > free_cores:
            return f"cpu: {cores:g} asked, {free_cores:g} of {self.cores:g} free"
        if memory > free_memory:
            return f"memory: {memory // 2**20} MiB asked, {free_memory // 2**20} MiB free"
        return ""

    def _note(self, record: Job, message: str) -> None:
        if record.get("message") != message:
            self._save({**record, "message": message})

    def _save(self, record: Job) -> None:
        self.state.write(f"jobs/{record['name']}", record)


def failure_action(spec: dict[str, Any], status: dict[str, Any]) -> str:
    """FailJob, Ignore or Count: the first matching rule of podFailurePolicy, else Count."""
    for rule in spec.get("podFailurePolicy", {}).get("rules", ()):
        codes = rule.get("onExitCodes")
        if codes and (status["exit_code"] in codes["values"]) == (codes["operator"] == "In"):
            return str(rule["action"])
        conditions = {condition["type"] for condition in rule.get("onPodConditions", ())}
        if "DisruptionTarget" in conditions and status["reason"] == LOST:
            return str(rule["action"])
    return "Count"


def explain(record: Job, status: dict[str, Any]) -> str:
    """Why a pod ended, with the repair where one is known."""
    container = record["manifest"]["spec"]["template"]["spec"]["containers"][0]
    if status["reason"] == "OOMKilled":
        experiment = record["manifest"]["metadata"]["labels"].get(LABEL_EXPERIMENT)
        repair = FEWER_ROWS
        if experiment:
            repair = f"raise resources.memory in experiments/{experiment}/experiment.yaml"
        used, limit = status["peak_bytes"] // 2**20, container["resources"]["limits"]["memory"]
        return f"OOMKilled: used {used} MiB, the limit is {limit}; {repair}"
    if status["reason"] == LOST:
        return "the pod was lost with its environment; it starts again from its checkpoint"
    code, words = status["exit_code"], last_words(status.get("message", ""))
    if words:
        return words if code == NEVER else f"exit code {code}: {words}"
    return f"exit code {code}; see `ml-pipeline logs {record['name']}`"


def _requests(manifest: Job) -> tuple[float, int]:
    requests = manifest["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
    return cpu_cores(requests["cpu"]), memory_bytes(requests["memory"])

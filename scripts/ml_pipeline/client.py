"""The same commands for Python: `PipelineClient` writes the same files, through the same functions."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ml_pipeline.documents.experiment import BUNDLED, Experiment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.receipts import Run as Receipt
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.source import Source
from ml_pipeline.rules.cost import pool_for
from ml_pipeline.rules.identity import SHORT, data_identity
from ml_pipeline.rules.training import asked_run
from ml_pipeline.verbs.promote import Terms, promote, steps_from
from ml_pipeline.verbs.submit import read_experiment, submit_source
from ml_pipeline.verbs.workspace import open_workspace

POLL_SECONDS = 0.5
Status = Literal["pending", "succeeded", "failed"]


@dataclass(frozen=True)
class Run:
    """A submitted run. `revision` is the commit that asks for it."""

    repo: Path
    experiment: Experiment
    revision: str
    branch: str

    @property
    def id(self) -> str:
        """`experiment/id`, as promotions name it; the experiment alone until its data is prepared."""
        run = asked_run(self._snapshot(), self.experiment)
        return f"{self.experiment.name}/{run[:SHORT]}" if run else self.experiment.name

    def status(self) -> Status:
        """How it stands, by the receipts on the branch."""
        snapshot = self._snapshot()
        receipt = self._receipt_in(snapshot)
        if receipt:
            return receipt.outcome
        data = snapshot.data.get(data_identity(self.experiment))
        return "failed" if data and data.data is None else "pending"

    def receipt(self) -> Receipt | None:
        """The receipt, None while the run is not settled."""
        return self._receipt_in(self._snapshot())

    def _receipt_in(self, snapshot: Snapshot) -> Receipt | None:
        return snapshot.runs.get(asked_run(snapshot, self.experiment) or "")

    def wait(self, timeout: float = 3600.0) -> Status:
        """Wait until it is settled; `timeout` in seconds.

        Raises:
            PipelineError: it is still pending then.
        """
        end = time.monotonic() + timeout
        while (status := self.status()) == "pending":
            if time.monotonic() > end:
                raise PipelineError(
                    f"{self.id} is still pending after {timeout:g} s; `ml-pipeline status` says what it waits for"
                )
            time.sleep(POLL_SECONDS)
        return status

    def _snapshot(self) -> Snapshot:
        return open_workspace(self.repo, environment=self.experiment.environment).snapshot


class PipelineClient:
    """Submits experiments and promotes runs of one checkout."""

    def __init__(self, repo: str | Path = ".") -> None:
        self.repo = Path(repo)

    def submit_training(
        self,
        model_type: str,
        dataset: str,
        hyperparams: Mapping[str, Any],
        resources: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Run:
        """Commit an experiment and return its run.

        `dataset` is a bundled set, or the model of an experiment that declares where the data is. `more` are further
        keys of experiment.yaml, such as `name`, `environment`, `seed`, `gates`. The experiment is merged where the
        environment is embedded and becomes a branch for a pull request elsewhere.

        Raises:
            InvalidDocumentsError: a value breaks a rule; nothing is committed.
        """
        snapshot = open_workspace(self.repo).snapshot
        data = {
            "apiVersion": API_VERSION,
            "kind": "Experiment",
            "name": f"{dataset}-{model_type}".replace("_", "-"),
            "owner": "python-client",
            "model": {"name": dataset.replace("_", "-"), "type": model_type},
            "dataset": _dataset(snapshot, dataset),
            "parameters": dict(hyperparams),
            "resources": dict(resources or {}),
            **more,
        }
        data.setdefault("environment", _environment(snapshot, data))
        merge = (
            snapshot.environments[data["environment"]].runtime == "embedded"
            if data["environment"] in snapshot.environments
            else False
        )
        submission = submit_source(self.repo, Source("submit_training", data, {}), merge=merge)
        return Run(self.repo, submission.experiment, submission.revision, submission.branch)

    def promote_model(self, model_id: str, environment: str, traffic_percentage: int = 10) -> None:
        """Commit the promotion of a run, `experiment/id`, that begins with this share of the traffic.

        Raises:
            PipelineError: the run has no receipt, or fails a gate.
        """
        promote(
            self.repo,
            model_id,
            environment=environment,
            terms=Terms({"steps": steps_from(traffic_percentage)}),
        )


def _dataset(snapshot: Snapshot, name: str) -> dict[str, Any]:
    if name in BUNDLED:
        return {"uri": f"bundled://{name}"}
    for experiment in snapshot.experiments.values():
        if experiment.model.name == name:
            return experiment.dataset.model_dump(exclude_none=True)
    known = sorted({*BUNDLED, *(e.model.name for e in snapshot.experiments.values())})
    raise PipelineError(
        f"dataset {name!r} is not declared by any experiment; known are {', '.join(known)}"
    )


def _environment(snapshot: Snapshot, data: Mapping[str, Any]) -> str:
    """The first environment, embedded ones before others, whose nodes hold what is asked."""
    order = sorted(
        snapshot.environments.values(),
        key=lambda e: (e.runtime != "embedded", bool(e.promotes_from), e.name),
    )
    for environment in order:
        trial = Source(
            "submit_training",
            {"image": f"sha256:{'0' * 64}", **data, "environment": environment.name},
            {},
        )
        if pool_for(read_experiment(trial), environment):
            return environment.name
    raise PipelineError(
        f"no environment has a node for {dict(data['resources'])}; ask for less, or add a pool to an environment.yaml"
    )

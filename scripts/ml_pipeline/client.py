"""The same commands for Python: `PipelineClient` writes the same files, through the same functions."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ml_pipeline.adapters.git.revisions import find_top
from ml_pipeline.documents.experiment import BUNDLED, Experiment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.receipts import Run as Receipt
from ml_pipeline.documents.schemas import editor_comment
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.source import Source
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.layout import SHORT
from ml_pipeline.operations.promote import Terms, promote, steps_from
from ml_pipeline.operations.submit import Draft, Existing, existing, read_experiment, submit_draft
from ml_pipeline.operations.workspace import Workspace, open_workspace
from ml_pipeline.rules.identity.awaited import run_identity_of, settled_by
from ml_pipeline.rules.identity.hashes import data_identity, digest_of
from ml_pipeline.rules.money.prices import pool_for

POLL_SECONDS = 0.5
ORIGIN = "submit_training"  # where faults of its arguments are
_NO_IMAGE = f"sha256:{'0' * 64}"
_NAME_LENGTH, _DIGEST_LENGTH = 33, 6  # 40 together, the most that a name may have
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
        snapshot = self._snapshot()
        receipt = self._receipt_in(snapshot)
        if receipt:  # perhaps another experiment asked for the same run before
            return f"{receipt.experiment}/{receipt.id}"
        run = run_identity_of(snapshot, self.experiment)
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
        return settled_by(snapshot, self.experiment)

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
        self.repo = find_top(Path(repo))

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
        environment is embedded and becomes a branch for a pull request elsewhere. It never replaces another one:
        without a `name` it gets one of its own, the same for the same arguments.

        Raises:
            InvalidDocumentsError: a value breaks a rule; nothing is committed.
            PipelineError: an experiment of that `name` says something else.
        """
        workspace = open_workspace(self.repo)
        snapshot = workspace.snapshot
        data = {
            "apiVersion": API_VERSION,
            "kind": "Experiment",
            "name": f"{dataset}-{model_type}".replace("_", "-"),
            "owner": "python-client",
            "model": {"name": dataset.replace("_", "-"), "type": model_type},
            "dataset": _dataset(snapshot, dataset),
            "parameters": dict(hyperparams),
            **({"resources": dict(resources)} if resources else {}),
            **more,
        }
        data.setdefault("environment", _environment(snapshot, data))
        facts = snapshot.environments.get(data["environment"])
        if facts:
            workspace = open_workspace(self.repo, environment=facts.name)
        if "name" not in more:
            data["name"] = _free_name(workspace, data)
        there = existing(workspace, data["name"])
        if there:
            _refuse_other(there, data)
        raw = there.raw if there else _written(data)
        merge = facts is not None and facts.runtime == "embedded"
        submission = submit_draft(workspace, Draft(Source(ORIGIN, data, {}), raw), merge=merge)
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


def _refuse_other(there: Existing, data: Mapping[str, Any]) -> None:
    """Keys that are not given here are not to vanish from what a person wrote."""
    old, new = there.experiment.model_dump(), _asked(data, there).model_dump()
    differing = ", ".join(key for key in old if old[key] != new[key])
    if differing:
        raise PipelineError(
            f"experiment {data['name']!r} exists with another {differing}; give it another name=..., "
            f"or change that one with `ml-pipeline submit`"
        )


def _free_name(workspace: Workspace, data: Mapping[str, Any]) -> str:
    """The usual name, with a digest of what is asked where another experiment has that name."""
    name = str(data["name"])
    there = existing(workspace, name)
    if there is None or there.experiment == _asked(data, there):
        return name
    asked = _asked(data).model_dump(mode="json", exclude_unset=True)
    return f"{name[:_NAME_LENGTH]}-{digest_of(asked)[:_DIGEST_LENGTH]}"


def _asked(data: Mapping[str, Any], there: Existing | None = None) -> Experiment:
    """What is asked for; the code is that of the experiment that is there, if nothing is said of it."""
    image = there.experiment.image if there else _NO_IMAGE
    return read_experiment(Source(ORIGIN, {"image": image, **data}, {}))


def _written(data: Mapping[str, Any]) -> bytes:
    """The file of a new experiment, without the image where `submit` is to pin it."""
    plain = _asked(data).model_dump(mode="json", exclude_unset=True)
    if plain["image"] == _NO_IMAGE:
        del plain["image"]
    path = f"experiments/{data['name']}/experiment.yaml"
    return editor_comment(path, "Experiment").encode() + to_yaml(plain)


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
        if pool_for(_asked({**data, "environment": environment.name}), environment):
            return environment.name
    raise PipelineError(
        f"no environment has a node for {dict(data.get('resources', {}))}; ask for less, or add a pool to an environment.yaml"
    )

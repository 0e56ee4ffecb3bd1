"""The same commands for Python: `PipelineClient` writes the same files, by the same operations."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ml_pipeline.adapters.git.working_tree import find_top
from ml_pipeline.commands import console
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import BUNDLED, Dataset, Experiment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.receipts import Run as Receipt
from ml_pipeline.documents.schemas import editor_comment
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.source import Source
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.layout import SHORT, experiment_path
from ml_pipeline.operations.drafts import Draft, read_experiment
from ml_pipeline.operations.promote import PromotionCommit, Terms, promote, steps_from
from ml_pipeline.operations.submit import Existing, existing, submit_draft
from ml_pipeline.operations.workspace import Workspace, open_workspace
from ml_pipeline.rules.identity.awaited import run_identity_of, settled_by
from ml_pipeline.rules.identity.hashes import data_identity, digest_of
from ml_pipeline.rules.money.prices import pool_for

Keys = Mapping[str, Any]
"""Keys of an experiment.yaml, as raw as the arguments are until a document is made of them."""

POLL_SECONDS = 0.5
ARGUMENTS = "submit_training"  # where faults of its arguments are
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
        """`experiment/id`, as promotions name it.

        It is the experiment alone until its data is prepared.
        """
        snapshot = self._snapshot()
        receipt = self._receipt_in(snapshot)
        if receipt:  # perhaps another experiment asked for the same run before
            return receipt.reference
        run = run_identity_of(snapshot, self.experiment)
        return f"{self.experiment.name}/{run[:SHORT]}" if run else self.experiment.name

    def status(self) -> Status:
        """How it stands, by the receipts on the branch."""
        snapshot = self._snapshot()
        receipt = self._receipt_in(snapshot)
        if receipt:
            return receipt.outcome
        # Data that failed ends it too: the run that waits for it never begins.
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
                    f"{self.id} is still pending after {timeout:g} s; "
                    "`ml-pipeline status` says what it waits for"
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
        hyperparams: Keys,
        resources: Keys | None = None,
        **more: Any,
    ) -> Run:
        """Commit an experiment and return its run.

        `dataset` is a bundled set, or the model of an experiment that declares where the data is.
        `more` are further keys of experiment.yaml, such as `name`, `environment`, `seed`, `gates`.
        The experiment is merged where the environment is embedded and becomes a branch for a pull
        request elsewhere. It never replaces another one: without a `name` it gets one of its own,
        the same for the same arguments.

        Raises:
            InvalidDocumentsError: a value breaks a rule; nothing is committed.
            PipelineError: an experiment of that `name` says something else.
        """
        workspace = open_workspace(self.repo)
        data: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": "Experiment",
            "name": f"{dataset}-{model_type}".replace("_", "-"),
            "owner": "python-client",
            "model": {"name": dataset.replace("_", "-"), "type": model_type},
            "dataset": _dataset(workspace.snapshot, dataset),
            "parameters": dict(hyperparams),
        }
        if resources:
            data["resources"] = dict(resources)
        data |= more
        data.setdefault("environment", _environment(workspace.snapshot, data))
        facts = workspace.snapshot.environments.get(data["environment"])
        if facts:
            # Which branch counts depends on the environment, which is known only now.
            workspace = open_workspace(self.repo, environment=facts.name)
        if "name" not in more:
            data["name"] = _free_name(workspace, data)
        # An embedded environment is the person's own; elsewhere merging is for whoever reviews.
        merge = facts is not None and facts.runtime == "embedded"
        draft = _draft(workspace, data)
        submission = submit_draft(workspace, draft, merge=merge, talk=console.talk)
        return Run(self.repo, submission.experiment, submission.revision, submission.branch)

    def promote_model(
        self, model_id: str, environment: str, traffic_percentage: int = 10
    ) -> PromotionCommit:
        """Commit the promotion of a run, `experiment/id`; it begins with this share of the traffic.

        Raises:
            PipelineError: the run has no receipt, or fails a gate.
        """
        terms = Terms(environment=environment, steps=steps_from(traffic_percentage))
        return promote(self.repo, model_id, terms=terms, talk=console.talk)


def _draft(workspace: Workspace, data: Keys) -> Draft:
    """What is asked for, as the file that is there or as a new one.

    Raises:
        PipelineError: an experiment of that name says something else.
    """
    source = Source.of_arguments(ARGUMENTS, data)
    current = existing(workspace, data["name"])
    if current is None:
        return Draft(source, _written(data))
    _refuse_other(current, data)
    return Draft(source, current.raw)


def _refuse_other(current: Existing, data: Keys) -> None:
    """Keys that are not given here are not to vanish from what a person wrote."""
    # With all defaults: a key that is left out asks for its default, which may be another value.
    old, new = current.experiment.model_dump(), _requested(data, current).model_dump()
    differing = ", ".join(key for key in old if old[key] != new[key])
    if differing:
        raise PipelineError(
            f"experiment {data['name']!r} exists with another {differing}; "
            "give it another name=..., or change that one with `ml-pipeline submit`"
        )


def _free_name(workspace: Workspace, data: Keys) -> str:
    """The usual name, with a digest of what is asked where another experiment has that name."""
    name = str(data["name"])
    current = existing(workspace, name)
    if current is None or current.experiment == _requested(data, current):
        return name
    # What is asked, and not a random name: the same arguments must find the same experiment.
    requested = _requested(data).model_dump(mode="json", exclude_unset=True)
    return f"{name[:_NAME_LENGTH]}-{digest_of(requested)[:_DIGEST_LENGTH]}"


def _requested(data: Keys, current: Existing | None = None) -> Experiment:
    """What is asked for; where nothing is said of the code it is that of the current one."""
    image = current.experiment.image if current else _NO_IMAGE
    return read_experiment(Source.of_arguments(ARGUMENTS, {"image": image, **data}))


def _written(data: Keys) -> bytes:
    """The file of a new experiment, without the image where `submit` is to pin it."""
    plain = _requested(data).model_dump(mode="json", exclude_unset=True)
    if plain["image"] == _NO_IMAGE:
        del plain["image"]
    path = experiment_path(data["name"])
    return editor_comment(path, "Experiment").encode() + to_yaml(plain)


def _dataset(snapshot: Snapshot, name: str) -> dict[str, Any]:
    if name in BUNDLED:
        return {"uri": f"bundled://{name}"}
    declared: dict[str, Dataset] = {}
    for experiment in snapshot.experiments.values():
        declared.setdefault(experiment.model.name, experiment.dataset)
    if name in declared:
        return declared[name].model_dump(exclude_none=True)
    known = ", ".join(sorted({*BUNDLED, *declared}))
    raise PipelineError(f"dataset {name!r} is not declared by any experiment; known are {known}")


def _environment(snapshot: Snapshot, data: Keys) -> str:
    """The first environment, embedded ones before others, whose nodes hold what is asked."""
    for environment in sorted(snapshot.environments.values(), key=_preference):
        if pool_for(_requested({**data, "environment": environment.name}), environment):
            return environment.name
    raise PipelineError(
        f"no environment has a node for {dict(data.get('resources', {}))}; "
        "ask for less, or add a pool to an environment.yaml"
    )


def _preference(environment: Environment) -> tuple[bool, bool, str]:
    """Embedded ones first, then those where a model's way begins."""
    is_embedded = environment.runtime == "embedded"
    return (not is_embedded, bool(environment.promotes_from), environment.name)

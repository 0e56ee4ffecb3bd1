"""`ml-pipeline promote`: a run shall serve; its traffic grows in steps that automation commits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.git import AUTOMATION
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.reader import part
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.documents.source import Source
from ml_pipeline.rules.promotion import promotion_changes
from ml_pipeline.rules.render import Changes
from ml_pipeline.rules.serving import opened_rollouts
from ml_pipeline.verbs import console
from ml_pipeline.verbs.workspace import Workspace, open_workspace


@dataclass(frozen=True)
class Terms:
    """How the traffic is to grow, by the keys of `rollout` that were given, and what the person takes upon themself."""

    rollout: Mapping[str, Any] = field(default_factory=dict)
    accept_signature_change: bool = False


_DEFAULTS = Terms()


def promote(
    repo: Path,
    reference: str,
    *,
    environment: str | None = None,
    terms: Terms = _DEFAULTS,
    remote: str | None = None,
) -> int:
    """Commit and merge the promotion of `experiment/id`, or of the newest succeeded run of an experiment."""
    workspace = open_workspace(repo, remote, environment=environment)
    run = find_run(workspace.snapshot, reference)
    name = environment or run.environment
    workspace.environment(name)
    asked = part(Rollout, Source("promote", dict(terms.rollout), {}))
    _open_rollouts(workspace, run.model)

    def plan(revision: str) -> tuple[Changes, str]:
        return promotion_changes(
            load_snapshot(workspace.repository.read(revision)),
            run,
            name,
            asked,
            accept_signature_change=terms.accept_signature_change,
        )

    revision = workspace.repository.propose(plan)
    what = f"{run.model} in {name}: {run.experiment}/{run.id}"
    console.result(
        f"{what} committed as {revision[:10]}" if revision else f"{what} is promoted already"
    )
    return console.OK


def find_run(snapshot: Snapshot, reference: str) -> Run:
    """The receipt that `experiment/id` names, or the newest succeeded one of an experiment.

    Raises:
        PipelineError: there is none.
    """
    if reference in snapshot.runs_by_reference:
        return snapshot.runs_by_reference[reference]
    mine = [
        run
        for run in snapshot.runs.values()
        if run.experiment == reference and run.outcome == "succeeded"
    ]
    if mine:
        return max(mine, key=lambda run: run.started or "")
    known = ", ".join(sorted(snapshot.runs_by_reference)) or "none"
    raise PipelineError(
        f"{reference!r} has no receipt of a run; wait for it to finish, known are: {known}"
    )


def steps_from(percent: int) -> tuple[int, ...]:
    """Steps that begin with this percentage."""
    return tuple(sorted({percent, 50, 100} if percent < 50 else {percent, 100}))


def _open_rollouts(workspace: Workspace, model: str) -> None:
    """Automation's component comes in a commit of its own, so that a revert of the promotion leaves it in place."""

    def plan(revision: str) -> tuple[Changes, str]:
        snapshot = load_snapshot(workspace.repository.read(revision))
        return (
            Changes(opened_rollouts(snapshot, model)),
            f"Open the rollouts of {model}\n\nPromotions of this model build on automation's component.\n",
        )

    workspace.repository.propose(plan, author=AUTOMATION)

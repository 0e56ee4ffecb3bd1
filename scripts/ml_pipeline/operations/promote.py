"""`ml-pipeline promote`: a run shall serve; its traffic grows in steps that automation commits."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.git.repository import AUTOMATION, Repository
from ml_pipeline.commands import console
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.reader import part
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.documents.source import Source
from ml_pipeline.layout import promotion_path
from ml_pipeline.operations.cost import left, this_month
from ml_pipeline.operations.workspace import Workspace, open_workspace
from ml_pipeline.rules.identity.runs import find_run
from ml_pipeline.rules.money.budgets import months
from ml_pipeline.rules.money.budgets import over_budget as over_budget_faults
from ml_pipeline.rules.money.estimates import History
from ml_pipeline.rules.proposals.promotion import Asked, Proposal, promotion_changes
from ml_pipeline.rules.proposals.rollback import promoted
from ml_pipeline.rules.render.serving import opened_rollouts


@dataclass(frozen=True)
class Terms:
    """How the traffic is to grow, by the keys of `rollout` that were given, and what the person takes upon themself."""

    rollout: Mapping[str, Any] = field(default_factory=dict)
    accept_signature_change: bool = False
    over_budget: bool = False


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
    lacking = workspace.lacks(run)
    if lacking:
        raise PipelineError(lacking)
    rollout = part(Rollout, Source("promote", dict(terms.rollout), {}))
    asked = Asked(run, name, rollout, terms.accept_signature_change)
    _open_rollouts(workspace, run.model)
    proposals: list[Proposal] = []

    def plan(revision: str) -> tuple[Changes, str]:
        snapshot = load_snapshot(workspace.repository.read(revision))
        proposal = promotion_changes(snapshot, asked, _past(workspace.repository, revision, asked))
        _pay(snapshot, proposal.changes, asked, over_budget=terms.over_budget)
        proposals.append(proposal)
        return proposal.changes, proposal.message

    revision = workspace.repository.propose(plan)
    end = f"; committed as {revision[:10]}" if revision else ""
    console.result(f"{run.model} in {name}: {asked.reference} {proposals[-1].said}{end}")
    return console.OK


def _past(repository: Repository, revision: str, asked: Asked) -> set[str]:
    """The rollouts of the model that the branch has asked for until now."""
    environment, path = asked.environment, promotion_path(asked.environment, asked.run.model)
    return {
        promoted(environment, path, content.sha, content.subject, content.body).name
        for content in repository.versions(path, revision)
    }


def _pay(snapshot: Snapshot, changes: Changes, asked: Asked, *, over_budget: bool) -> None:
    """Say what the model will cost in a month, before anything is committed.

    Raises:
        InvalidDocumentsError: the environment's budget does not suffice, and nobody has taken that upon themself.
    """
    if not changes:
        return
    after = snapshot.after(changes)
    month = this_month()
    old, new = (months(side, History(side), month) for side in (snapshot, after))
    before, now = old[asked.environment], new[asked.environment]
    if now.expected == before.expected:
        return
    model = asked.run.model
    cost = f"{model} costs {now.of(model):.2f} {now.currency} a month, {before.of(model):.2f} until now"
    console.talk(f"{cost}; {left(now)}")
    faults = over_budget_faults(after, old, new)
    if faults and not over_budget:
        raise InvalidDocumentsError(
            replace(fault, text=f"{fault.text}, or promote with --over-budget") for fault in faults
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

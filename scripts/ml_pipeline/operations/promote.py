"""A run shall serve: its promotion is committed, and automation then moves the traffic in steps."""

from dataclasses import dataclass, replace
from pathlib import Path

from ml_pipeline.adapters.git.repository import AUTOMATION, Repository
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.reader import part
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.documents.source import Source
from ml_pipeline.operations import Talk, silent
from ml_pipeline.operations.branches import Pen, land
from ml_pipeline.operations.cost import left, months_around
from ml_pipeline.operations.workspace import Workspace, open_workspace, promotions_of
from ml_pipeline.rules.identity.runs import find_run
from ml_pipeline.rules.money.budgets import over_budget as over_budget_faults
from ml_pipeline.rules.proposals.promotion import (
    PromotionRequest,
    Proposal,
    promotion_changes,
)
from ml_pipeline.rules.render.serving import opened_rollouts


@dataclass(frozen=True)
class Terms:
    """Where a run shall serve and how its traffic is to grow, as far as that was said.

    Without an environment it is the one that trained the run. The last two are what the person
    takes upon themself.
    """

    environment: str | None = None
    steps: tuple[int, ...] | None = None
    min_requests: int | None = None
    max_error_rate_increase: float | None = None
    max_p99_increase: float | None = None
    accept_signature_change: bool = False
    over_budget: bool = False

    def rollout(self) -> Rollout:
        """The conditions that were given; `model_fields_set` says which.

        Raises:
            InvalidDocumentsError: a value breaks a rule.
        """
        given = {}
        for name in Rollout.model_fields:
            value = getattr(self, name)
            if value is not None:
                given[name] = value
        return part(Rollout, Source.of_arguments("promote", given))


@dataclass(frozen=True)
class PromotionCommit:
    """The run that a model is asked to serve, what follows, and the commit that asks.

    `revision` is None where nothing had to be committed.
    """

    model: str
    environment: str
    run: str
    consequence: str
    revision: str | None


_DEFAULTS = Terms()
_PERSON = Pen()


def promote(
    repo: Path,
    reference: str,
    *,
    terms: Terms = _DEFAULTS,
    remote: str | None = None,
    talk: Talk = silent,
) -> PromotionCommit:
    """Commit and merge the promotion of `experiment/id`, or of an experiment's newest good run.

    Raises:
        PipelineError: there is no such run, or its model is not on this machine.
        InvalidDocumentsError: it may not serve there, or the budget does not suffice.
    """
    workspace = open_workspace(repo, remote, environment=terms.environment)
    run = find_run(workspace.snapshot, reference)
    return promote_run(workspace, run, terms, talk=talk)


def promote_run(
    workspace: Workspace,
    run: Run,
    terms: Terms,
    *,
    pen: Pen = _PERSON,
    talk: Talk = silent,
) -> PromotionCommit:
    """Commit the promotion of a run.

    Raises:
        PipelineError: its model is not on this machine.
        InvalidDocumentsError: it may not serve there, or the budget does not suffice.
    """
    facts = workspace.environment(terms.environment or run.environment)
    lacking = workspace.lacks(run)
    if lacking:
        raise PipelineError(lacking)
    request = PromotionRequest(run, facts.name, terms.rollout(), terms.accept_signature_change)
    repository = workspace.repository
    # Before the promotion: Kustomize refuses an overlay whose component is not there.
    _open_rollouts(repository, run.model)
    proposals: list[Proposal] = []

    def plan(revision: str) -> tuple[Changes, str]:
        snapshot = load_snapshot(repository.read(revision))
        # Also what was reverted since: what a person took out is not to come back by its name.
        history = promotions_of(repository, revision, facts.name, run.model)
        past = {promotion.name for promotion in history}
        proposal = promotion_changes(snapshot, request, past)
        _pay(snapshot, proposal.changes, request, over_budget=terms.over_budget, talk=talk)
        proposals.append(proposal)
        return proposal.changes, proposal.message

    revision = land(repository, plan, pen)
    # It is planned anew each time the branch has moved: the last plan is the one that holds.
    consequence = proposals[-1].consequence
    return PromotionCommit(run.model, facts.name, request.reference, consequence, revision)


def _open_rollouts(repository: Repository, model: str) -> None:
    """Automation's component, in a commit of its own: a revert of the promotion leaves it there."""

    def plan(revision: str) -> tuple[Changes, str]:
        snapshot = load_snapshot(repository.read(revision))
        reason = "Promotions of this model build on automation's component."
        message = f"Open the rollouts of {model}\n\n{reason}\n"
        return Changes(opened_rollouts(snapshot, model)), message

    repository.propose(plan, author=AUTOMATION)


def _pay(
    snapshot: Snapshot,
    changes: Changes,
    request: PromotionRequest,
    *,
    over_budget: bool,
    talk: Talk,
) -> None:
    """Say what the model will cost in a month, before anything is committed.

    Raises:
        InvalidDocumentsError: the environment's budget does not suffice, and nobody has taken that
            upon themself.
    """
    if not changes:
        return
    after = Snapshot(applied(dict(snapshot.files), changes))
    old, new = months_around(snapshot, after)
    before, now = old[request.environment], new[request.environment]
    if now.expected == before.expected:
        return  # nothing becomes dearer or cheaper
    model = request.run.model
    cost = f"{model} costs {now.of(model):.2f} {now.currency} a month"
    talk(f"{cost}, {before.of(model):.2f} until now; {left(now)}")
    faults = over_budget_faults(after, old, new)
    if faults and not over_budget:
        raise InvalidDocumentsError(
            replace(fault, text=f"{fault.text}, or promote with --over-budget") for fault in faults
        )


def steps_from(percent: int) -> tuple[int, ...]:
    """Steps that begin with this percentage."""
    # A step of 50 % is worth it only on the way up.
    return tuple(sorted({percent, 50, 100} if percent < 50 else {percent, 100}))

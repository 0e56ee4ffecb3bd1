"""An experiment becomes a commit with its overlay, merged or as a branch for a pull request."""

from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.checkout import Following, follow
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.changes import Changes, applied, differing
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.source import Source
from ml_pipeline.layout import EXPERIMENTS, SHORT, experiment_path
from ml_pipeline.operations import Talk, silent
from ml_pipeline.operations.branches import Landing, Plan, on_own_branch
from ml_pipeline.operations.drafts import Draft, check_code, with_image
from ml_pipeline.operations.workspace import Workspace, open_workspace
from ml_pipeline.rules.identity.awaited import run_identity_of
from ml_pipeline.rules.identity.settled import receipt_line, settling_receipt
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.faults import checked_snapshot


@dataclass(frozen=True)
class Submission:
    """What became of a draft.

    `revision` holds the experiment on `branch`; nothing was committed where it did before. `run` is
    its identity, if its data is prepared. `receipt` is what has settled it, if it is, and `settled`
    what is to be said of that. `lacking` says what of it is not on this machine though a receipt
    names it.
    """

    experiment: Experiment
    draft: Draft
    run: str | None
    revision: str
    remote: str
    branch: str
    committed: bool
    receipt: Run | DataVersion | None = None
    settled: str = ""
    lacking: str = ""

    @property
    def name(self) -> str:
        """`experiment/id`, the experiment alone until its data is prepared."""
        name = self.experiment.name
        return f"{name}/{self.run[:SHORT]}" if self.run else name


@dataclass(frozen=True)
class Existing:
    """An experiment that is in the repository, and its file."""

    experiment: Experiment
    raw: bytes


def submit(
    repo: Path,
    draft: Draft,
    *,
    merge: bool = False,
    remote: str | None = None,
    talk: Talk = silent,
) -> Submission:
    """Commit a draft to the branch that counts for its environment.

    Raises:
        InvalidDocumentsError: the experiment breaks a rule; nothing is committed.
        PipelineError: it pins code that no commit holds.
    """
    environment = str(draft.source.data.get("environment"))
    workspace = open_workspace(repo, remote, environment=environment)
    return submit_draft(workspace, draft, merge=merge, talk=talk)


def submit_draft(
    workspace: Workspace, draft: Draft, *, merge: bool, talk: Talk = silent
) -> Submission:
    """Commit a draft in a workspace; its image is pinned if it is not yet.

    A run that is settled needs no commit.

    Raises:
        InvalidDocumentsError: the experiment breaks a rule; nothing is committed.
        PipelineError: it pins code that no commit holds.
    """
    draft = with_image(workspace, draft)
    experiment = workspace.snapshot.current(draft.experiment)
    receipt = settling_receipt(workspace.snapshot, experiment)
    if receipt is None:  # what is settled runs no code
        check_code(workspace, experiment, draft.source, talk)
    landing = _land(workspace, draft, merge=merge, is_settled=receipt is not None)
    lacking = workspace.lacks(experiment)
    settled = ""
    if receipt and not lacking:
        settled = receipt_line(workspace.snapshot, receipt)
    return Submission(
        experiment=experiment,
        draft=draft,
        run=run_identity_of(workspace.snapshot, experiment),
        revision=landing.revision,
        remote=workspace.repository.remote,
        branch=landing.branch,
        committed=landing.committed,
        receipt=receipt,
        settled=settled,
        lacking=lacking,
    )


def follow_tree(repo: Path, submission: Submission) -> Following:
    """After a merge `git pull` has to work, also where the draft was written into this tree."""
    repository = Repository(repo, remote=submission.remote, branch=submission.branch)
    own = {experiment_path(submission.experiment.name): submission.draft.original}
    return follow(repository, submission.revision, own)


def existing(workspace: Workspace, name: str) -> Existing | None:
    """The experiment of that name: the one on the branch that counts.

    Where that has none it is the one that waits on a branch of its own.
    """
    snapshot, repository = workspace.snapshot, workspace.repository
    if name not in snapshot.experiments:
        waiting = repository.remote_head(_own_branch(name))
        if waiting:
            # The remote names the commit; its objects may not be here yet.
            repository.fetch_revision(waiting)
            snapshot = Snapshot(repository.read(waiting, [EXPERIMENTS]))
    if name not in snapshot.experiments:
        return None
    return Existing(snapshot.written(name), snapshot.files[experiment_path(name)])


def _own_branch(name: str) -> str:
    """The branch of an experiment's pull request."""
    return f"experiments/{name}"


def _land(workspace: Workspace, draft: Draft, *, merge: bool, is_settled: bool) -> Landing:
    """Bring the experiment onto a branch, as a commit on what is there."""
    repository, experiment = workspace.repository, draft.experiment
    branch = repository.branch if merge else _own_branch(experiment.name)
    snapshot, name = workspace.snapshot, experiment.name
    current = snapshot.written(name) if name in snapshot.experiments else None
    # Another text under this name is still a change to commit, such as other gates.
    if is_settled and current in (None, experiment):
        return Landing(branch, workspace.revision, committed=False)
    # Nothing is rendered yet: the plan is made on whatever revision it is to be committed on.
    plan = _planned(repository, draft)
    if not merge:
        return on_own_branch(repository, workspace.revision, branch, plan)
    proposed = repository.propose(plan)
    return Landing(branch, proposed or workspace.revision, committed=proposed is not None)


def _planned(repository: Repository, draft: Draft) -> Plan:
    """From a revision to the commit on it: the document, and all that is rendered anew for it."""
    experiment = draft.experiment
    path = experiment_path(experiment.name)

    def plan(revision: str) -> tuple[Changes, str]:
        files = repository.read(revision)
        changes = Changes({path: draft.raw})
        try:
            changes |= drift(checked_snapshot(applied(files, changes)))
        except InvalidDocumentsError as error:
            raise _at_draft(error, path, draft.source) from error
        # What is equal already makes no commit: submitting twice changes nothing.
        written = differing(files, changes.write)
        return Changes(written, changes.delete), _message(experiment)

    return plan


def _at_draft(error: InvalidDocumentsError, path: str, source: Source) -> InvalidDocumentsError:
    """Faults of the committed file, at the lines of the file that the person has."""
    return InvalidDocumentsError(
        source.fault(fault.key, fault.text) if fault.path == path else fault
        for fault in error.faults
    )


def _message(experiment: Experiment) -> str:
    chosen = experiment.parameters.model_dump(exclude_defaults=True)
    values = ", ".join(f"{key} {value}" for key, value in chosen.items())
    return (
        f"Train {experiment.name}\n\n"
        f"{experiment.model.type} on {experiment.dataset.uri} with {values}, "
        f"seed {experiment.seed}.\n"
    )
